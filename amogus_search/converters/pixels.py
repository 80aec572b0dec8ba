"""Crewmates in pixel art: whole cells of one colour, no light, no blur, as the canvas has them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.conversion import Job
from amogus_search.core.figure import coverage
from amogus_search.core.pixelart import Cells, read_cells
from amogus_search.core.types import Pixels

_GLASS = ((150, 205, 226), (100, 140, 170), (235, 240, 250), (30, 40, 60))
"""Colours of glass, the first one preferred; the next if the body looks much like it."""
_SMALL_ROWS = 8
"""Figures of fewer rows are the canvas' own little ones: drawn by rule, since no outline survives so few cells."""
_LITTLE = ("bbb", "bvv", "bbb", "b.b")
_LITTLE_WITH_PACK = (".bbb", "bbvv", "bbbb", ".b.b")
_FIVE = (".bbb", "bbvv", "bbbb", ".bbb", ".b.b")


def paint_cells(job: Job, colour: NDArray[np.float32]) -> Pixels:
    """The crop with a crewmate of whole cells in it."""
    cells = read_cells(job.crop)
    body = np.asarray(np.rint(colour), np.uint8) if job.colour is not None else _present(job.crop, colour)
    glass = _glass(colour)
    x1, y1, x2, y2 = _cell_box(cells, job)
    pattern = _pattern(job, x2 - x1, y2 - y1)
    result = job.crop.copy()
    for row, line in enumerate(pattern):
        for column, mark in enumerate(line):
            if mark == ".":
                continue
            place = np.s_[_span(cells.y_edges, y1 + row), _span(cells.x_edges, x1 + column)]
            result[place] = body if mark == "b" else glass
    if job.strength < 0.3:
        share = job.strength / 0.3
        mixed = job.crop + share * (result.astype(np.float32) - job.crop)
        return np.asarray(np.rint(mixed), np.uint8)
    return result


def _present(crop: Pixels, colour: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The crop's own colour that comes closest: a canvas has its palette."""
    colours = np.unique(crop.reshape(-1, 3), axis=0)
    away = np.linalg.norm(colours.astype(np.float32) - colour, axis=1)
    return np.asarray(colours[int(away.argmin())], np.uint8)


def _span(edges: NDArray[np.int64], index: int) -> slice:
    if not 0 <= index < len(edges) - 1:
        return slice(0, 0)
    return slice(int(edges[index]), int(edges[index + 1]))


def _cell_box(cells: Cells, job: Job) -> tuple[int, int, int, int]:
    """The box in whole cells."""
    x1, y1, x2, y2 = (float(v) for v in job.box_xyxy)
    left, right = (int(np.abs(cells.x_edges - v).argmin()) for v in (x1, x2))
    top, bottom = (int(np.abs(cells.y_edges - v).argmin()) for v in (y1, y2))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _glass(colour: NDArray[np.float32]) -> NDArray[np.uint8]:
    for glass in _GLASS:
        if float(np.linalg.norm(colour - np.asarray(glass))) > 110:
            return np.asarray(glass, np.uint8)
    return np.asarray(_GLASS[-1], np.uint8)


def _pattern(job: Job, columns: int, rows: int) -> tuple[str, ...]:
    """Rows of cells: b body, v visor, a dot for none; facing where the figure does."""
    if rows < _SMALL_ROWS or columns < 5:
        drawn = _LITTLE if rows <= 4 and columns <= 3 else _LITTLE_WITH_PACK if rows <= 4 else _FIVE
    else:
        return _sampled(job, columns, rows)
    return tuple(line[::-1] for line in drawn) if job.figure.front < 0 else drawn


def _sampled(job: Job, columns: int, rows: int) -> tuple[str, ...]:
    """The figure's own outline, cell by cell."""
    x1, y1, x2, y2 = (float(v) for v in job.box_xyxy)
    fine = 8
    scale = np.array([columns * fine / max(x2 - x1, 1e-3), rows * fine / max(y2 - y1, 1e-3)])
    size = (columns * fine, rows * fine)
    parts = {name: [(p - [x1, y1]) * scale for p in polygons] for name, polygons in job.figure.parts.items()}
    shape = _cells_of([p for name in ("backpack", "legs", "torso") for p in parts.get(name, [])], size, fine)
    visor = _cells_of(list(parts.get("visor", [])), size, fine)
    marks = np.where(visor > 0.45, "v", np.where(shape > 0.5, "b", "."))
    return tuple("".join(row) for row in marks)


def _cells_of(polygons: list[NDArray[np.float64]], size: tuple[int, int], fine: int) -> NDArray[np.float32]:
    covered = coverage(polygons, size)
    small = cv2.resize(covered, (size[0] // fine, size[1] // fine), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
