"""Which windows of a picture the detector looks at, and the way back.

Tile coordinates exist in this module only: `plan` makes windows in image pixels, `cut` fills one
detector input from a window, `to_image` maps findings back and marks those that the window cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Boxes, Detections, Pixels

Resize = Callable[[Pixels, tuple[int, int]], Pixels]
"""(picture, (width, height)) -> the picture at that size; given by the caller, since core knows no image library."""

PAD_VALUE = 114
"""Grey that fills a tile where the picture ends; what the detector was trained with."""

_SHORT_SIDES = (0.5, 0.6, 0.7, 0.75, 1.0)
"""Shorter sides that a rectangular window may have, in shares of the longer: few, as each is a network to compile."""
_STRIDE_PX = 32
"""Sides of a detector input are multiples of this."""
_SURELY = 1.01
"""More than what rounding can make of a variance."""
_MOST_THIN = 1024
"""So many windows there may be at one zoom of a strip that fills less than half of each: more is hours of padding."""
_LEAST_PX = 3
"""A strip that is shown with fewer pixels across has room for no figure."""
_EDGE_PX = 2.0
"""A box that comes this close to a tile's edge (tile pixels) counts as cut by it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A window of the image, in image pixels, and the size it is shown at.

    x, y, width, height: the window, inside the image
    zoom: tile pixels an image pixel
    side_px: side of the square that the detector gets
    """

    x: int
    y: int
    width: int
    height: int
    zoom: float
    side_px: int

    @property
    def shown_wh(self) -> tuple[int, int]:
        """Size in tile pixels; the rest of the square is padding."""
        return max(1, round(self.width * self.zoom)), max(1, round(self.height * self.zoom))

    @property
    def offset_xy(self) -> tuple[int, int]:
        """Where the window's left upper corner lies in the detector input, in tile pixels.

        Half of what lacks to the next multiple of 32, as ultralytics pads: the network's cells lie 32 pixels apart, and
        a picture that begins elsewhere is seen by other cells.
        """
        left, top = (min(-side % _STRIDE_PX // 2, self.side_px - side) for side in self.shown_wh)
        return left, top


def input_wh(tile: Tile, *, rectangular: bool) -> tuple[int, int]:
    """Size of the detector input that holds a tile: a square, or the least padded one of a few rectangles."""
    side = tile.side_px
    if not rectangular:
        return side, side
    rungs = [min(side, -(-round(side * share) // _STRIDE_PX) * _STRIDE_PX) for share in _SHORT_SIDES]
    width, height = (next((rung for rung in rungs if shown <= rung), side) for shown in tile.shown_wh)
    # Only one side is ever cut short, so that there are nine shapes and not twenty-five.
    return (side, height) if width >= height else (width, side)


def fitted(size_wh: tuple[int, int], side_px: int) -> Tile:
    """The whole frame, scaled so that its longer side is `side_px`."""
    width, height = size_wh
    return Tile(0, 0, width, height, side_px / max(width, height), side_px)


def starts(length: int, window: int, overlap: float) -> list[int]:
    """Starts of the fewest windows that cover [0, length) and overlap by at least that share, evenly spread."""
    if length <= window:
        return [0]
    count = int(np.ceil((length - window) / (window * (1 - overlap)))) + 1
    return [round(float(start)) for start in np.linspace(0, length - window, count)]


def grid(size_wh: tuple[int, int], tile_px: int, zoom: float, overlap: float) -> list[Tile]:
    """Windows that cover the frame at one zoom, row by row."""
    window = max(1, int(tile_px / zoom))
    return [
        Tile(x, y, min(window, size_wh[0]), min(window, size_wh[1]), zoom, tile_px)
        for y in starts(size_wh[1], window, overlap)
        for x in starts(size_wh[0], window, overlap)
    ]


def pyramid_zooms(size_wh: tuple[int, int], tile_px: int, much_larger: float) -> list[float]:
    """1, 1/2, 1/4 ... for as long as the frame at that zoom is still much larger than a tile."""
    zooms, zoom = [], 1.0
    while max(size_wh) * zoom >= tile_px * much_larger:
        zooms.append(zoom)
        zoom /= 2
    return zooms


def plan(
    size_wh: tuple[int, int],
    tile_px: int,
    *,
    full_px: Sequence[int],
    native_tiles: bool,
    enlarge: Sequence[int],
    overlap: float,
    much_larger: float,
    max_enlarged_px: int,
) -> list[Tile]:
    """All windows for one picture, from the coarsest to the finest; see `settings.Profile`.

    Neighbouring zooms differ by less than twice `much_larger` and the coarsest shows the whole frame, so
    whatever a finer window cuts off is seen whole by a coarser one. Of a strip that is very long for its height, the
    zooms that would take thousands of windows of little but padding are left out.
    """
    tiles = [fitted(size_wh, side) for side in full_px]
    zooms = reversed(pyramid_zooms(size_wh, tile_px, much_larger)) if native_tiles else ()
    enlarged = (float(f) for f in enlarge if f == 1 or max(size_wh) * f <= max_enlarged_px)
    for zoom in (*zooms, *enlarged):
        if is_worth_it(size_wh, tile_px, zoom, overlap):
            tiles += grid(size_wh, tile_px, zoom, overlap)
    return list(dict.fromkeys(tiles))


def is_worth_it(size_wh: tuple[int, int], tile_px: int, zoom: float, overlap: float) -> bool:
    """Whether the windows of a zoom hold more than padding, or are not many."""
    longer, shorter = max(size_wh) * zoom, min(size_wh) * zoom
    if longer <= tile_px:
        return True
    is_thin = shorter < tile_px / 2
    return shorter >= _LEAST_PX and not (is_thin and longer / (tile_px * (1 - overlap)) > _MOST_THIN)


def finest(tiles: Sequence[Tile]) -> tuple[list[Tile], list[Tile], float]:
    """The windows in two parts, and the zoom in between: those of the highest zoom, and before them all others.

    Most windows of a large picture are of its highest zoom. What these could find, the zoom below has seen already, if
    only as a faint candidate; so they are worth a look only where there is one (see `touches`).

    Returns:
        The others, those of the highest zoom, and the highest zoom among the others. There are none of the highest zoom
        to be chosen from, and the zoom is 0, where a single window shows it all or the zoom below is less than half:
        there, small things would leave no trace.
    """
    zooms = sorted({tile.zoom for tile in tiles})
    highest = [tile for tile in tiles if tile.zoom == zooms[-1]] if zooms else []
    if len(highest) < 2 or len(zooms) < 2 or zooms[-2] < zooms[-1] / 2:
        return list(tiles), [], 0.0
    return [tile for tile in tiles if tile.zoom < zooms[-1]], highest, zooms[-2]


def touches(tile: Tile, boxes_xyxy: Boxes) -> bool:
    """Whether any box, in image pixels, has a part in the window."""
    x1, y1, x2, y2 = boxes_xyxy.T
    across = (x1 < tile.x + tile.width) & (x2 > tile.x)
    return bool((across & (y1 < tile.y + tile.height) & (y2 > tile.y)).any())


def cut(
    pixels: Pixels,
    tile: Tile,
    resize: Resize,
    *,
    zoom_xy: tuple[float, float] = (1.0, 1.0),
    rectangular: bool = False,
) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: the window at its zoom and its place, padding elsewhere.

    Args:
        pixels: the image, or a reduced copy of it.
        zoom_xy: size of `pixels` relative to the image, across and down (1 for the image itself).
        rectangular: pad to the next of a few rectangles, not to the square; see `input_wh`.
    """
    zoom_x, zoom_y = zoom_xy
    x1, y1 = round(tile.x * zoom_x), round(tile.y * zoom_y)
    x2, y2 = round((tile.x + tile.width) * zoom_x), round((tile.y + tile.height) * zoom_y)
    window = pixels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    width, height = tile.shown_wh
    if (width, height) != (window.shape[1], window.shape[0]):
        window = resize(window, (width, height))
    across, down = input_wh(tile, rectangular=rectangular)
    canvas = np.full((down, across, 3), PAD_VALUE, np.uint8)
    left, top = tile.offset_xy
    canvas[top : top + height, left : left + width] = window
    return canvas


