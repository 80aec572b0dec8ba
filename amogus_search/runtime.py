"""The one door to OpenVINO, shared by detectors and embedders.

Precision is always set explicitly: left alone, OpenVINO picks bf16 where the CPU has it, and the same
index would then mean different things on two machines. Importing `openvino` forks a process that looks
up an analytics host unless its telemetry module is masked first, so nothing else may import it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import AmogusError

Precision = Literal["f32", "bf16"]
_MULTIPLY_BYTES = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""Flags of processors that add up products of bytes in one instruction, and without saturating in between."""
_CONVERTER = "openvino.tools.ovc"
Constants: TypeAlias = bytes | NDArray[np.uint8]


@cache
def _core() -> Any:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    # Half of the time of importing OpenVINO goes into its converter; it does without if that cannot be imported.
    sys.modules.setdefault(_CONVERTER, None)  # type: ignore[arg-type]
    import openvino

    if sys.modules[_CONVERTER] is None:
        del sys.modules[_CONVERTER]  # for whoever wants it: `network_of_torch`

    return openvino.Core()


def cpu_has_bf16() -> bool:
    """Whether this CPU computes bf16 natively, so that asking for it is faster and not slower."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def cpu_has_int8() -> bool:
    """Whether this CPU multiplies bytes natively; false where the system does not say (only Linux does)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return any(word in _MULTIPLY_BYTES for word in flags.split())


class CompiledModel:
    """One ONNX model, compiled for one set of input shapes; safe to call from as many threads at a time as it has
    streams.
    """

    def __init__(self, compiled: Any, constants: object = None, streams: int = 1) -> None:
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        self._constants = constants  # the network may still read from them: they go after it
        self.input_names: tuple[str, ...] = tuple(port.any_name for port in compiled.inputs)
        self._outputs: tuple[str, ...] = tuple(port.any_name for port in compiled.outputs)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name, copied out of the model's own memory."""
        request = self._requests.get()
        try:
            # The arrays are read where they are; a copy would be of ten times as many numbers as there are pixels.
            result = request.infer({name: np.ascontiguousarray(a) for name, a in inputs.items()}, share_inputs=True)
            return {name: np.array(result[name]) for name in self._outputs}
        finally:
            self._requests.put(request)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compile_onnx(
    model: bytes,
    *,
    precision: Precision = "f32",
    shapes: Mapping[str, Sequence[int]] | None = None,
    threads: int = 0,
    streams: int = 1,
    constants: Constants = b"",
) -> CompiledModel:
    """Compile an ONNX model held in memory, reshaping its dynamic axes to fixed ones.

    Args:
        model: the file's bytes (already verified by whoever read them); or those of an .xml file of OpenVINO's own.
        precision: what the CPU computes in; the same value gives the same bits on one machine.
        shapes: input name -> full shape; inputs left out keep theirs.
        threads: CPU threads; 0 leaves it to OpenVINO.
        streams: so many inputs are computed at a time, each by its share of the threads. One stream of two threads
            waits for the slower thread after every layer; two streams of one thread each wait for nothing.
        constants: the .bin file that belongs to an .xml file; empty for ONNX. An array is not copied but used where it
            is, and must stay as it is.

    Raises:
        AmogusError: OpenVINO cannot read or compile it.
    """
    core = _core()
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    if streams > 1:
        # Threads of networks of several shapes take turns: tied to cores, two of them could be tied to the same.
        config |= {"NUM_STREAMS": streams, "ENABLE_CPU_PINNING": False}
    try:
        network = read_network(model, constants)
        if shapes:
            network.reshape({name: list(shape) for name, shape in shapes.items()})
        return CompiledModel(core.compile_model(network, "CPU", config), constants, streams)
    except RuntimeError as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AmogusError(
            f"OpenVINO cannot compile this model: {first_line}",
            "check that the file is an intact ONNX model, exported with dynamic axes",
        ) from error


