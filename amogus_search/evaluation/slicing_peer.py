"""SAHI's sliced inference, to compare with; only if it is installed, nothing else of this package needs it."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np

from amogus_search.core.types import Detections, Pixels
from amogus_search.errors import MissingExtraError


def require_sahi() -> None:
    """Nothing, if SAHI can be used here.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("sahi") is None:
        raise MissingExtraError(
            "SAHI, which this compares with, is not installed", 'pip install "amogus_search[peers]"'
        )


class Slicer:
    """`get_sliced_prediction` with its own defaults: a look at the whole picture too, and parts joined greedily.

    Args:
        yolo: as `detectors.ultralytics.load_yolo` gives it.
        tile_px: side of the slices, and what they and the whole picture are fitted into.
        overlap: share of a slice that its neighbour sees too.
        min_confidence: findings below it are not wanted.

    Raises:
        MissingExtraError: SAHI is not installed.
    """

    def __init__(self, yolo: Any, *, tile_px: int, overlap: float, min_confidence: float) -> None:
        require_sahi()
        self._tile_px, self._overlap = tile_px, overlap
        self._model = importlib.import_module("sahi").AutoDetectionModel.from_pretrained(
            model_type="ultralytics",
            model=yolo,
            confidence_threshold=min_confidence,
            device="cpu",
            image_size=tile_px,
        )
        self._predict = importlib.import_module("sahi.predict").get_sliced_prediction
        self._boxes = importlib.import_module("sahi.slicing").get_slice_bboxes

    def __call__(self, pixels: Pixels) -> Detections:
        """Findings in (h, w, 3) uint8 RGB, in its pixels."""
        found = self._predict(
            pixels,
            self._model,
            slice_height=self._tile_px,
            slice_width=self._tile_px,
            overlap_height_ratio=self._overlap,
            overlap_width_ratio=self._overlap,
            verbose=0,
        ).object_prediction_list
        boxes = [one.bbox.to_xyxy() for one in found]
        return Detections.make(np.asarray(boxes, np.float32).reshape(-1, 4), [one.score.value for one in found])

    def looks(self, size_wh: tuple[int, int]) -> int:
        """How often the network runs for a picture of this size: all slices, and the whole if there are several."""
        slices = len(
            self._boxes(
                image_height=size_wh[1],
                image_width=size_wh[0],
                slice_height=self._tile_px,
                slice_width=self._tile_px,
                overlap_height_ratio=self._overlap,
                overlap_width_ratio=self._overlap,
            )
        )
        return slices + (slices > 1)
