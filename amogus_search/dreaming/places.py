"""Where a dream grows something: boxes, soft masks around them, and where they are when the picture is rolled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import iou
from amogus_search.core.types import Boxes

_REACH = 1.12
"""A place's mask fills its box enlarged by this factor, to half."""
_SOFTNESS = 0.16
"""Width of the mask's border, as a share of the half side."""
_NEARLY = 0.9
"""A place of which this much may change is as good as one that may change throughout."""
_FEATHER = 0.08
"""Within a box that must not be left, a change fades over this share of its shorter side."""
_APART = 0.02
"""Two places overlap by this much (IoU) at most."""


def best_apart(boxes: Boxes, scores: NDArray[np.float32], count: int, sides: tuple[float, float]) -> Boxes:
    """(<= count, 4) the best-scored boxes whose longer side is within `sides` and that lie apart, best first.

    If no box is of that size, those nearest to it are taken.
    """
    longer = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    off = np.maximum(np.maximum(sides[0] - longer, longer - sides[1]), 0)
    order = np.lexsort((-scores, off)) if (off > 0).all() else np.argsort(np.where(off > 0, np.inf, -scores))
    usable = len(order) if (off > 0).all() else int((off == 0).sum())
    chosen: list[int] = []
    for row in order[:usable]:
        if len(chosen) == count:
            break
        if not chosen or float(iou(boxes[row : row + 1], boxes[chosen]).max()) <= _APART:
            chosen.append(int(row))
    return boxes[chosen].reshape(-1, 4)


def well_within(boxes: Boxes, mask: NDArray[np.float32], count: int) -> Boxes:
    """(<= count, 4) the first of the boxes in which the mask is nearly 1 throughout; then those with most of it.

    Args:
        boxes: (k, 4) in pixels of the mask, best first.
        mask: (h, w) in 0..1.
        count: so many at most.
    """
    shares = [_mean_in(box, mask) for box in boxes]
    order = sorted(range(len(boxes)), key=lambda row: -min(shares[row], _NEARLY))
    return boxes[order[:count]].reshape(-1, 4)


def _mean_in(box: NDArray[np.float32], mask: NDArray[np.float32]) -> float:
    x1, y1 = (int(max(0.0, value)) for value in np.floor(box[:2]))
    x2, y2 = (int(max(0.0, value)) for value in np.ceil(box[2:]))
    part = mask[y1:y2, x1:x2]
    return float(part.mean()) if part.size else 0.0


def mask_of(boxes: Boxes, size_wh: tuple[int, int], rows: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """(h, w) in 0..1: 1 within the boxes, falling off softly around them, exactly 0 further away.

    Args:
        boxes: (k, 4) in pixels.
        size_wh: of the whole mask.
        rows: only these, from the first to before the second.
    """
    width, height = size_wh
    first, last = rows or (0, height)
    across, down = np.arange(width) + 0.5, np.arange(first, last)[:, None] + 0.5
    mask = np.zeros((last - first, width))
    for x1, y1, x2, y2 in np.asarray(boxes, np.float64):
        half_x, half_y = max(x2 - x1, 1.0) / 2 * _REACH, max(y2 - y1, 1.0) / 2 * _REACH
        distance = (((across - (x1 + x2) / 2) / half_x) ** 4 + ((down - (y1 + y2) / 2) / half_y) ** 4) ** 0.25
        mask = np.maximum(mask, smooth_fall((distance - 1 + _SOFTNESS) / (2 * _SOFTNESS)))
    return mask.astype(np.float32)


def feather_of(boxes: Boxes, size_wh: tuple[int, int], rows: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """(h, w) in 0..1: exactly 0 outside of the boxes, rising to 1 near their borders inside of them.

    At sides where a box ends with the picture, nothing fades. The arguments are those of `mask_of`.
    """
    width, height = size_wh
    first, last = rows or (0, height)
    across, down = np.arange(width, dtype=np.float64) + 0.5, np.arange(first, last, dtype=np.float64) + 0.5
    feather = np.zeros((last - first, width))
    for x1, y1, x2, y2 in np.asarray(boxes, np.float64):
        over = max(1.0, _FEATHER * min(x2 - x1, y2 - y1))
        rising = _ramp(across, (x1, x2), width, over) * _ramp(down, (y1, y2), height, over)[:, None]
        feather = np.maximum(feather, rising)
    return feather.astype(np.float32)


def _ramp(places: NDArray[np.float64], span: tuple[float, float], limit: int, over: float) -> NDArray[np.float64]:
    start, end = span
    # a pixel counts as inside if all of it is
    inside = ((places - 0.5 >= start) & (places + 0.5 <= end)).astype(np.float64)
    rise = np.ones_like(places) if start <= 0 else 1 - smooth_fall((places - start) / over)
    fall = np.ones_like(places) if end >= limit else 1 - smooth_fall((end - places) / over)
    return np.asarray(inside * rise * fall)


def smooth_fall(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 up to a distance of 0, 0 from 1 on, and in between a curve without a corner."""
    x = np.clip(distance, 0, 1)
    return np.asarray(1 - x * x * (3 - 2 * x))


def rolled(boxes: Boxes, shift_xy: tuple[int, int], size_wh: tuple[int, int]) -> tuple[Boxes, NDArray[np.bool_]]:
    """Boxes after the picture was rolled around its edges, and (k,) which of them are still in one piece."""
    shift, size = np.tile(shift_xy, 2), np.tile(size_wh, 2)
    moved = boxes + shift
    centre = (moved[:, :2] + moved[:, 2:]) / 2
    turns = np.floor(centre / size[:2])
    moved = moved - np.tile(turns, 2) * size
    # A place may stick out of the picture a little; a roll must not put more than that over the seam.
    over = np.maximum(np.maximum(-moved[:, :2], moved[:, 2:] - size[:2]), 0).max(axis=1)
    allowed = 0.1 * np.maximum(moved[:, 2] - moved[:, 0], moved[:, 3] - moved[:, 1])
    return np.asarray(moved, np.float32), np.asarray(over <= allowed)