def read_network(model: bytes, constants: Constants = b"") -> Any:
    """OpenVINO's own object for a model, for tools that change it.

    Args:
        model: an ONNX file; or an .xml file, with its .bin file as `constants`, which an array (writable) gives without
            a copy: it must live as long as the network.

    Raises:
        RuntimeError: it is neither.
    """
    core = _core()
    if not len(constants):
        return core.read_model(io.BytesIO(model))
    if isinstance(constants, bytes):
        return core.read_model(model, constants)
    import openvino

    return core.read_model(model.decode("utf-8"), openvino.Tensor(constants, shared_memory=True))


def with_swish(network: Any) -> Any:
    """OpenVINO's object with every x * sigmoid(x) as one operation; changed in place, and the same function.

    Left as two, a tool that quantises puts eight-bit steps between them, which cost time and accuracy.
    """
    _core()
    from openvino import opset13

    for node in network.get_ordered_ops():
        if node.get_type_name() != "Multiply":
            continue
        sources = [port.get_source_output() for port in node.inputs()]
        for value, gate in (sources, sources[::-1]):
            inner = gate.get_node()
            if inner.get_type_name() == "Sigmoid" and inner.input(0).get_source_output() == value:
                swish = opset13.swish(value)
                swish.set_friendly_name(node.get_friendly_name())
                node.output(0).replace(swish.output(0))
                break
    return network


def network_facts(network: Any) -> dict[str, str]:
    """What the file's author wrote into it: the metadata of an ONNX file, as texts; empty if there is none."""
    facts = dict(network.get_rt_info().items()).get("framework")
    if not isinstance(facts, dict):
        return {}
    return {str(key): str(getattr(value, "value", value)) for key, value in facts.items()}


def network_files(network: Any) -> tuple[bytes, bytes]:
    """The .xml and the .bin file of OpenVINO's object, as `compile_onnx` takes them."""
    with TemporaryDirectory(prefix="amogus-openvino-") as folder:
        path = Path(folder) / "network.xml"
        save_network(network, path, half_weights=True)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def save_network(network: Any, path: Path, *, half_weights: bool) -> None:
    """Write OpenVINO's object as an .xml file and a .bin file beside it.

    Args:
        half_weights: store weights as fp16: half the size, and they are rounded.
    """
    import openvino

    openvino.save_model(network, str(path), compress_to_fp16=half_weights)


def network_of_torch(module: Any, example: Any, *, input_name: str, output_name: str) -> Any:
    """OpenVINO's own object for a torch module with one argument and one answer, by tracing it.

    Args:
        module: in evaluation mode, on the CPU.
        example: a tensor of the argument's type and shape; the first axis may have any length later.
        input_name, output_name: what they are called from then on.

    Raises:
        AmogusError: the module does something that OpenVINO cannot.
    """
    _core()
    import openvino
    from openvino.tools.ovc import convert_model

    try:
        network = convert_model(module, example_input=example)
        shape = openvino.PartialShape([-1, *(int(side) for side in example.shape[1:])])
        network.reshape({network.inputs[0]: shape})
        network.inputs[0].tensor.set_names({input_name})
        network.outputs[0].tensor.set_names({output_name})
    except Exception as error:  # the converter raises errors of its own and of torch, of no common base
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AmogusError(
            f"OpenVINO cannot take over this model: {first_line}", "use it as it is, without an export"
        ) from error
    return network


def version() -> str:
    """OpenVINO's."""
    _core()
    import openvino

    return str(openvino.__version__)


def save_openvino(model: bytes, path: Path) -> None:
    """Write an ONNX model in OpenVINO's own form: `path` (.xml) and the weights in a .bin file beside it.

    Raises:
        AmogusError: OpenVINO cannot read it.
    """
    core = _core()
    import openvino

    try:
        openvino.save_model(core.read_model(io.BytesIO(model)), str(path))
    except RuntimeError as error:
        raise AmogusError(
            f"OpenVINO cannot read this model: {error}", "check that it is an intact ONNX model"
        ) from error
