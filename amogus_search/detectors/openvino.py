"""A YOLO detection, pose or segmentation model in ONNX, run on the CPU by OpenVINO."""

from __future__ import annotations

import hashlib
import threading
from ast import literal_eval
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search import runtime
from amogus_search.core import yolo
from amogus_search.core.ids import fingerprint
from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections
from amogus_search.errors import AmogusError
from amogus_search.settings import DETECT

_INPUT = "images"
"""What ultralytics calls the network's input when it exports one."""
_FLOOR = 0.003
"""Confidence below which nothing is ever reported, whatever the settings; low, since even faint candidates tell where a
closer look may be worth it."""
_MOST_AT_ONCE = 4
"""So many tiles are looked at at once at most, since each needs memory of its own; further cores share them."""
_VERSION = 2
"""Raised when the same weights would begin to give other answers."""


@dataclass(frozen=True)
class Card:
    """What a model file says of its output.

    classes: whose scores follow the box; all of them count as the motif
    points:  keypoints with three numbers each, next
    known:   whether the file said so; if not, it must be a network of one class, and nothing may follow
    """

    classes: int = 1
    points: int = 0
    known: bool = False


def read_card(model: bytes, constants: bytes = b"") -> Card:
    """The card of a model file; ultralytics writes one into what it exports, and OpenVINO keeps it.

    Raises:
        AmogusError: OpenVINO cannot read the file, or the network suppresses its findings by itself.
    """
    try:
        facts = runtime.network_facts(runtime.read_network(model, constants))
    except RuntimeError as error:
        raise AmogusError(f"OpenVINO cannot read this model: {error}", "check that it is an intact file") from error
    if "names" not in facts:
        return Card()
    if facts.get("end2end") == "True" or "'nms': True" in facts.get("args", ""):
        raise AmogusError(
            "this model suppresses its findings by itself, which must be done over all windows of a picture",
            "export it with nms=False and end2end=False",
        )
    try:
        points, numbers = literal_eval(facts.get("kpt_shape", "[0, 3]"))
        return Card(max(1, len(literal_eval(facts["names"]))), int(points) if numbers == 3 else 0, known=True)
    except (ValueError, TypeError, SyntaxError):
        return Card()


