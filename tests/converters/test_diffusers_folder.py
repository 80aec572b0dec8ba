"""A pipeline's folder is looked at before a library opens it."""

import json

import pytest

from amogus_search.converters.diffusers_folder import component_class, digest_of, libraries_of, lora_file, read_index
from amogus_search.converters.diffusers_options import Lora
from amogus_search.errors import UsageError, WeightsError

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX))
    (tmp_path / "unet" / "config.json").write_text('{"_class_name": "UNet2DConditionModel"}')
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"full")
    (tmp_path / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"half")
    return tmp_path


def test_a_pipeline_says_what_it_is_made_of(folder):
    assert libraries_of(read_index(folder)) == {"diffusers"}
    assert component_class(folder / "unet") == "UNet2DConditionModel"


def test_a_folder_without_a_pipeline_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no model_index\.json"):
        read_index(tmp_path)
    with pytest.raises(UsageError, match="no model of diffusers"):
        component_class(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\ud800"])
def test_a_damaged_index_is_told(folder, text):
    (folder / "model_index.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(WeightsError, match=r"model_index\.json"):
        read_index(folder)


def test_code_that_comes_with_a_pipeline_is_never_run(folder):
    """The library would run `unet/mine.py`, or a class of the folder's own `pipe.py`."""
    (folder / "README.py").touch()
    read_index(folder)
    (folder / "unet" / "mine.py").touch()
    for change in ({"unet": ["mine", "Net"]}, {"_class_name": ["pipe", "Pipe"]}, {"_class_name": None}):
        (folder / "model_index.json").write_text(json.dumps(INDEX | change))
        with pytest.raises(UsageError, match="code of its own"):
            read_index(folder)


def test_the_digest_is_of_what_is_read(folder):
    full, half = digest_of(folder), digest_of(folder, variant="fp16")
    assert full != half
    (folder / "single_file.safetensors").write_bytes(b"the same model in another form")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    assert (digest_of(folder), digest_of(folder, pickles=True)) == (full, full)
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"other half")
    assert digest_of(folder) == full
    assert digest_of(folder, variant="fp16") != half
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert digest_of(folder, pickles=True) not in (full, half, digest_of(folder))


def test_a_lora_is_one_safetensors_file(tmp_path):
    with pytest.raises(UsageError, match=r"0 \.safetensors"):
        lora_file(Lora(tmp_path))
    first = tmp_path / "first.safetensors"
    first.touch()
    assert lora_file(Lora(tmp_path)) == first
    (tmp_path / "second.safetensors").touch()
    with pytest.raises(UsageError, match=r"2 \.safetensors"):
        lora_file(Lora(tmp_path))
    usual = tmp_path / "pytorch_lora_weights.safetensors"
    usual.touch()
    assert lora_file(Lora(tmp_path)) == usual
    pickle = tmp_path / "lora.pt"
    pickle.touch()
    with pytest.raises(UsageError, match="could run code"):
        lora_file(Lora(pickle))
