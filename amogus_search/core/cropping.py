"""Crop windows with context around a box, and the way back to image coordinates.

A window is square: the box's longer side plus `pad_ratio` of it on either side. At the picture's border it
is *shifted* inwards, so that it stays square and whole; only where it is larger than the picture in one
direction is it *clipped* in that direction. No pixels are resized or invented.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amogus_search.core.types import Pixels

Window: TypeAlias = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of the picture, x2/y2 exclusive, never empty, inside the picture."""

MIN_SIDE_PX = 1


def crop_window(box_xyxy: ArrayLike, size_wh: tuple[int, int], pad_ratio: float) -> Window:
    """The window that shows a box with its surroundings.

    Args:
        box_xyxy: four numbers, pixels of the picture; may stick out of it.
        size_wh: the picture's width and height in pixels.
        pad_ratio: context on each side, as a share of the box's longer side, >= 0.

    Raises:
        ValueError: the box is not finite, the picture is empty or the padding is negative.
    """
    box = np.asarray(box_xyxy, np.float64).reshape(4)
    width, height = size_wh
    if not np.isfinite(box).all():
        raise ValueError(f"cannot crop a box that is not finite: {box.tolist()}")
    if width < 1 or height < 1 or not pad_ratio >= 0:
        raise ValueError(f"cannot crop {width} x {height} px with a padding of {pad_ratio}")
    side = max(box[2] - box[0], box[3] - box[1], MIN_SIDE_PX) * (1 + 2 * pad_ratio)
    # The small slack keeps float noise (a box of exactly 10 px is rarely exactly 10) from adding a pixel.
    side_px = max(MIN_SIDE_PX, math.ceil(side - 1e-3))
    left, right = _span((box[0] + box[2]) / 2, side_px, width)
    top, bottom = _span((box[1] + box[3]) / 2, side_px, height)
    return left, top, right, bottom


def _span(centre: float, side_px: int, limit_px: int) -> tuple[int, int]:
    """Start and end of `side_px` pixels about a centre, shifted into 0..limit_px, clipped where they do not fit."""
    length = min(side_px, limit_px)
    start = math.floor(centre - side_px / 2 + 0.5)
    start = min(max(start, 0), limit_px - length)
    return start, start + length


def crop(pixels: Pixels, box_xyxy: ArrayLike, pad_ratio: float) -> Pixels:
    """The pixels of a box with its surroundings: (h, w, 3) uint8, a copy, at the picture's own resolution."""
    height, width = pixels.shape[:2]
    return cut(pixels, crop_window(box_xyxy, (width, height), pad_ratio))


def cut(pixels: Pixels, window: Window) -> Pixels:
    """The pixels of a window, as a contiguous copy."""
    left, top, right, bottom = window
    return np.array(pixels[top:bottom, left:right], order="C")


def to_crop(points_xy: ArrayLike, window: Window) -> NDArray[np.float32]:
    """Points or boxes of the picture in the frame of a window; (..., 2) or (..., 4), last axis x, y[, x, y]."""
    return _moved(points_xy, (-window[0], -window[1]))


def to_image(points_xy: ArrayLike, window: Window) -> NDArray[np.float32]:
    """Points or boxes of a window in the frame of the picture: the inverse of `to_crop`."""
    return _moved(points_xy, (window[0], window[1]))


def _moved(points_xy: ArrayLike, by_xy: Sequence[float]) -> NDArray[np.float32]:
    points = np.asarray(points_xy, np.float32)
    if points.shape[-1:] not in ((2,), (4,)):
        raise ValueError(f"expected x, y or x1, y1, x2, y2 on the last axis, got shape {points.shape}")
    moved: NDArray[np.float32] = points + np.resize(np.asarray(by_xy, np.float32), points.shape[-1])
    return moved


def scale_boxes(boxes_xyxy: ArrayLike, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Boxes (..., 4) of a picture in the frame of the same picture at another size (a reduced decode)."""
    ratio = np.asarray(to_wh, np.float64) / np.asarray(from_wh, np.float64)
    return np.asarray(np.asarray(boxes_xyxy, np.float64) * np.tile(ratio, 2), np.float32)
