"""Where a finding ends: its silhouette or its box, moved by GrabCut to where the colours change.

GrabCut looks at an enlarged or reduced crop: time does not depend on the camera, and small heads stay round.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.figure import Figure
from amogus_search.core.types import Pixels

Coverage: TypeAlias = NDArray[np.float32]
"""(h, w) float32: how much of a pixel belongs to the finding, 0..1; somewhere it is more than half."""
_Bools: TypeAlias = NDArray[np.bool_]

WORKING_PX = 320
ENLARGED_PX = 192
"""Smaller crops are enlarged to this: smoothing by whole pixels would cut into them."""
LEAST_PX = 12
"""Smaller crops have too few pixels to learn two grounds from."""
_ROUNDS = 4
_INWARDS, _OUTWARDS = 0.05, 0.09
"""How far from the silhouette the border may move, as shares of the figure's height; shiny heads look like sky."""
_ALIKE = 0.6
"""Intersection over union with the silhouette from which a refined border is kept."""
_BOX_SHARE = (0.15, 0.97)
"""Share of a box that what was cut out of it may fill: less is a fleck, more is the box itself."""


def by_silhouette(crop: Pixels, figure: Figure, refine: bool) -> tuple[Coverage, bool]:
    """What the figure covers, and whether GrabCut moved its border.

    Args:
        crop: with some ground around the figure.
        figure: in pixels of the crop.
        refine: try GrabCut.
    """
    bare = _never_empty(figure.silhouette((crop.shape[1], crop.shape[0])))
    if not refine or min(crop.shape[:2]) < LEAST_PX:
        return bare, False
    small, factor = _at_working_size(crop)
    reduced = figure.moved(factor)
    size = small.shape[1], small.shape[0]
    guess = reduced.silhouette(size) >= 0.5
    inwards, outwards = (max(2.0, share * reduced.height_px) for share in (_INWARDS, _OUTWARDS))
    # Not the backpack, which many do not have; but a visor, which differs from the body as the ground does.
    body = np.maximum(reduced.part("torso", size), reduced.part("legs", size)) >= 0.5
    visor = reduced.part("visor", size) >= 0.5
    surely = (_depth(body) > inwards) | ((_depth(visor) > 1) & (_depth(guess) > 1))
    found = _grabcut(small, guess, surely, _depth(~guess) > outwards)
    if found is None or _overlap(found, guess) < _ALIKE:
        return bare, False
    return _at_full_size(found, crop), True


def by_box(crop: Pixels, box_xyxy: NDArray[np.float32], refine: bool) -> tuple[Coverage, bool]:
    """What of a box stands out from the ground around it, and whether GrabCut found anything; else the whole box."""
    whole = _never_empty(_rectangle(crop, box_xyxy).astype(np.float32))
    if not refine or min(crop.shape[:2]) < LEAST_PX:
        return whole, False
    small, factor = _at_working_size(crop)
    box = box_xyxy * np.float32(factor)
    inside = _rectangle(small, box)
    found = _grabcut(small, inside, np.zeros_like(inside), ~inside)
    low, high = _BOX_SHARE
    if found is None or not low <= found.sum() / max(1, inside.sum()) <= high:
        return whole, False
    return _at_full_size(found, crop), True


def _grabcut(crop: Pixels, maybe: _Bools, surely: _Bools, never: _Bools) -> _Bools | None:
    """What belongs to the finding, in one piece and without holes; None where there is no ground to learn from."""
    mask = np.where(maybe, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    mask[surely] = cv2.GC_FGD
    mask[never & ~surely] = cv2.GC_BGD
    ground = int((mask == cv2.GC_BGD).sum() + (mask == cv2.GC_PR_BGD).sum())
    if ground < LEAST_PX or mask.size - ground < LEAST_PX:
        return None
    cv2.setRNGSeed(0)  # its colour clusters begin at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(crop[..., ::-1])
    with _one_thread():
        mask, _, _ = cv2.grabCut(bgr, mask, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    return _one_piece(found, surely if surely.any() else maybe)


@contextmanager
def _one_thread() -> Iterator[None]:
    """GrabCut hands tiny pieces of work about: on a busy machine it would mostly wait."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _one_piece(found: _Bools, near: _Bools) -> _Bools | None:
    """The largest piece that lies in `near`, specks and threads taken off, holes filled."""
    tidy = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(tidy)
    if count < 2:
        return None
    weight = np.bincount(labels[near], minlength=count)
    weight[0] = 0
    if not weight.any():
        return None
    piece = (labels == int(weight.argmax())).astype(np.uint8)
    contours, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(piece), contours, -1, 1, -1)
    return np.asarray(filled > 0)


def _at_working_size(crop: Pixels) -> tuple[Pixels, float]:
    """The crop as large as GrabCut needs it, and by how much it grew."""
    height, width = crop.shape[:2]
    longer = max(height, width)
    factor = float(np.clip(longer, ENLARGED_PX, WORKING_PX)) / longer
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, size, interpolation=how), np.uint8), factor


def _at_full_size(found: _Bools, crop: Pixels) -> Coverage:
    """A mask at the crop's size, its stairs smoothed; the border is about a pixel wide again."""
    height, width = crop.shape[:2]
    soft = cv2.GaussianBlur(found.astype(np.float32), (0, 0), 1.0)
    how = cv2.INTER_AREA if height < found.shape[0] else cv2.INTER_CUBIC
    soft = cv2.resize(soft, (width, height), interpolation=how)
    steep = max(1.0, 1.6 * height / found.shape[0])
    return _never_empty(np.clip((soft - 0.5) * steep + 0.5, 0, 1).astype(np.float32))


def _rectangle(crop: Pixels, box_xyxy: NDArray[np.float32]) -> _Bools:
    """The pixels of a box; at least one."""
    height, width = crop.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in box_xyxy)
    inside = np.zeros((height, width), bool)
    left, top = int(np.clip(round(x1), 0, width - 1)), int(np.clip(round(y1), 0, height - 1))
    inside[top : max(top + 1, round(y2)), left : max(left + 1, round(x2))] = True
    return inside


def _never_empty(coverage: Coverage) -> Coverage:
    """At least one pixel of it, however small the finding."""
    if coverage.max(initial=0) <= 0.5:
        coverage[coverage.shape[0] // 2, coverage.shape[1] // 2] = 1
    return coverage


def _depth(inside: _Bools) -> NDArray[np.float32]:
    """Pixels to the border, 0 outside; the crop's own border is none."""
    if inside.all():
        return np.full(inside.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _overlap(a: _Bools, b: _Bools) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))
