"""Persons in boxes: how far they go on where the picture ends, who stands in front, and what colour they wear."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Boxes, Pixels

Box = NDArray[np.float32]
"""(4,) xyxy, pixels of the upright picture; may reach beyond it."""

_EDGE = 0.02
"""How near to the border a box ends that is cut off by it, as a share of the longer sides of picture and box."""
_STANDING, _NARROWEST = 2.2, 0.4
"""Height by width from which a whole person stands in a box; width by height below which part of one is missing."""
_BUST, _BROAD = 0.68, 1.15
"""What of a giant without its legs is seen, as a share of its height; and how high it is by its width at least."""
_TORSO_X, _TORSO_Y = (0.28, 0.72), (0.24, 0.6)
"""Where clothes are, as shares of the whole person's box: no face, no hands."""
_STEP = 20.0
"""Width of a bin of colours, 0..255."""
_BINS = (13, 26, 26)
"""Of lightness and of two differences."""
_AROUND = 1.2
"""How much a colour around a person counts against the same colour on it."""


def _liking() -> NDArray[np.float64]:
    """How much each bin counts: a colour more than a grey, and skin, which nobody asked about, less."""
    first, second = np.meshgrid(*((np.arange(size) - size // 2) * _STEP for size in _BINS[1:]), indexing="ij")
    skin = (first > 0.5 * _STEP) & (first < 4.5 * _STEP) & (second > 0.5 * _STEP) & (second < 4.5 * _STEP)
    liking = (1 + np.hypot(first, second) / 200) * np.where(skin, 0.4, 1.0)
    return np.asarray(np.broadcast_to(liking, _BINS), np.float64)


_LIKED = _liking()


def beyond_picture(box_xyxy: Box, size_wh: tuple[int, int], *, has_feet: bool = False) -> Box:
    """The box of the whole person, as far as can be told, where the picture's border cuts it off.

    Args:
        box_xyxy: of what is seen.
        size_wh: of the picture.
        has_feet: its feet are known to be in the picture.
    """
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    width, height = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    edge = _EDGE * (max(size_wh) + max(width, height))
    at_left, at_right = x1 <= edge, x2 >= size_wh[0] - edge
    missing = max(0.0, _NARROWEST * height - width)
    if at_left != at_right and missing:
        x1, x2 = (x1 - missing, x2) if at_left else (x1, x2 + missing)
        width += missing
    if y2 >= size_wh[1] - edge and not has_feet and height < _STANDING * width:
        y2 = y1 + max(height / _BUST, _BROAD * width)
    return np.array([x1, y1, x2, y2], np.float32)


def back_to_front(boxes: Boxes, height_px: int) -> NDArray[np.int64]:
    """Row numbers, the farthest first: who stands lower in the picture is nearer, and of those alike the larger one.

    Args:
        boxes: (n, 4) of persons.
        height_px: of the picture; feet that are nearly level count as level.
    """
    level = np.floor(boxes[:, 3] / max(1.0, 0.04 * height_px))
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(np.lexsort((area, level)), np.int64)


def clothes_colour(pixels: Pixels, box_xyxy: Box) -> tuple[int, int, int]:
    """RGB of what a person wears: frequent about the middle of the box, rare around it, and rather colourful.

    Args:
        pixels: (h, w, 3) uint8, with some of what is around the person.
        box_xyxy: of the whole person, in their pixels; see `beyond_picture`.
    """
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    spans = [(x1 + share * (x2 - x1) for share in _TORSO_X), (y1 + share * (y2 - y1) for share in _TORSO_Y)]
    (left, right), (top, bottom) = (
        (int(np.clip(low, 0, most - 1)), int(np.clip(high, 1, most)))
        for (low, high), most in zip(spans, (width, height), strict=True)
    )
    torso = pixels[top : max(bottom, top + 1), left : max(right, left + 1)].reshape(-1, 3).astype(np.float32)
    outside = np.ones((height, width), bool)
    outside[max(0, int(y1)) : max(0, int(np.ceil(y2))), max(0, int(x1)) : max(0, int(np.ceil(x2)))] = False
    own, around = _histogram(torso), _histogram(pixels[outside].astype(np.float32))
    worth = np.maximum(own - _AROUND * around, 0.0) * _LIKED
    if not worth.any():
        worth = own * _LIKED
    best = np.array(np.unravel_index(int(worth.argmax()), _BINS))
    near = (np.abs(_bins(torso) - best) <= 1).all(axis=1)
    red, green, blue = (round(float(value)) for value in torso[near].mean(axis=0))
    return red, green, blue


def _bins(colours: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n, 3) numbers of the bins of (n, 3) RGB."""
    red, green, blue = colours.T
    parts = np.stack([colours.mean(axis=1), red - green, (red + green) / 2 - blue], axis=1)
    middle = np.array([0, _BINS[1] // 2, _BINS[2] // 2])
    return np.asarray(np.clip(np.rint(parts / _STEP).astype(np.int64) + middle, 0, np.array(_BINS) - 1), np.int64)


def _histogram(colours: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of each bin and of those beside it, summed; nothing if there are no pixels."""
    if not len(colours):
        return np.zeros(_BINS)
    flat = np.ravel_multi_index(tuple(_bins(colours).T), _BINS)
    counts: Any = np.bincount(flat, minlength=int(np.prod(_BINS))).reshape(_BINS) / len(colours)
    for axis in range(3):
        padded = np.moveaxis(np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)]), axis, 0)
        counts = np.moveaxis(padded[:-2] + padded[1:-1] + padded[2:], 0, axis)
    return np.asarray(counts, np.float64)