def is_empty(tile_pixels: NDArray[np.uint8], min_std: float) -> bool:
    """Whether a tile has no structure at all; looks at every fourth pixel."""
    looked_at, few = tile_pixels[::4, ::4], tile_pixels[::16, ::16]
    # What some pixels vary by, all of them together vary by at least: photos need no closer look.
    if few.var() * few.size > _SURELY * min_std**2 * looked_at.size:
        return False
    return bool(looked_at.std() < min_std)


def to_image(found: Detections, tile: Tile, size_wh: tuple[int, int]) -> Detections:
    """Findings in tile pixels -> the same in image pixels, clipped to the image."""
    padding, corner = np.asarray(tile.offset_xy, np.float32), np.asarray([tile.x, tile.y], np.float32)
    boxes = (found.xyxy - np.tile(padding, 2)) / tile.zoom + np.tile(corner, 2)
    points = found.keypoints.copy()
    points[:, :, :2] = (points[:, :, :2] - padding) / tile.zoom + corner
    limit = np.asarray([*size_wh, *size_wh], np.float32)
    return replace(
        found,
        xyxy=np.clip(boxes, 0, limit).astype(np.float32),
        keypoints=points.astype(np.float32),
        zoom=np.full(len(found), tile.zoom, np.float32),
    )


def is_cut(tile_boxes_xyxy: Boxes, tile: Tile, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """(n,) whether a box in tile pixels touches an edge of its tile that is not an edge of the image."""
    width, height = tile.shown_wh
    left, top = tile.offset_xy
    inner = np.asarray(
        [tile.x > 0, tile.y > 0, tile.x + tile.width < size_wh[0], tile.y + tile.height < size_wh[1]], bool
    )
    near = np.stack(
        [
            tile_boxes_xyxy[:, 0] < left + _EDGE_PX,
            tile_boxes_xyxy[:, 1] < top + _EDGE_PX,
            tile_boxes_xyxy[:, 2] > left + width - _EDGE_PX,
            tile_boxes_xyxy[:, 3] > top + height - _EDGE_PX,
        ],
        axis=1,
    )
    return np.asarray((near & inner).any(axis=1))