class OpenVinoDetector:
    """A YOLO whose output is (b, 4 + classes + 3k, anchors), as ultralytics exports it without NMS.

    Args:
        name: what the user typed to get it.
        model: the ONNX file's bytes, verified by the caller; its batch and sides must be dynamic. Or those of an
            .xml file of OpenVINO's own, which may be quantised.
        motif: what it hunts; its keypoint names are those of the model's head, or none.
        precision: "f32" or "bf16"; by default bf16 where the CPU computes in it (half the time).
        calibration: name of the calibration fitted for it.
        constants: the .bin file that belongs to an .xml file.
        card: what the file says of its output; by default one class and the motif's keypoints.
    """

    tile_px = 640
    floor = _FLOOR
    rectangular = True

    def __init__(
        self,
        name: str,
        model: bytes,
        motif: Motif,
        *,
        precision: runtime.Precision | None = None,
        calibration: str | None = None,
        batch: int = 1,
        threads: int = 0,
        constants: bytes = b"",
        card: Card | None = None,
    ) -> None:
        self.name = name
        self.motif = motif
        self.calibration = calibration
        self.batch = batch
        self.precision: runtime.Precision = precision or ("bf16" if runtime.cpu_has_bf16() else "f32")
        self.fingerprint = fingerprint(
            {"weights": hashlib.sha256(model + constants).hexdigest(), "precision": self.precision, "version": _VERSION}
        )
        self._model, self._constants, self._threads = model, constants, threads
        self._card = card or Card(points=len(motif.keypoint_names))
        self.parallel = min(threads or runtime.cores(), _MOST_AT_ONCE)
        self._threads_of_its_own: ThreadPoolExecutor | None = None
        self._compiling = threading.Lock()
        self._compiled: dict[tuple[int, int, int], Future[runtime.CompiledModel]] = {}

    def expect(self, height: int, width: int) -> None:
        """Compile the network for tiles of that shape, which `begin` will be given; from any thread.

        Compiling takes as long as ten tiles or more, and one core: the others go on with what they have meanwhile.
        """
        self._network(height, width, self.parallel)

    def _network(self, height: int, width: int, streams: int) -> runtime.CompiledModel:
        """Compiled once, by whoever comes first; others of the same shape wait for it, and those of another do not."""
        key = (height, width, streams)
        with self._compiling:
            found = self._compiled.get(key)
            is_ours = found is None
            if found is None:
                found = self._compiled[key] = Future()
        if is_ours:
            try:
                found.set_result(self._compile(*key))
            except BaseException as error:
                del self._compiled[key]
                found.set_exception(error)
                raise
        return found.result()

    def _compile(self, height: int, width: int, streams: int) -> runtime.CompiledModel:
        return runtime.compile_onnx(
            self._model,
            precision=self.precision,
            shapes={_INPUT: (self.batch, 3, height, width)},
            threads=self._threads,
            streams=streams,
            constants=self._constants,
        )

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        """Findings in each of (b, height, width, 3) uint8 RGB tiles; any b: batches are padded to one shape.

        Raises:
            AmogusError: the model's output is not that of a YOLO with the motif's keypoints.
        """
        if len(tiles) > self.batch:
            return self.begin(tiles)()
        return self._run(tiles, 1) if len(tiles) else []

    def begin(self, tiles: NDArray[np.uint8]) -> Callable[[], list[Detections]]:
        """The same as `detect_tiles`, in threads of its own: it returns at once, with what waits for the findings.

        Every tile is looked at by one core (or a few), and as many tiles at once as there are cores for. Of several
        tiles that is quicker than all cores on one after the other. To be called from one thread.
        """
        if self._threads_of_its_own is None:
            self._threads_of_its_own = ThreadPoolExecutor(self.parallel, thread_name_prefix="amogus-detector")
        height, width = tiles.shape[1:3]
        if len(tiles):
            self.expect(height, width)  # here, since threads that wait for a network look at nothing
        parts = [
            self._threads_of_its_own.submit(self._run, tiles[start : start + self.batch], self.parallel)
            for start in range(0, len(tiles), self.batch)
        ]
        return lambda: [found for part in parts for found in part.result()]

    def _run(self, tiles: NDArray[np.uint8], streams: int) -> list[Detections]:
        """Findings in each of at most `batch` tiles."""
        network = self._network(tiles.shape[1], tiles.shape[2], streams)
        output = next(iter(network.run({network.input_names[0]: self._blob(tiles)}).values()))
        self._check(output)
        return [
            yolo.decode(
                one,
                min_confidence=_FLOOR,
                max_iou=DETECT.nms_iou,
                keypoint_names=self.motif.keypoint_names,
                classes=self._card.classes,
            )
            for one in output[: len(tiles)]
        ]

    def _blob(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(batch, 3, height, width) float32 in [0, 1]; where tiles lack, it is black."""
        make = np.empty if len(tiles) == self.batch else np.zeros
        blob = make((self.batch, 3, *tiles.shape[1:3]), np.float32)
        for tile, planes in zip(tiles, blob, strict=False):
            for channel, plane in zip(cv2.split(tile), planes, strict=True):
                np.divide(channel, np.float32(255), out=plane, dtype=np.float32)
        return blob

    def _check(self, output: NDArray[np.float32]) -> None:
        expected = 4 + self._card.classes + 3 * len(self.motif.keypoint_names)
        channels = output.shape[1] if output.ndim == 3 else 0
        # A file that says what it holds may have more than is read here: masks, or keypoints of an unknown kind.
        if channels < expected or (channels > expected and not self._card.known):
            raise AmogusError(
                f"detector {self.name!r} gives an output of shape {output.shape}, expected (b, {expected}, anchors)",
                "export a YOLO detect, pose or segment model to ONNX without NMS, with dynamic axes",
            )
