from pathlib import Path

import pytest

from amogus_search.errors import UsageError
from amogus_search.training.detector_settings import DetectorTraining
from amogus_search.training.recipe import Blend, Mine, Scenes, Train, read_recipe, shipped

SMALL = """
photos = "photos"
[training]
batch = 4
[[step]]
name = "scenes"
do = "scenes"
seed = 1
number = 20
[[step]]
name = "first"
do = "train"
data = ["scenes", "more"]
start = "coco.pt"
[[step]]
name = "mine"
do = "mine"
detector = "first"
[[step]]
name = "second"
do = "train"
data = ["scenes"]
start = "first"
hard = "mine"
epochs = 2
"""


@pytest.fixture
def write(tmp_path):
    def written(text=SMALL, name="small.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return written


def refused(path, *settings, **options):
    with pytest.raises(UsageError) as error:
        read_recipe(path, options, settings)
    return str(error.value)


def test_paths_in_a_file_are_relative_to_the_file_and_steps_are_taken_by_name(write, tmp_path):
    recipe = read_recipe(write())
    scenes, first, mine, second = recipe.steps
    assert scenes == Scenes(name="scenes", seed=1, number=20, photos=str(tmp_path / "photos"))
    assert isinstance(first, Train)
    assert first.training.data == ("scenes", str(tmp_path / "more"))
    assert first.training.start == str(tmp_path / "coco.pt")
    assert mine == Mine(name="mine", detector="first", photos=str(tmp_path / "photos"))
    assert isinstance(second, Train)
    assert (second.training.start, second.training.hard) == ("first", "mine")
    assert (second.training.batch, second.training.epochs) == (4, 2)


def test_names_of_detectors_in_a_file_stay_names(write):
    text = SMALL.replace('detector = "first"', 'detector = "{}"')
    for name in ("amogus", "motif:eye"):
        assert read_recipe(write(text.format(name))).steps[2].detector == name
    assert read_recipe(write(text.format("a.onnx"))).steps[2].detector.startswith("/")


def test_options_replace_the_file_in_every_step_and_settings_in_one(write):
    recipe = read_recipe(write(), {"epochs": 3, "side_px": 96, "photos": "p"}, ["second.learning_rate=1e-4"])
    scenes, first, mine, second = recipe.steps
    assert (scenes.side_px, scenes.photos, mine.photos) == (96, "p", "p")
    assert [step.training.epochs for step in (first, second)] == [3, 3]
    assert [step.training.learning_rate for step in (first, second)] == [1e-3, 1e-4]
    assert first.training.photos == second.training.photos == "p"


def test_a_start_from_the_command_line_does_not_break_the_chain(write):
    steps = {step.name: step for step in read_recipe(write(), {"start": "other.pt"}).steps}
    assert steps["first"].training.start == "other.pt"
    assert steps["second"].training.start == "first"


def test_what_the_command_line_makes_needless_is_not_done(write):
    """Whoever brings the scenes and the list of false findings need not wait for others to be made."""
    recipe = read_recipe(write(), {"data": ["mine_own"], "hard": "list.jsonl"})
    assert [step.name for step in recipe.steps] == ["first", "second"]
    assert recipe.steps[0].training.data == ("mine_own",)


def test_options_alone_are_one_training_run():
    (step,) = read_recipe(None, {"data": ["scenes"], "epochs": 2}).steps
    assert step == Train(name="", training=DetectorTraining(data=("scenes",), epochs=2))


def test_a_file_without_steps_is_one_training_run(write, tmp_path):
    (step,) = read_recipe(write('[training]\ndata = ["scenes"]\nside_px = 160\n')).steps
    assert step == Train(name="", training=DetectorTraining(data=(str(tmp_path / "scenes"),), side_px=160))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("second.epoch=2", "did you mean 'epochs'?"),
        ("secnd.epochs=2", "did you mean 'second'?"),
        ("training.batchs=2", "did you mean 'batch'?"),
        ("second.epochs=2.5", "it must be a whole number"),
        ("second.epochs=0", "it must be at least 1"),
        ("second.negative_share=2", "it must lie between 0 and 1"),
        ("second.learning_rate=fast", "it must be a number"),
        ('second.data="scenes"', "it must be a list of texts"),
        ("first.do=trian", "did you mean 'train'?"),
        ('first.start="second"', "which comes later"),
        ("epochs", "write STEP.KEY=VALUE"),
    ],
)
def test_what_means_nothing_is_refused_with_the_way_out(write, setting, said):
    assert said in refused(write(), setting)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("phots = 1", "did you mean 'photos'?"),
        ("photos = ", "is no TOML file"),
        ("[[step]]\ndo = 'train'", "needs a name"),
        (SMALL.replace('"second"', '"first"'), "a step cannot be called 'first'"),
        (SMALL.replace('name = "second"', 'name = "a/b"'), "a step cannot be called 'a/b'"),
        (SMALL.replace("number = 20", ""), "step 'scenes' lacks number"),
        (SMALL.replace('photos = "photos"', ""), "step 'mine' lacks photos"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(write, text, said):
    assert said in refused(write(text))


def test_no_data_is_an_error_that_says_so():
    assert "lacks data" in refused(None)


def test_a_recipe_that_is_not_there_is_refused_and_ours_are_named(tmp_path):
    said = refused(tmp_path / "none.toml")
    assert "cannot be read" in said
    assert "detector" in said


def test_the_shipped_recipe_says_all_but_where_the_photos_are():
    assert set(shipped()) == {"detector"}
    steps = read_recipe(Path("detector"), {"photos": "photos"}).steps
    assert isinstance(steps[0], Scenes)
    assert isinstance(steps[-1], (Train, Blend))
    first = next(step for step in steps if isinstance(step, Train))
    assert first.training.start == "amogus"
    assert "lacks photos" in refused(Path("detector"))
