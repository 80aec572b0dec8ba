"""Box algebra on (n, 4) arrays, xyxy, x2/y2 exclusive; every function works along the last axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Boxes, Scores

_AT_ONCE = 32
"""Boxes whose overlaps with all others are computed at once: one by one is mostly waiting for NumPy to begin."""


def areas(boxes_xyxy: Boxes) -> NDArray[np.float32]:
    """(n,) areas in square pixels; an inverted box has none."""
    sides = np.clip(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def intersections(a_xyxy: Boxes, b_xyxy: Boxes) -> NDArray[np.float32]:
    """(n, m) shared areas of every box of `a` with every box of `b`."""
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2), np.float32)


def iou(a_xyxy: Boxes, b_xyxy: Boxes) -> NDArray[np.float32]:
    """(n, m) intersection over union; 0 where both boxes are empty."""
    shared = intersections(a_xyxy, b_xyxy)
    union = areas(a_xyxy)[:, None] + areas(b_xyxy)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)


def ios(a_xyxy: Boxes, b_xyxy: Boxes) -> NDArray[np.float32]:
    """(n, m) intersection over the smaller box: 1 where one lies wholly inside the other."""
    shared = intersections(a_xyxy, b_xyxy)
    smaller = np.minimum(areas(a_xyxy)[:, None], areas(b_xyxy)[None, :])
    return np.divide(shared, smaller, out=np.zeros_like(shared), where=smaller > 0)


def best_first(boxes_xyxy: Boxes, confidence: Scores) -> NDArray[np.int64]:
    """Row numbers by falling confidence; ties by position, so that the order never depends on luck."""
    keys = (boxes_xyxy[:, 3], boxes_xyxy[:, 2], boxes_xyxy[:, 1], boxes_xyxy[:, 0], -confidence)
    return np.lexsort(keys)


def suppress(
    boxes_xyxy: Boxes,
    confidence: Scores,
    *,
    max_iou: float,
    max_ios: float = 1.0,
    part_ratio: float = 0.0,
    limit: int | None = None,
) -> NDArray[np.int64]:
    """Rows that survive greedy non-maximum suppression, best first.

    A row is dropped when a better one overlaps it by more than `max_iou` of their union or more than
    `max_ios` of the smaller of the two.

    Args:
        part_ratio: the second rule holds only for boxes of which the smaller has at least this share of the
            larger one's area; below it one stands in front of the other, rather than being a part of it.
        limit: stop after so many survivors.
    """
    order = best_first(boxes_xyxy, confidence)
    kept: list[int] = []
    while len(order) and (limit is None or len(kept) < limit):
        first = order[:_AT_ONCE]
        drops = _drops(boxes_xyxy[first], boxes_xyxy[order], max_iou, max_ios, part_ratio)
        alive = np.ones(len(order), bool)
        for row in range(len(first)):
            if alive[row]:
                kept.append(int(first[row]))
                alive[row + 1 :] &= ~drops[row, row + 1 :]
        order = order[len(first) :][alive[len(first) :]]
    return np.asarray(kept[:limit], np.int64)


def _drops(
    better_xyxy: Boxes, others_xyxy: Boxes, max_iou: float, max_ios: float, part_ratio: float
) -> NDArray[np.bool_]:
    """(n, m) whether each of the better boxes leaves no room for each of the others."""
    overlaps = iou(better_xyxy, others_xyxy) > max_iou
    if max_ios >= 1:
        return overlaps
    sizes, others = areas(better_xyxy)[:, None], areas(others_xyxy)[None, :]
    smaller, larger = np.minimum(sizes, others), np.maximum(sizes, others)
    return overlaps | ((ios(better_xyxy, others_xyxy) > max_ios) & (smaller >= part_ratio * larger))


def clip(boxes_xyxy: Boxes, size_wh: tuple[int, int]) -> Boxes:
    """The parts of the boxes that lie in a picture of this size."""
    limit = np.asarray([*size_wh, *size_wh], np.float32)
    return np.clip(boxes_xyxy, 0, limit).astype(np.float32)
