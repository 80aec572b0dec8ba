"""Crewmates on tiny grids, as on r/place: built by rule, cell by cell, from the cell codes below."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.palette import Palette, scaled
from amogus_search.synth.sprite import Mask

GROUND, BODY, SHADE, VISOR, GLINT, OUTLINE, PACK = range(7)
Cells = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PixelCrewmate:
    """A grid drawing.

    cells: (rows, columns) uint8 of the codes above
    keypoints: (7, 3) float32 in cells, visibility as in `crewmate`
    """

    cells: Cells
    keypoints: NDArray[np.float32]
    facing: str
    backpack: bool


def random_pixel_crewmate(rng: np.random.Generator, mini: bool | None = None) -> PixelCrewmate:
    """A crewmate of 3x4 up to about 9x12 cells; `mini` asks for the canvas form three cells wide."""
    mini = bool(rng.random() < 0.6) if mini is None else mini
    width = 3 if mini else int(rng.integers(3, 8))
    pack = rng.random() < 0.75
    legs = 1 if mini else int(rng.integers(1, 3))
    torso = int(rng.integers(3, 5)) if mini else int(rng.integers(max(3, width - 2), width + 4))
    cells: Cells = np.full((torso + legs, width), BODY, np.uint8)
    gap = _cut_legs(rng, cells, torso, mini)
    visor = _cut_visor(rng, cells, torso, mini)
    if width >= 5 or (width >= 4 and rng.random() < 0.3):
        cells[0, 0] = cells[0, -1] = GROUND
    keypoints = _keypoints(torso, legs, width, gap, visor)
    return _finish(rng, cells, keypoints, bool(pack), mini, torso)


def _cut_legs(rng: np.random.Generator, cells: Cells, torso: int, mini: bool) -> tuple[int, int]:
    """Open the gap between the legs; the columns it spans."""
    width = cells.shape[1]
    size = 1 if width % 2 or rng.random() < 0.3 else 2
    size = 3 if width >= 7 and rng.random() < 0.4 else size
    start = (width - size) // 2 if mini or rng.random() < 0.8 else int(rng.integers(1, width - size))
    cells[torso:, start : start + size] = GROUND
    if not mini and cells.shape[0] - torso == 2 and rng.random() < 0.25:
        cells[-1, :start] = GROUND
    return start, start + size


def _cut_visor(rng: np.random.Generator, cells: Cells, torso: int, mini: bool) -> tuple[int, int, int, int]:
    """Paint the visor at the right (front); row, end row, first and end column."""
    width = cells.shape[1]
    rows = 1 if mini or torso < 5 else int(rng.integers(1, max(2, torso // 2)))
    span = int(rng.integers(max(2, width // 2), max(3, width)))
    end = width if rng.random() < (0.92 if mini else 0.7) else width - 1
    start = max(0, end - span)
    cells[1 : 1 + rows, start:end] = VISOR
    if not mini and span >= 3 and rng.random() < 0.5:
        cells[1, end - 2] = GLINT
    return 1, 1 + rows, start, end


def _keypoints(
    torso: int, legs: int, width: int, gap: tuple[int, int], visor: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    top, bottom, left, right = visor
    row = (top + bottom) / 2
    rows = [
        (width / 2, 0.1, 2),
        (left, row, 2),
        (right, row, 2),
        (0, 0, 0),
        (sum(gap) / 2, torso, 2),
        (gap[0] / 2, torso + legs - 0.1, 2),
        ((gap[1] + width) / 2, torso + legs - 0.1, 2),
    ]
    return np.array(rows, np.float32)


def _finish(
    rng: np.random.Generator, cells: Cells, keypoints: NDArray[np.float32], pack: bool, mini: bool, torso: int
) -> PixelCrewmate:
    """Add backpack, shade and outline; mirror half of them."""
    if not mini and rng.random() < 0.4:
        edge = cells[:, 0]
        edge[edge == BODY] = SHADE
        low = cells[torso - 1 :]
        low[low == BODY] = SHADE
    if pack:
        depth = 1 if mini or cells.shape[1] < 6 else int(rng.integers(1, 3))
        start = int(rng.integers(1, max(2, torso - 1)))
        end = int(rng.integers(start + 1, torso + 1))
        cells = np.pad(cells, ((0, 0), (depth, 0)))
        cells[start:end, :depth] = PACK
        keypoints[:, 0] += depth
        keypoints[3] = (depth / 2, (start + end) / 2, 2)
    if rng.random() < (0.1 if mini else 0.4):
        cells, keypoints = _with_outline(cells, keypoints)
    facing = "right"
    if rng.random() < 0.5:
        cells, facing = np.ascontiguousarray(cells[:, ::-1]), "left"
        keypoints[:, 0] = np.where(keypoints[:, 2] > 0, cells.shape[1] - keypoints[:, 0], 0)
        keypoints = keypoints[[0, 2, 1, 3, 4, 6, 5]]
    return PixelCrewmate(cells, keypoints, facing, pack)


def _with_outline(cells: Cells, keypoints: NDArray[np.float32]) -> tuple[Cells, NDArray[np.float32]]:
    padded = np.pad(cells, 1)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    ring = (cv2.dilate((padded > 0).astype(np.uint8), cross) > 0) & (padded == GROUND)
    shifted = keypoints.copy()
    shifted[keypoints[:, 2] > 0, :2] += 1
    return np.where(ring, OUTLINE, padded).astype(np.uint8), shifted


def cell_colours(palette: Palette, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Colours (7, 3) uint8 by cell code."""
    pack = palette.body if rng.random() < 0.7 else palette.shade
    rows = [(0, 0, 0), palette.body, palette.shade, palette.visor, palette.glint, palette.outline, pack]
    return np.array([scaled(c, 1.0) for c in rows], np.uint8)


def enlarge(rgb: NDArray[np.uint8], mask: Mask, factor: float, smooth: int) -> tuple[NDArray[np.uint8], Mask]:
    """Colours and mask scaled up with the given OpenCV interpolation."""
    size = (max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor)))
    big = cv2.resize(rgb, size, interpolation=smooth)
    cover = cv2.resize(mask, size, interpolation=smooth)
    return np.asarray(big, np.uint8), np.asarray(cover, np.uint8)
