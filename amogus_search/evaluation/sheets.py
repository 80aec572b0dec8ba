"""Contact sheets for a careful eye: many enlarged crops with a thin box and a few words each, in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from amogus_search.core.types import Boxes, Pixels

Colour = tuple[int, int, int]
MAGENTA, GREEN, CYAN = (255, 0, 255), (0, 220, 0), (0, 200, 255)
_GROUND: Colour = (40, 40, 40)
_WORDS: Colour = (235, 235, 235)
_CELL_PX, _LINE_PX, _GAP_PX = 128, 18, 4


def cell(pixels: Pixels, box_xyxy: Boxes, caption: str, *, context: float = 0.9, colour: Colour = MAGENTA) -> Pixels:
    """One crop of a sheet: the box in the middle of its surroundings, the caption below.

    Args:
        pixels: the whole picture.
        box_xyxy: (4,) in its pixels.
        context: surroundings on each side, as a share of the box's longer side.
    """
    x1, y1, x2, y2 = (float(v) for v in box_xyxy)
    side = max(4.0, max(x2 - x1, y2 - y1) * (1 + 2 * context))
    left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
    side_px = round(side)
    window = np.full((side_px, side_px, 3), _GROUND, np.uint8)
    height, width = pixels.shape[:2]
    inside = pixels[max(0, top) : max(0, min(height, top + side_px)), max(0, left) : max(0, min(width, left + side_px))]
    window[max(0, -top) :, max(0, -left) :][: inside.shape[0], : inside.shape[1]] = inside
    method = cv2.INTER_NEAREST if side_px < _CELL_PX else cv2.INTER_AREA
    shown = cv2.resize(window, (_CELL_PX, _CELL_PX), interpolation=method)
    ratio = _CELL_PX / side_px
    first = (round((x1 - left) * ratio) - 1, round((y1 - top) * ratio) - 1)
    cv2.rectangle(shown, first, (round((x2 - left) * ratio), round((y2 - top) * ratio)), colour, 1)
    made = np.full((_CELL_PX + _LINE_PX, _CELL_PX + _GAP_PX, 3), _GROUND, np.uint8)
    made[:_CELL_PX, :_CELL_PX] = shown
    cv2.putText(made, caption, (2, _CELL_PX + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.38, _WORDS, 1, cv2.LINE_AA)
    return made


def sheet(cells: Sequence[Pixels], columns: int = 10) -> Pixels:
    """All cells in rows, from the upper left; one empty cell where there are none."""
    blank = np.full((_CELL_PX + _LINE_PX, _CELL_PX + _GAP_PX, 3), _GROUND, np.uint8)
    columns = max(1, min(columns, len(cells)))
    filled = [*cells, *[blank] * (-len(cells) % columns or int(not cells))]
    rows = [np.hstack(filled[start : start + columns]) for start in range(0, len(filled), columns)]
    return np.asarray(np.vstack(rows), np.uint8)


def overlay(pixels: Pixels, layers: Sequence[tuple[Boxes, Colour]], zoom: int) -> Pixels:
    """The picture enlarged by a whole factor with thin boxes on it; later layers lie on top."""
    drawn = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1)
    for boxes, colour in layers:
        for x1, y1, x2, y2 in np.round(boxes * zoom).astype(int).tolist():
            cv2.rectangle(drawn, (x1 - 1, y1 - 1), (x2, y2), colour, 1)
    return np.asarray(drawn, np.uint8)


def drawn_at_random(count: int, most: int, seed: int) -> list[int]:
    """So many of `count` rows, each at most once, in their order; all of them if there are no more."""
    return sorted(np.random.default_rng(seed).permutation(count)[:most].tolist())
