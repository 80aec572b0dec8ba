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
from amogus_search.evaluation.benchmark_engine import LookThrough, one_by_one
from amogus_search.pipeline.detect import merge
from amogus_search.pipeline.resize import resize
from amogus_search.pipeline.windows import whole_findings
from amogus_search.ports import Detector
from amogus_search.settings import DETECT

_STRIDE_PX = 32


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes the network's input; each is True where it is done as theirs.

    linear:  shrunk by looking at the nearest four pixels only, and not by area
    shape:   the least multiple of 32 that holds the shorter side, and not one of a few shapes
    overlap: doubles are told by their overlap only; the pipeline also drops parts within a larger finding
    """

    linear: bool = False
    shape: bool = False
    overlap: bool = False


STEPS: Mapping[str, Preparation] = MappingProxyType(
    {
        "their resizing": Preparation(linear=True),
        "their resizing, shape": Preparation(linear=True, shape=True),
        "all theirs but the network": Preparation(linear=True, shape=True, overlap=True),
    }
)


def prepared(detector: Detector, how: Preparation) -> LookThrough:
    """How the detector looks at whole pictures that are prepared in that way."""

    def look(image: DecodedImage) -> Detections:
        tile = tiling.fitted(image.full_wh, detector.tile_px)
        canvas = canvas_of(image.pixels, tile, how, rectangular=getattr(detector, "rectangular", False))
        (found,) = detector.detect_tiles(canvas[None])
        bare = Detections.make(found.xyxy, found.confidence)
        part = whole_findings(bare, tile, image.full_wh, DETECT.min_confidence)
        if how.overlap:
            return part
        kept = merge(image, [_with_points(part, detector)], detector, DETECT)
        return Detections.make(kept.xyxy, kept.confidence)

    return one_by_one(look)


def canvas_of(pixels: Pixels, tile: tiling.Tile, how: Preparation, *, rectangular: bool) -> Pixels:
    """The network's input.

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
    left, top = tile.offset_xy
    canvas = np.full((down, across, 3), tiling.PAD_VALUE, np.uint8)
    canvas[top : top + height, left : left + width] = shrunk
    return canvas


def _with_points(found: Detections, detector: Detector) -> Detections:
    """The same with keypoints of no visibility, since evidence is made of them."""
    names = detector.motif.keypoint_names
    points = np.zeros((len(found), len(names), 3), np.float32)
    return Detections.make(found.xyxy, found.confidence, keypoints=points, keypoint_names=names)
