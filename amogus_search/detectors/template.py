"""The baseline: exact rules for the crewmates of pixel art, as on r/place. No weights, no training, no mercy.

A figure is a head, a visor row (visor in front, body behind), a torso and two legs, all of one colour; a
backpack column may hang behind. A rule says which cells are body, which visor, and which must not be body. The
rules are made for several sizes and both directions and compared cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import suppress
from amogus_search.core.ids import fingerprint
from amogus_search.core.motif import Motif
from amogus_search.core.pixelart import Codes, read_cells
from amogus_search.core.types import Detections, Scores

_VERSION = 1
"""Raised when the rules would begin to give other answers."""
_LEAST_FREE = 0.7
"""Share of the cells around a figure that must not be of its colour; also the lowest confidence reported."""
_TWO_TONE = 0.9
"""A visor of two colours (a glint) is a little less certain."""
_SUPPRESS_IOU = 0.35
"""Two readings of the same cells overlap more than this; neighbours in a crowd share a column at most."""

_BUILDS = (
    *((3, 2, torso, legs) for torso, legs in product((1, 2), (1, 2))),
    *((4, visor, torso, legs) for visor, torso, legs in product((2, 3), (1, 2, 3), (1, 2))),
    *((5, 3, torso, legs) for torso, legs in product((2, 3), (1, 2))),
)
"""Body width, visor width, torso rows below the visor, leg rows; in cells."""
_PACKS: tuple[tuple[int, int] | None, ...] = ((1, 2), (2, 1), (1, 1), (1, 3), (2, 2), None)
"""First row and number of rows of the backpack."""

_MARGIN = 8
"""Cells that are put around a picture, so that no rule looks outside: wider than any figure."""

Cell = tuple[int, int]
"""(row, column), counted from the body cell right behind the visor, where the search for a figure begins."""
Places = NDArray[np.int64]
"""(n,) numbers of such body cells in the flattened picture."""


@dataclass(frozen=True)
class Figure:
    """One rule, in cells.

    head:      width of the body, width of the visor, mirrored: what the rows of head and visor look like
    box:       first row, first column, last row + 1, last column + 1; with the backpack
    top:       body cells of the rows of head and visor, without the backpack
    below:     all other body cells
    visor:     cells that differ from the body
    gap:       cells between the legs, which differ from the body
    front:     the cell before the visor, neither body nor visor, or this is the arm of a letter
    around:    all other cells that touch the figure; the fewer of them are of its colour, the surer
    """

    head: tuple[int, int, bool]
    box: tuple[int, int, int, int]
    top: tuple[Cell, ...]
    below: tuple[Cell, ...]
    visor: tuple[Cell, ...]
    gap: tuple[Cell, ...]
    front: Cell
    around: tuple[Cell, ...]


@cache
def figures() -> tuple[Figure, ...]:
    """Every rule; those with the same head follow each other."""
    made = [
        _figure((width, visor, mirrored), torso, legs, pack)
        for (width, visor, torso, legs), pack, mirrored in product(_BUILDS, _PACKS, (False, True))
        if pack is None or sum(pack) <= 2 + torso
    ]
    return tuple(sorted(made, key=lambda figure: figure.head))


def _figure(head: tuple[int, int, bool], torso: int, legs: int, pack: tuple[int, int] | None) -> Figure:
    width, visor, mirrored = head
    sign = -1 if mirrored else 1
    cells: dict[Cell, str] = {}
    for y, row in enumerate(_rows(width, visor, torso, legs)):
        cells |= {(y - 1, sign * (x - (width - visor - 1))): mark for x, mark in enumerate(row)}
    top = tuple(cell for cell, mark in cells.items() if mark == "B" and cell[0] <= 0)
    if pack is not None:
        cells |= {(y - 1, -sign * (width - visor)): "B" for y in range(pack[0], sum(pack))}
    body, visors, gap = (tuple(cell for cell, mark in cells.items() if mark == kind) for kind in "BVG")
    front = (0, sign * (visor + 1))
    touching = {(y + dy, x + dx) for y, x in (*body, *visors) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))}
    around = tuple(sorted(touching - {*body, *visors, *gap, front}))
    rows, columns = zip(*cells, strict=True)
    box = (min(rows), min(columns), max(rows) + 1, max(columns) + 1)
    below = tuple(cell for cell in body if cell not in top)
    return Figure(head, box, top, below, visors, gap, front, around)


def _rows(width: int, visor: int, torso: int, legs: int) -> list[str]:
    """A figure that looks to the right, a string a row: B body, V visor, G gap."""
    foot = 1 if width == 4 else width // 2
    trousers = "B" * foot + "G" * (width - 2 * foot) + "B" * foot
    return ["B" * width, "B" * (width - visor) + "V" * visor, *["B" * width] * torso, *[trousers] * legs]


class TemplateDetector:
    """Exact pixel rules behind `ports.Detector`; the confidence is the share of free cells around a figure."""

    name = "template"
    tile_px = 640
    batch = 1
    calibration: str | None = None
    native_only = True

    def __init__(self) -> None:
        self.motif = Motif("pixel crewmate")
        self.fingerprint = fingerprint({"template": _VERSION})

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        """Figures in each of (b, h, w, 3) uint8 RGB pictures, best first, in pixels of that picture."""
        return [_figures_in(tile) for tile in tiles]


def _figures_in(tile: NDArray[np.uint8]) -> Detections:
    cells = read_cells(tile)
    # Around it, a colour that nothing has: what lies outside is not body.
    found = [part for part in _matches(np.pad(cells.codes, _MARGIN, constant_values=-1)) if len(part[1])]
    if not found:
        return Detections.none()
    corners = np.concatenate([box for box, _ in found]) - _MARGIN
    confidence = np.concatenate([score for _, score in found])
    y_edges, x_edges = cells.y_edges[corners[:, ::2]], cells.x_edges[corners[:, 1::2]]
    boxes = np.stack([x_edges[:, 0], y_edges[:, 0], x_edges[:, 1], y_edges[:, 1]], axis=1).astype(np.float32)
    rows = suppress(boxes, confidence, max_iou=_SUPPRESS_IOU)
    return Detections.make(boxes[rows], confidence[rows])


def _matches(codes: Codes) -> Iterator[tuple[NDArray[np.int64], Scores]]:
    """For each rule (n, 4) boxes (first row, first column, last row + 1, last column + 1) and (n,) confidences."""
    width = codes.shape[1]
    changes = np.zeros(codes.shape, bool)
    changes[:, :-1] = codes[:, 1:] != codes[:, :-1]
    inside = np.zeros(codes.shape, bool)
    inside[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = True
    before_a_change = {False: np.flatnonzero(changes & inside), True: np.flatnonzero(np.roll(changes, 1, 1) & inside)}
    for head, alike in groupby(figures(), key=lambda figure: figure.head):
        places = before_a_change[head[2]]
        for number, figure in enumerate(alike):
            if not number:
                places = _same(codes, places, figure.top)
                places = _differing(codes, places, (*figure.visor, figure.front))
            standing = _differing(codes, _same(codes, places, figure.below), figure.gap)
            standing, confidence = _judged(codes, standing, figure)
            row, column = np.divmod(standing, width)
            yield np.stack([row, column, row, column], axis=1) + np.asarray(figure.box), confidence


def _colour(codes: Codes, places: Places, cell: Cell) -> Codes:
    return np.asarray(codes.ravel()[places + (cell[0] * codes.shape[1] + cell[1])], np.int32)


def _same(codes: Codes, places: Places, cells: tuple[Cell, ...]) -> Places:
    """The places where all these cells have the colour of the body."""
    for cell in cells:
        places = places[_colour(codes, places, cell) == codes.ravel()[places]]
    return places


def _differing(codes: Codes, places: Places, cells: tuple[Cell, ...]) -> Places:
    """The places where none of these cells has the colour of the body."""
    for cell in cells:
        places = places[_colour(codes, places, cell) != codes.ravel()[places]]
    return places


def _judged(codes: Codes, places: Places, figure: Figure) -> tuple[Places, Scores]:
    own, before = codes.ravel()[places], _colour(codes, places, figure.front)
    visors = np.stack([_colour(codes, places, cell) for cell in figure.visor])
    free = np.mean([_colour(codes, places, cell) != own for cell in figure.around], axis=0)
    confidence = free * np.where((visors == visors[0]).all(axis=0), 1.0, _TWO_TONE)
    good = (free >= _LEAST_FREE) & (visors != before).all(axis=0)
    return places[good], confidence[good].astype(np.float32)
