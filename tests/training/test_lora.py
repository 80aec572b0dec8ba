"""An adapter is trained on what the export wrote, loads back, and a stopped run ends like one that was not."""

import json

import numpy as np
import pytest
from PIL import Image

from amogus_search import registry
from amogus_search.cli.main import main
from amogus_search.core.conversion import Job
from amogus_search.core.figure import Pose
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import AmogusError, DecodeError, UsageError
from amogus_search.exports.dreambooth import export_dreambooth
from amogus_search.exports.dreambooth_command import Training
from amogus_search.synth.fitting import fit_crewmate

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore"),  # torch, transformers and diffusers warn about themselves
]
SIZE = (160, 120)


def _hit(rank, box):
    boxes = [] if box is None else [box]
    found = Detections.make(boxes, [0.9] * len(boxes))
    found = found.with_evidence([[0.9, 0.8]] * len(boxes), ("visor", "legs"))
    count = len(boxes)
    scores = FindingScores(np.full(count, 0.9), np.ones(count), np.zeros(count, bool))
    return Hit(
        rank=rank,
        path=f"/photos/{rank}.png".encode(),
        score=0.9,
        by="amogusness",
        sha256=f"{rank:064x}",
        full_wh=SIZE,
        detections=found,
        scores=scores,
        detection=0 if boxes else None,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three findings and two class pictures, as `amogus export dreambooth` writes them."""
    out = tmp_path_factory.mktemp("data") / "out"

    def read(path):
        pixels = np.random.default_rng(len(path)).integers(60, 120, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        pixels[30:90, 40:100] = (200, 20, 20)
        return pixels

    hits = [_hit(rank, (40 + 5 * rank, 30, 95 + 5 * rank, 90)) for rank in (1, 2, 3)]
    report = export_dreambooth(
        hits, read, out, class_hits=[_hit(8, None), _hit(9, None)], training=Training(resolution=64)
    )
    assert (report.written, report.class_images) == (3, 2)
    return out


@pytest.fixture
def train(data, tiny_pipeline, tmp_path):
    """`train(name, steps=...)`: a run in a folder of that name."""
    from amogus_search.training.lora import LoraTraining, train_lora

    def run(name, kind="sd", **changes):
        given = {"steps": 2, "rank": 2, "learning_rate": 0.02, "side_px": 64} | changes
        model = str(tiny_pipeline(kind))
        return train_lora(LoraTraining(given.pop("data", data), model, tmp_path / name, **given))

    return run


def picture_by(pipeline, **options):
    """What the back end makes of one crop."""
    box = np.array([10, 10, 50, 60], np.float32)
    crop = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    mask = np.ones((64, 64), np.float32)
    job = Job(crop, mask, box, fit_crewmate(Pose(box, {})), strength=1.0, steps=2, prompt="a sks amogus", seed=3)
    return registry.load_converter(f"diffusers:{pipeline}", options).convert([job])[0].astype(int)


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_two_steps_give_an_adapter_that_diffusers_and_our_back_end_load(train, tiny_pipeline, kind):
    import diffusers

    report = train(kind, kind)
    assert (report.steps, report.instances, report.classes) == (2, 3, 2)
    assert report.loss > 0
    pipe = diffusers.DiffusionPipeline.from_pretrained(tiny_pipeline(kind), local_files_only=True)
    pipe.load_lora_weights(str(report.adapter.parent), weight_name=report.adapter.name)
    assert pipe.get_list_adapters() == {"unet": ["default_0"]}
    plain, taught = (
        picture_by(tiny_pipeline(kind), **options) for options in ({}, {"lora": f"{report.adapter.parent}:3"})
    )
    assert np.abs(plain - taught).max() > 0


def test_a_run_that_was_stopped_ends_like_one_that_was_not(train, tmp_path):
    whole = train("whole", steps=4, save_every=2, batch=2, accumulate=2)
    train("halves", steps=2, save_every=2, batch=2, accumulate=2)
    (tmp_path / "halves" / "last.pt.part").write_bytes(b"half a file")
    halves = train("halves", steps=4, save_every=2, batch=2, accumulate=2)
    assert halves.adapter.read_bytes() == whole.adapter.read_bytes()
    names = ["000002.safetensors", "000004.safetensors"]
    for name in ("whole", "halves"):
        assert sorted(path.name for path in (tmp_path / name / "checkpoints").iterdir()) == names
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("whole", "halves")]
    assert logs[0] == logs[1]
    assert logs[0].startswith("step,loss,instance_loss,class_loss\n2,")
    again = train("halves", steps=4, save_every=2, batch=2, accumulate=2)
    assert (again.steps, again.loss) == (4, None)


def test_class_pictures_count_as_much_as_they_are_told_to(train):
    with_them, without = train("with", prior_weight=1.0), train("without", prior_weight=0.0)
    assert (with_them.classes, without.classes) == (2, 0)
    assert with_them.adapter.read_bytes() != without.adapter.read_bytes()


def test_checkpointed_activations_give_the_same_adapter(train):
    from safetensors.torch import load_file

    usual, sparing = (load_file(train(name, checkpointing=name == "sparing").adapter) for name in ("usual", "sparing"))
    assert usual.keys() == sparing.keys()
    assert all(np.allclose(usual[name], sparing[name], atol=1e-3) for name in usual)


def test_a_folder_goes_on_with_its_own_settings_only(train, tmp_path):
    train("run")
    for changes in ({"rank": 4}, {"learning_rate": 0.01}, {"prior_weight": 0.5}, {"kind": "sdxl"}):
        with pytest.raises(AmogusError, match="other settings"):
            train("run", **({"steps": 3} | changes))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").touch()
    with pytest.raises(UsageError, match="something else"):
        train("photos")


@pytest.mark.parametrize(("kind", "words"), [("sd-inpaint", "base model"), ("flux-fill", "no UNet")])
def test_what_cannot_be_trained_is_refused(train, kind, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        train("refused", kind)
    assert not (tmp_path / "refused").exists()


def test_data_that_is_none_is_refused(train, tmp_path):
    instance = tmp_path / "data" / "instance"
    with pytest.raises(UsageError, match="holds no data"):
        train("run", data=tmp_path)
    instance.mkdir(parents=True)
    for lines, words in (
        ("", "names no picture"),
        ("{}\n", "line 1"),
        ('{"file_name": "no.png", "text": ""}', "no.png"),
    ):
        (instance / "metadata.jsonl").write_text(lines)
        with pytest.raises(UsageError, match=words):
            train("run", data=tmp_path / "data")
    (instance / "a.png").write_bytes(b"no picture")
    (instance / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "text": "a"}))
    with pytest.raises(DecodeError, match=r"a\.png"):
        train("run", data=tmp_path / "data")


def test_a_picture_is_read_as_its_middle_square_upright(tmp_path):
    from amogus_search.training.lora_data import read_square

    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 200
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    square, side = read_square(tmp_path / "a.png", 80)
    assert (square.shape, side) == ((80, 80, 3), 40)
    assert (square == 200).all()


def test_the_command_says_how_to_use_what_it_made(data, tiny_pipeline, tmp_path, capsys):
    words = ["train", "lora", str(tmp_path / "run"), "--data", str(data), "--model", str(tiny_pipeline("sd"))]
    words += ["--steps", "1", "--rank", "2", "--size", "64", "--format", "json"]
    assert main(words) == 0
    told = capsys.readouterr()
    record = json.loads(told.out)
    assert (record["steps"], record["instances"], record["classes"]) == (1, 3, 2)
    assert f"--backend-option lora={record['adapter']}" in told.err
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert main([*words, "--rate", "2"]) == 2
