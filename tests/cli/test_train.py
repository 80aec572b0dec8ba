import pytest


def test_a_training_without_data_or_recipe_is_refused(amogus):
    done = amogus("train", "detector", "run")
    assert done.code == 2
    assert "lacks data" in done.err


def test_a_recipe_with_an_unknown_key_is_refused_before_anything_is_done(amogus, workplace):
    (workplace / "mine.toml").write_text('[training]\ndata = ["x"]\nepoch = 3\n')
    done = amogus("train", "detector", "run", "--config", "mine.toml")
    assert done.code == 2
    assert "did you mean 'epochs'?" in done.err
    assert not (workplace / "run").exists()


def test_the_defaults_that_the_help_speaks_of_are_those_of_a_run(amogus):
    from amogus_search.training.detector_settings import DetectorTraining

    words = " ".join(amogus("train", "detector", "--help").out.split())
    run = DetectorTraining(data=())
    for said in (
        f"{run.architecture} (the default)",
        f"over the data; by default {run.epochs}.",
        f"a step; by default {run.batch}.",
        f"in pixels; by default {run.side_px}.",
        f"by default {run.learning_rate};",
        f"bare photos; by default {run.negative_share}.",
        f"by default {run.seed}.",
    ):
        assert said in words, said


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")  # torch warns about itself
def test_a_recipe_tells_each_step_and_goes_on(amogus, workplace):
    (workplace / "small.toml").write_text(
        '[[step]]\nname = "scenes"\ndo = "scenes"\nseed = 1\nnumber = 20\nside_px = 64\n'
        '[[step]]\nname = "first"\ndo = "train"\ndata = ["scenes"]\nside_px = 64\nbatch = 4\nepochs = 2\n'
    )
    words = ("train", "detector", "run", "--config", "small.toml", "--set", "first.epochs=1", "--quiet")
    done = amogus(*words)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("scenes: done: ")
    assert lines[1].startswith("first: epoch 1: AP50 ")
    assert lines[2].endswith("best.onnx")
    assert (workplace / "run" / "best.safetensors").exists()
    assert [line.split(":")[1] for line in amogus(*words).out.splitlines()] == [" done before, kept"] * 2
    other = amogus(*words, "--batch", "2")
    assert other.code == 1
    assert "other settings" in other.err
