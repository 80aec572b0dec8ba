"""Our ONNX weights as a `.pt` file that ultralytics opens like one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from amogus_search.core.motif import Motif
from amogus_search.errors import WeightsError
from amogus_search.training import pose_model
from amogus_search.whole_files import in_place_of

Weights = tuple[NDArray[np.float32], NDArray[np.float32] | None]


def write_pt(model: bytes, architecture: str, motif: Motif, out: Path) -> None:
    """Write the network behind an ONNX file to `out`, with its normalisation folded into the convolutions.

    Args:
        model, architecture, motif: as `network_of` takes them.
        out: the .pt file, written by way of a temporary one.

    Raises: as `network_of`.
    """
    network = network_of(model, architecture, motif)
    network.names = {0: motif.name}
    network.kpt_names = {0: list(motif.keypoint_names)}
    checkpoint = {"model": network.half(), "ema": None, "train_args": {"task": "pose", "imgsz": 640}}
    with in_place_of(out) as part:
        torch.save(checkpoint, part)


def network_of(model: bytes, architecture: str, motif: Motif) -> Any:
    """The network behind an ONNX file in PyTorch, in fp32 and evaluation mode.

    Args:
        model: the ONNX file's bytes, as `onnx_export.export_pose` wrote it.
        architecture: what it was built as, e.g. "yolov8n-pose".
        motif: its keypoints, in the network's order.

    Raises:
        WeightsError: the file's convolutions are not those of the architecture.
        MissingExtraError: ultralytics is not installed.
    """
    network: Any = pose_model.build(architecture, len(motif.keypoint_names)).float().eval().fuse(verbose=False)
    own, given = _convolutions(network), list(_weights(onnx.load_from_string(model)))
    if len(own) != len(given):
        raise WeightsError(f"{len(given)} convolutions, {architecture} has {len(own)}", "name another architecture")
    with torch.no_grad():
        for module, (weight, bias) in zip(own, given, strict=True):
            _copy(module, weight, bias, architecture)
    return network


def _convolutions(network: Any) -> list[Any]:
    """The convolutions in the order in which they run, which is the order of a traced graph."""
    order: list[Any] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _: order.append(module))
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return order


def _weights(graph_of: Any) -> Iterator[Weights]:
    """Weight and bias of every convolution of the graph, in its order.

    Casts from fp16 are seen through, and so are the stand-ins that the exporter puts where two tensors are equal.
    """
    graph = graph_of.graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    behind = {node.output[0]: node.input[0] for node in graph.node if node.op_type in ("Cast", "Identity")}

    def array(name: str) -> NDArray[np.float32]:
        while name not in values:
            name = behind[name]
        return np.asarray(numpy_helper.to_array(values[name]), np.float32)

    for node in graph.node:
        if node.op_type == "Conv":
            yield array(node.input[1]), array(node.input[2]) if len(node.input) > 2 else None


def _copy(module: Any, weight: NDArray[np.float32], bias: NDArray[np.float32] | None, architecture: str) -> None:
    if tuple(module.weight.shape) != weight.shape or (module.bias is None) != (bias is None):
        raise WeightsError(f"the convolutions are not those of {architecture}", "name another architecture")
    module.weight.copy_(torch.from_numpy(weight.copy()))
    if bias is not None:
        module.bias.copy_(torch.from_numpy(bias.copy()))
