"""Trained towers as ONNX files with half-precision weights and a dynamic batch."""

from __future__ import annotations

import copy
import io
import warnings

import onnx
import torch
from torch import nn

from amogus_search.training.embedder_towers import CROP_PX, MAX_WORDS, ConvUnit, ImageTower, TextTower
from amogus_search.training.onnx_export import with_half_weights

_OPSET = 17
_HALVE_FROM = 64  # smaller tensors are constants of the graph, not worth a cast


def image_tower_onnx(tower: ImageTower) -> bytes:
    """ONNX of the image tower: uint8 "images" (batch, 128, 128, 3) RGB -> float32 "vectors" (batch, d)."""
    plain = copy.deepcopy(tower).float().eval()
    for module in plain.modules():
        if isinstance(module, ConvUnit):
            module.conv = torch.nn.utils.fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    example = torch.zeros(2, CROP_PX, CROP_PX, 3, dtype=torch.uint8)
    return halved(_export(plain, example, "images"))


def text_tower_onnx(tower: TextTower) -> bytes:
    """ONNX of the text tower: int64 "words" (batch, 24), 0 for padding -> float32 "vectors" (batch, d)."""
    plain = copy.deepcopy(tower).float().eval()
    return halved(_export(plain, torch.ones(2, MAX_WORDS, dtype=torch.int64), "words"))


def halved(model: onnx.ModelProto) -> bytes:
    """The model's bytes with its large float32 weights stored as float16 and cast back on load.

    Raises:
        ValueError: a weight is too large for float16.
    """
    return bytes(with_half_weights(model, _HALVE_FROM).SerializeToString(deterministic=True))


def _export(module: nn.Module, example: torch.Tensor, name: str) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            buffer,
            input_names=[name],
            output_names=["vectors"],
            dynamic_axes={name: {0: "batch"}, "vectors": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    return onnx.load_model_from_string(buffer.getvalue())
