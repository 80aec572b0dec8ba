"""Any ultralytics model: a `.pt` (read weights-only) or `.onnx` file, detect, pose or segment.

The one door to ultralytics at run time. It probes DNS and may install packages when imported carelessly, so
it is told not to first; its settings go to a private folder.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ids import fingerprint
from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections
from amogus_search.errors import MissingExtraError, WeightsError
from amogus_search.settings import DETECT

_FLOOR = 0.003
"""Confidence below which nothing is ever reported, whatever the settings; low, since even faint candidates tell where a
closer look may be worth it."""
_VERSION = 1


@cache
def keep_to_itself() -> None:
    """Tell ultralytics, before its import, to ask no network, install nothing and load no code; settings go to a folder
    that is gone at the end of the process.
    """
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false", ULTRALYTICS_SAFE_LOAD="1")
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="amogus-yolo-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _import() -> Any:
    keep_to_itself()
    try:
        import ultralytics
    except ImportError as error:
        raise MissingExtraError(
            "running a .pt detector needs ultralytics", 'pip install "amogus_search[train]"'
        ) from error
    ultralytics.settings.update({"sync": False})
    _require_safe_loading()
    return ultralytics


def _require_safe_loading() -> None:
    """Have `.pt` files read as data only, also where ultralytics was imported before it could be told.

    Without support for that it would fall back to unpickling whatever the file holds, without a word.
    """
    from ultralytics.nn import tasks

    guard = getattr(tasks, "_SafeLoad", None)
    if not hasattr(tasks, "SAFE_LOAD") or not getattr(guard, "SUPPORTED", False):
        raise MissingExtraError(
            "this version of ultralytics or torch would run code that is hidden in a .pt file",
            'pip install --upgrade "amogus_search[train]", or use a .onnx file of the model',
        )
    tasks.SAFE_LOAD = True


def load_yolo(path: Path) -> Any:
    """Ultralytics' own object for a model file, told not to use the network.

    Raises:
        MissingExtraError: ultralytics is not installed.
        WeightsError: it cannot load the file.
    """
    ultralytics = _import()
    try:
        return ultralytics.YOLO(str(path))
    except MissingExtraError:
        raise
    except Exception as error:
        raise WeightsError(
            f"ultralytics cannot load {path}: {type(error).__name__}: {error}",
            "check that it is a YOLO detect, pose or segment model saved by ultralytics",
        ) from error


def torch_threads(wanted: int = 0) -> int:
    """How many threads PyTorch computes in from now on; 0 leaves it at what it is."""
    import torch

    if wanted and torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    return int(torch.get_num_threads())


class Predictor:
    """ultralytics' own `predict` on whole pictures, as its users call it: to compare with, nothing else uses it.

    Its preparation, its network in PyTorch on the CPU and its suppression are all its own.

    Args:
        yolo: as `load_yolo` gives it.
        side_px: the longer side of a picture as the network sees it.
        min_confidence: findings below it are not wanted.
        max_iou: of two findings that overlap more, one is dropped.

    Attributes:
        threads: of PyTorch, as ultralytics has set them; another number takes effect at the next picture.
    """

    threads: int

    def __init__(self, yolo: Any, *, side_px: int, min_confidence: float, max_iou: float) -> None:
        self._yolo = yolo
        self._options = {"imgsz": side_px, "conf": min_confidence, "iou": max_iou, "verbose": False, "device": "cpu"}
        yolo.predict(np.zeros((side_px, side_px, 3), np.uint8), **self._options)
        self.threads = torch_threads()

    def __call__(self, bgr: NDArray[np.uint8]) -> Detections:
        """Findings in (h, w, 3) uint8 BGR, in its pixels, best first, without keypoints."""
        return self.of_list([bgr])[0]

    def of_list(self, bgr: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """The same of several pictures, which it gets as one list and so looks at in one batch."""
        torch_threads(self.threads)
        results = self._yolo.predict(bgr[0] if len(bgr) == 1 else list(bgr), **self._options)
        return [Detections.make(one.boxes.xyxy.cpu().numpy(), one.boxes.conf.cpu().numpy()) for one in results]


class UltralyticsDetector:
    """A user's own YOLO behind `ports.Detector`; all its classes count as the motif, or one alone.

    Args:
        path: the weights file.
        known_motifs: tried in order for one whose keypoint count is the model's; without one the
            findings have no keypoints.
        only: the name of the one class that counts; "" counts all.

    Raises:
        WeightsError: the file cannot be loaded, or has no class of that name.
    """

    tile_px = 640
    floor = _FLOOR
    batch = 4
    calibration: str | None = None

    def __init__(self, path: Path, known_motifs: Mapping[str, Motif], only: str = "") -> None:
        if not path.is_file():
            raise WeightsError(f"there is no detector file {path}", "give the path of a .pt or .onnx file")
        self.name = str(path)
        self.fingerprint = fingerprint(
            {"weights": hashlib.sha256(path.read_bytes()).hexdigest(), "ultralytics": _VERSION}
            | ({"only": only} if only else {})
        )
        self.motif = Motif(path.stem)
        self._model = load_yolo(path)
        self._classes = self._class_ids(only)
        points = self._keypoint_count()
        fitting = [m for m in known_motifs.values() if len(m.keypoint_names) == points]
        self.motif = fitting[0] if fitting and points else self.motif

    def _class_ids(self, only: str) -> list[int] | None:
        names: dict[int, str] = dict(self._model.names)
        ids = [number for number, name in names.items() if name == only]
        if only and not ids:
            known = ", ".join(list(names.values())[:10])
            raise WeightsError(f"{self.name} knows no class {only!r}", f"it knows: {known}")
        return ids or None

    def _keypoint_count(self) -> int:
        network = self._model.model
        if isinstance(network, str):  # an ONNX file is opened at the first picture, and only then tells
            self.detect_tiles(np.zeros((1, self.tile_px, self.tile_px, 3), np.uint8))
            shape = getattr(self._model.predictor.model, "kpt_shape", None)
        else:
            shape = getattr(network.model[-1], "kpt_shape", None)
        return int(shape[0]) if shape is not None and shape[1] == 3 else 0

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        """Findings in each of (b, side, side, 3) uint8 RGB tiles."""
        if not len(tiles):
            return []
        results = self._model.predict(
            [np.ascontiguousarray(tile[..., ::-1]) for tile in tiles],
            imgsz=tiles.shape[1],
            conf=_FLOOR,
            iou=DETECT.nms_iou,
            agnostic_nms=True,  # whatever class it is, it is one finding of the motif
            classes=self._classes,
            verbose=False,
            device="cpu",
        )
        return [self._findings(result) for result in results]

    def _findings(self, result: Any) -> Detections:
        boxes = result.boxes.xyxy.cpu().numpy()
        names = self.motif.keypoint_names
        points = result.keypoints.data.cpu().numpy() if names and result.keypoints is not None else None
        if points is not None and points.shape[1:] != (len(names), 3):
            points = None
        return Detections.make(boxes, result.boxes.conf.cpu().numpy(), keypoints=points, keypoint_names=names)
