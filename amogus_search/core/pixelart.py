"""Pixel art: flat cells of one colour, often enlarged by an integer factor; finding the factor, and undoing it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels

Codes = NDArray[np.int32]
"""(h, w) int32: one number a colour."""

_MOST_CELL_PX = 64
"""A cell wider than this is no longer looked for."""

_MOST_COLOURS = 128
"""Palettes of pixel art are smaller; a grey photo has more levels."""
_LEAST_FLAT = 0.25
"""Share of neighbouring pixels that are equal: a dithered photo has few, drawn cells and lines have many."""
_SAMPLE_ROWS = 256
"""Rows that are looked at to tell pixel art from photos."""
_FEW = 32
"""Every so manieth of these rows is looked at first."""


def colour_codes(pixels: Pixels) -> Codes:
    """One number a pixel, equal for equal colours."""
    wide = pixels.astype(np.int32)
    return np.asarray((wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2], np.int32)


@dataclass(frozen=True, eq=False)
class Cells:
    """A picture read as cells.

    codes:   (rows, columns) one colour a cell
    x_edges: (columns + 1,) pixel where each cell begins, and where the last one ends
    y_edges: (rows + 1,) likewise
    """

    codes: Codes
    x_edges: NDArray[np.int64]
    y_edges: NDArray[np.int64]


def read_cells(pixels: Pixels) -> Cells:
    """The picture's cells: its pixels, or the blocks of k by k equal pixels that it is wholly made of.

    A window of an enlarged picture may begin and end within a block; such a cut block is a cell too.
    """
    codes = colour_codes(pixels)
    across = np.flatnonzero((codes[:, 1:] != codes[:, :-1]).any(axis=0)) + 1
    down = np.flatnonzero((codes[1:] != codes[:-1]).any(axis=1)) + 1
    side = int(np.gcd(_spacing(across), _spacing(down)))
    if not 2 <= side <= _MOST_CELL_PX:
        side = 1
    x_edges, y_edges = _edges(across, side, codes.shape[1]), _edges(down, side, codes.shape[0])
    return Cells(codes[np.ix_(y_edges[:-1], x_edges[:-1])], x_edges, y_edges)


def _spacing(changes: NDArray[np.int64]) -> int:
    """The largest step that all changes of colour along one direction fit on; 0 if there is at most one."""
    return int(np.gcd.reduce(np.diff(changes))) if len(changes) > 1 else 0


def _edges(changes: NDArray[np.int64], side: int, length: int) -> NDArray[np.int64]:
    phase = int(changes[0]) % side if len(changes) else 0
    inner = np.arange(phase, length, side)
    return np.unique(np.concatenate([[0], inner, [length]])).astype(np.int64)


def is_pixel_art(pixels: Pixels) -> bool:
    """Whether a picture has few colours and flat cells, so that enlarging it must not smear it."""
    rows = pixels[:: max(1, pixels.shape[0] // _SAMPLE_ROWS)]
    if rows.shape[1] < 2:
        return False
    sample = rows[:, :: max(1, rows.shape[1] // _SAMPLE_ROWS)]
    # A few rows of a photo have too many colours already, which is seen in a twentieth of the time.
    if any(_colours(colour_codes(part)) > _MOST_COLOURS for part in (sample[::_FEW], sample)):
        return False
    codes = colour_codes(rows)
    return bool(np.mean(codes[:, 1:] == codes[:, :-1]) >= _LEAST_FLAT)


def _colours(codes: Codes) -> int:
    """How many there are; sorting numbers takes a tenth of the time of `np.unique`."""
    return 1 + int(np.count_nonzero(np.diff(np.sort(codes, axis=None))))
