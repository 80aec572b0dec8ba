"""The one door to NNCF: a detector's arithmetic in eight-bit integers, calibrated on a few pictures, not trained anew.

NNCF sends usage data by OpenVINO's telemetry unless that is masked, which the runtime's door does; it is always gone
through first.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search import runtime
from amogus_search.errors import AmogusError, MissingExtraError


def quantised(model: bytes, tiles: Sequence[NDArray[np.uint8]]) -> tuple[bytes, bytes]:
    """The .xml and .bin file of a detector that computes in int8.

    The last convolutions of its head, and all that follows them, stay as they are: coordinates and confidences need
    more than 256 steps, and cost next to nothing.

    Args:
        model: an ONNX file with one input, (b, 3, h, w) in [0, 1].
        tiles: (side, side, 3) uint8 RGB pictures of the kind that it will see, to learn the ranges from; any sides
            that the model takes.

    Raises:
        MissingExtraError: NNCF is not installed.
        AmogusError: there are no tiles, or the model cannot be quantised.
    """
    if not tiles:
        raise AmogusError("no pictures to learn the ranges of numbers from", "give some that the detector will see")
    try:
        network = runtime.with_swish(runtime.read_network(model))
    except RuntimeError as error:
        raise AmogusError(
            f"OpenVINO cannot read this model: {error}", "check that it is an intact ONNX file"
        ) from error
    chatter = io.StringIO()
    with redirect_stdout(chatter):
        nncf = _import()
        nncf.disable_logging()
        try:
            small = nncf.quantize(
                network,
                nncf.Dataset(list(tiles), _as_input),
                preset=nncf.QuantizationPreset.MIXED,
                ignored_scope=nncf.IgnoredScope(names=_tail(network), validate=False),
                subset_size=len(tiles),
            )
        except (RuntimeError, nncf.ValidationError) as error:
            raise AmogusError(f"NNCF cannot quantise this model: {error}", "use it as it is") from error
    return runtime.network_files(small)


def _import() -> Any:
    try:
        import nncf
    except ImportError as error:
        raise MissingExtraError("int8 needs NNCF", 'pip install "amogus_search[int8]"') from error
    return nncf


def _as_input(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(tile.transpose(2, 0, 1)[None] / np.float32(255), np.float32)


def _tail(network: Any) -> list[str]:
    """Names of the last convolutions before the outputs, and of all operations after them.

    A convolution right behind a softmax is none of them: it is how YOLOv8 and YOLO11 write the mean of a distribution.
    """
    found: dict[str, None] = {}
    waiting = [result.input_value(0).get_node() for result in network.get_results()]
    while waiting:
        node = waiting.pop()
        name, kind = node.get_friendly_name(), node.get_type_name()
        if name in found or kind in ("Constant", "Parameter", "ShapeOf"):
            continue
        found[name] = None
        if kind == "Convolution" and not _takes_softmax(node):
            continue
        waiting += [value.get_node() for value in node.input_values()]
    return list(found)


def _takes_softmax(convolution: Any) -> bool:
    source = convolution.input_value(0).get_node()
    while source.get_type_name() in ("Transpose", "Reshape"):
        source = source.input_value(0).get_node()
    return bool(source.get_type_name() == "Softmax")
