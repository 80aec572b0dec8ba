"""Trained networks -> ONNX files that OpenVINO and ONNX Runtime read.

Weights are stored as fp16 and cast back to fp32 inside the graph: half the file, while the arithmetic
stays in whatever precision the runtime is asked for. Runtimes fold the casts away when they load it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from amogus_search.whole_files import in_place_of

OPSET = 17
_SMALL = 64
"""Tensors with fewer numbers stay fp32: they are shapes, scales and biases, and take no room."""


def to_onnx(
    model: torch.nn.Module,
    example: tuple[Any, ...],
    *,
    inputs: list[str],
    outputs: list[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> onnx.ModelProto:
    """Trace a network in evaluation mode into an ONNX graph with the given dynamic axes."""
    buffer = io.BytesIO()
    model.eval()
    with torch.no_grad(), warnings.catch_warnings():
        # The tracing exporter is the one that knows dynamic axes by name; that it is the older one is no news.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            example,
            buffer,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={name: dict(axes) for name, axes in dynamic_axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def with_half_weights(graph: onnx.ModelProto, least: int = _SMALL) -> onnx.ModelProto:
    """The same model with its large fp32 tensors stored as fp16 behind a cast; the argument is not changed.

    Args:
        least: tensors with fewer numbers stay as they are.

    Raises:
        ValueError: a weight is too large for fp16.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    casts = []
    for tensor in copy.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < least:
            continue
        with np.errstate(over="ignore"):
            small = values.astype(np.float16)
        if not np.isfinite(small).all():
            raise ValueError(f"weight {tensor.name} does not fit into half precision")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(small, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_cast", to=TensorProto.FLOAT))
    nodes = [*casts, *copy.graph.node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    onnx.checker.check_model(copy)
    return copy


def save(graph: onnx.ModelProto, path: Path, about: Mapping[str, str]) -> None:
    """Write the model with its card as metadata, via a temporary file."""
    for key, value in about.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    with in_place_of(path) as part:
        part.write_bytes(graph.SerializeToString())


def export_pose(model: torch.nn.Module, path: Path, about: Mapping[str, str], side_px: int = 640) -> None:
    """A YOLO pose network as ONNX: input `images` (b, 3, h, w) in [0, 1], output (b, 5 + 3k, anchors)."""
    head = list(model.model.children())[-1]
    head.export, head.format, head.dynamic = True, "onnx", True
    graph = to_onnx(
        model.float(),
        (torch.zeros(1, 3, side_px, side_px),),
        inputs=["images"],
        outputs=["findings"],
        dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}, "findings": {0: "batch", 2: "anchors"}},
    )
    save(with_half_weights(graph), path, about)
