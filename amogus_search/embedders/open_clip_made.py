"""CLIP models with random weights, and in the form of ONNX: what running a model costs does not depend on its weights.

They find nothing, and are for measuring only: a model of any architecture without a download.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from amogus_search.embedders import open_clip
from amogus_search.embedders.open_clip import OpenClipEmbedder
from amogus_search.embedders.open_clip_names import CONFIG_NAME
from amogus_search.errors import UsageError

_OPSET = 18


def make_random(architecture: str, folder: Path, seed: int = 0) -> OpenClipEmbedder:
    """A randomly initialised model of an architecture that open_clip knows, in a new folder like people's own.

    Raises:
        MissingExtraError: open_clip or torch is not installed.
        UsageError: there is no such architecture.
    """
    library, torch = open_clip.libraries()
    config = library.get_model_config(architecture)
    if config is None:
        raise UsageError(f"open_clip has no model {architecture!r}", "open_clip.list_models() has them all")
    folder.mkdir(parents=True)
    (folder / CONFIG_NAME).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = library.create_model(architecture, load_weights=False).state_dict()
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "open_clip_model.safetensors")
    return OpenClipEmbedder(f"local-dir:{folder}")


def write_onnx(model: OpenClipEmbedder, images: Path, words: Path) -> None:
    """Write the image tower and the text tower as ONNX: from `input` to `output`, float32, in any number at once."""
    _, torch = open_clip.libraries()
    with model.towers() as towers:
        for (module, example), path in zip(towers, (images, words), strict=True):
            torch.onnx.export(
                module,
                (example,),
                str(path),
                input_names=["input"],
                output_names=["output"],
                dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
                opset_version=_OPSET,
                dynamo=False,
            )


def write_merges(path: Path) -> None:
    """Write the gzipped table of merges of CLIP's tokeniser."""
    path.write_bytes(open_clip.merges_table())
