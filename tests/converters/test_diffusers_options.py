"""What the back end is told is read before anything is loaded, and a misspelt folder never becomes a download."""

import pytest

from amogus_search.converters.diffusers_options import read_options
from amogus_search.errors import UsageError


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


def test_a_folder_comes_before_a_name_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "tiny").mkdir(parents=True)
    assert read_options("someone/tiny", {}).loading.model.folder is not None
    hub = read_options("hf-hub:someone/tiny", {}).loading.model
    assert (hub.folder, hub.hub_name) == (None, "someone/tiny")
    assert read_options("others/tiny", {"revision": "v2"}).loading.model.folder is None


@pytest.mark.parametrize("name", ["models/sd51", "./models/sd15", "/models/sd15", "sd15", "a/b/c", "hf-hub:sd15", ""])
def test_what_may_be_a_misspelt_folder_is_no_name_on_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(UsageError, match=r"no folder|needs a model"):
        read_options(name, {})


def test_a_single_file_is_told_how_to_become_a_folder(tmp_path):
    file = tmp_path / "sd15.safetensors"
    file.touch()
    with pytest.raises(UsageError, match="from_single_file"):
        read_options(str(file), {})


def test_every_option_is_read(model, tmp_path):
    one, other = tmp_path / "one.safetensors", tmp_path / "a,b:2"
    one.touch()
    other.mkdir()
    told = {
        "pipeline": "img2img",
        "lora": f"{one}:0.5,{one}",
        "controlnet": str(model),
        "control": "outline",
        "control_scale": "0.7",
        "scheduler": "EulerDiscreteScheduler",
        "device": "cuda:1",
        "dtype": "float16",
        "batch": "3",
        "slicing": "yes",
        "tiling": "yes",
        "offload": "model",
        "variant": "fp16",
        "pickles": "no",
    }
    asked = read_options(str(model), told)
    assert [(lora.path, lora.weight) for lora in asked.loading.loras] == [(one, 0.5), (one, 1.0)]
    assert (asked.loading.device, asked.loading.dtype, asked.loading.offload) == ("cuda:1", "float16", "model")
    assert (asked.loading.slicing, asked.loading.tiling, asked.loading.pickles) == (True, True, False)
    assert (asked.calling.control, asked.calling.control_scale, asked.calling.batch) == ("outline", 0.7, 3)
    whole = read_options(str(model), {"lora": str(other)}).loading.loras
    assert [(lora.path, lora.weight) for lora in whole] == [(other, 1.0)]


def test_hiding_is_light_and_shade_of_a_strength(model):
    asked = read_options(str(model), {"hide": "1.3"}).calling
    assert (asked.hide, asked.control, asked.control_scale) == (True, "tone", 1.3)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("speed", "9"),
        ("dtype", "int8"),
        ("device", "tpu"),
        ("batch", "0"),
        ("batch", "two"),
        ("hide", "nan"),
        ("hide", "-1"),
        ("control", "canny"),
        ("slicing", "1"),
        ("offload", "yes"),
        ("lora", "nowhere.safetensors:0.5"),
        ("controlnet", "nowhere"),
        ("revision", "v2"),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(model, option, value):
    with pytest.raises(UsageError):
        read_options(str(model), {option: value})


def test_hiding_leaves_no_choice_of_what_the_controlnet_sees(model):
    with pytest.raises(UsageError, match="hide"):
        read_options(str(model), {"hide": "1", "control": "outline"})
