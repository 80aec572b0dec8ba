"""Why our findings and those of ultralytics' `predict` differ: our way to prepare a picture, made theirs step by step.

Both fit the whole picture into 640 pixels and fill up with grey. What differs is told by `STEPS`; after the last step
the network sees what theirs sees, and what is left is the network's own arithmetic and the suppression of doubles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from amogus_search.core import tiling
from amogus_search.core.types import DecodedImage, Detections, Pixels
from amogus_search.evaluation.benchmark_engine import Look
from amogus_search.pipeline.detect import merge, whole_findings
from amogus_search.pipeline.resize import resize
from amogus_search.ports import Detector
from amogus_search.settings import DETECT

_STRIDE_PX = 32


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes the network's input; each is True where it is done as theirs.

    place:   half of what lacks to the next multiple of 32 is left above and beside the picture; it is not in the
        upper left: the network looks at every 32nd pixel, so where these lie in a picture is part of what it sees
    linear:  shrunk by looking at the nearest four pixels only, and not by area
    shape:   the least multiple of 32 that holds the shorter side, and not one of a few shapes
    overlap: doubles are told by their overlap only; the pipeline also drops parts within a larger finding
    """

    place: bool = False
    linear: bool = False
    shape: bool = False
    overlap: bool = False


STEPS: Mapping[str, Preparation] = MappingProxyType(
    {
        "their place": Preparation(place=True),
        "their place, resizing": Preparation(place=True, linear=True),
        "their place, resizing, shape": Preparation(place=True, linear=True, shape=True),
        "all theirs but the network": Preparation(place=True, linear=True, shape=True, overlap=True),
    }
)


def prepared(detector: Detector, how: Preparation) -> Look:
    """How the detector looks at a whole picture that is prepared in that way."""

    def look(image: DecodedImage) -> Detections:
        tile = tiling.fitted(image.full_wh, detector.tile_px)
        left, top, canvas = canvas_of(image.pixels, tile, how, rectangular=getattr(detector, "rectangular", False))
        (found,) = detector.detect_tiles(canvas[None])
        moved = Detections.make(found.xyxy - np.asarray([left, top] * 2, np.float32), found.confidence)
        part = whole_findings(moved, tile, image.full_wh, DETECT.min_confidence)
        if how.overlap:
            return part
        kept = merge(image, [_with_points(part, detector)], detector, DETECT)
        return Detections.make(kept.xyxy, kept.confidence)

    return look


def canvas_of(pixels: Pixels, tile: tiling.Tile, how: Preparation, *, rectangular: bool) -> tuple[int, int, Pixels]:
    """Where the picture's left upper corner is in the network's input, and the input.

    Args:
        pixels: (h, w, 3) uint8.
        tile: the whole picture, fitted.
        rectangular: whether the detector takes other inputs than squares.
    """
    width, height = tile.shown_wh
    if how.linear and (width, height) != (pixels.shape[1], pixels.shape[0]):
        shrunk = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    else:
        shrunk = resize(pixels, (width, height))
    across, down = tiling.input_wh(tile, rectangular=rectangular)
    if how.shape:
        across, down = width + -width % _STRIDE_PX, height + -height % _STRIDE_PX
    left, top = (round(-side % _STRIDE_PX / 2 - 0.1) if how.place else 0 for side in (width, height))
    canvas = np.full((down, across, 3), tiling.PAD_VALUE, np.uint8)
    canvas[top : top + height, left : left + width] = shrunk
    return left, top, canvas


def _with_points(found: Detections, detector: Detector) -> Detections:
    """The same with keypoints of no visibility, since evidence is made of them."""
    names = detector.motif.keypoint_names
    points = np.zeros((len(found), len(names), 3), np.float32)
    return Detections.make(found.xyxy, found.confidence, keypoints=points, keypoint_names=names)
