"""Small randomly initialised open_clip models of several architectures, as folders that people keep their own in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"image_size": 48, "layers": 2, "width": 64, "patch_size": 16}
SIGLIP_PIXELS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "vit": {"model_cfg": {"embed_dim": 32, "vision_cfg": VIT, "text_cfg": TEXT}, "preprocess_cfg": {}},
    "resnet": {
        "model_cfg": {
            "embed_dim": 24,
            "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
            "text_cfg": TEXT,
        },
        "preprocess_cfg": {"interpolation": "bilinear"},
    },
    # a tower of timm with attention pooling, no causal mask, pictures squashed to their own size, texts tidied its way
    "siglip": {
        "model_cfg": {
            "embed_dim": 48,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": {
                "image_size": 160,
                "timm_model_name": "test_vit3",
                "timm_model_pretrained": False,
                "timm_pool": "map",
                "timm_proj": "linear",
            },
            "text_cfg": {
                **TEXT,
                "context_length": 12,
                "width": 48,
                "no_causal_mask": True,
                "proj_bias": True,
                "pool_type": "last",
                "tokenizer_kwargs": {"clean": "canonicalize"},
            },
        },
        "preprocess_cfg": SIGLIP_PIXELS,
    },
    "coca": {
        "model_cfg": {
            "embed_dim": 32,
            "custom_text": True,
            "vision_cfg": {**VIT, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
            "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
            "multimodal_cfg": TEXT,
        },
        "preprocess_cfg": {"resize_mode": "longest", "fill_color": 99},
    },
}

MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Makes the folder of a model: its configuration, and its weights as safetensors."""
    open_clip = pytest.importorskip("open_clip")
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")

    def make(name: str, seed: int = 0) -> Path:
        folder = Path(tmp_path_factory.mktemp(name))
        (folder / "open_clip_config.json").write_text(json.dumps(ARCHITECTURES[name]))
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
        for parameter in model.parameters():
            if not parameter.any():  # layers that begin at zero would pass nothing on of what they see
                torch.nn.init.normal_(parameter, std=0.3)
        safetensors.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
        return folder

    return make


@pytest.fixture(scope="session", params=list(ARCHITECTURES))
def model_folder(request: pytest.FixtureRequest, make_model: MakeModel) -> Path:
    """The folder of one model of each architecture."""
    return make_model(request.param)


TRANSFORMERS = '''
import json, pathlib, torch

class Output:
    def __init__(self, input_ids):
        self.input_ids = input_ids

class Letters:
    """Reads a text letter by letter; saved as one file."""

    def __init__(self, shift):
        self.shift = shift

    def __call__(self, texts, return_tensors, max_length, padding, truncation):
        assert (return_tensors, padding, truncation) == ("pt", "max_length", True)
        rows = [[ord(letter) % 1000 + self.shift for letter in text][: max_length - 1] for text in texts]
        return Output(torch.tensor([row + [1] * (max_length - len(row)) for row in rows]))

    def save_pretrained(self, folder):
        pathlib.Path(folder).mkdir(exist_ok=True)
        (pathlib.Path(folder) / "tokenizer.json").write_text(json.dumps(self.shift))

class AutoTokenizer:
    @staticmethod
    def from_pretrained(source, cache_dir=None):
        path = pathlib.Path(source) / "tokenizer.json"
        if not path.exists():
            raise OSError(f"{source} is not a local folder, and the network is off")
        return Letters(json.loads(path.read_text()))
'''


@pytest.fixture
def own_tokenizer(make_model: MakeModel) -> Path:
    """A SigLIP-like model whose configuration asks for a tokeniser of transformers."""
    folder = make_model("siglip")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "somebody/letters"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in for the library, with the two calls that open_clip makes."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "transformers.py").write_text(TRANSFORMERS)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    yield
    sys.modules.pop("transformers", None)
