"""Which windows of a picture dream, what may change in them, and a change laid over the picture at its full size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.cropping import Window, crop_window
from amogus_search.core.types import Boxes, Pixels
from amogus_search.dreaming.places import feather_of, mask_of
from amogus_search.dreaming.shaping import Field
from amogus_search.errors import UsageError

_CONTEXT = 0.4
"""Around a box that is a place, as a share of its longer side: what the network sees beside it."""
_PLACE = 0.86
"""Of a box that is a place, this much of its sides is: the rest is for the change to fade away in."""
_BAND = 256
"""Rows that are changed at once: the picture may be large, and its change in floats is twelve times as large."""


@dataclass(frozen=True, eq=False)
class Region:
    """A window that dreams on its own.

    window: of the picture
    boxes:  (k, 4) the places in it, in pixels of the window; None: they are chosen
    limits: (k, 4) what it must stay within, in pixels of the window; None: it fades away around its places
    """

    window: Window
    boxes: Boxes | None = None
    limits: Boxes | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Of the window."""
        x1, y1, x2, y2 = self.window
        return x2 - x1, y2 - y1

    def cut(self, pixels: Pixels) -> Field:
        """(h, w, 3) in 0..1: the window of a picture."""
        x1, y1, x2, y2 = self.window
        return np.asarray(pixels[y1:y2, x1:x2] / np.float32(255), np.float32)

    def allowed(self, size_wh: tuple[int, int], rows: tuple[int, int] | None = None) -> NDArray[np.float32]:
        """(h, w) in 0..1: where it may change, for the window at any size."""
        if self.limits is None:
            first, last = rows or (0, size_wh[1])
            return np.ones((last - first, size_wh[0]), np.float32)
        return feather_of(_scaled(self.limits, self.size_wh, size_wh), size_wh, rows)

    def shrunk(self, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> Region:
        """The same for the same picture at another size."""
        moved = _scaled(np.asarray([self.window], np.float32), from_wh, to_wh)[0]
        x1, y1 = (int(v) for v in np.floor(moved[:2]))
        x2, y2 = (int(v) for v in np.ceil(moved[2:] - 1e-3))
        window = x1, y1, min(max(x2, x1 + 1), to_wh[0]), min(max(y2, y1 + 1), to_wh[1])
        new_wh = window[2] - window[0], window[3] - window[1]
        places, limits = (
            None if boxes is None else _scaled(boxes, self.size_wh, new_wh) for boxes in (self.boxes, self.limits)
        )
        return Region(window, places, limits)


def regions_of(size_wh: tuple[int, int], boxes: Sequence[Sequence[float]], *, choose: bool = False) -> list[Region]:
    """The windows that dream: the whole picture, or one for each box, which is never left.

    Args:
        size_wh: of the picture.
        boxes: x1, y1, x2, y2 in its pixels; none: all of it.
        choose: places are looked for within the boxes; else each box is a place.

    Raises:
        UsageError: a box is empty or not within the picture.
    """
    if not boxes:
        return [Region((0, 0, *size_wh))]
    return [_region(box, size_wh, choose) for box in boxes]


def _region(box: Sequence[float], size_wh: tuple[int, int], choose: bool) -> Region:
    values = np.asarray(box, np.float64)
    if not np.isfinite(values).all():
        raise UsageError(f"{list(box)} is no box", "give x1,y1,x2,y2 in pixels of the upright picture")
    x1, y1 = (max(0, round(float(v))) for v in values[:2])
    x2, y2 = (min(limit, round(float(v))) for v, limit in zip(values[2:], size_wh, strict=True))
    if x2 - x1 < 2 or y2 - y1 < 2:
        raise UsageError(
            f"the box {x1},{y1},{x2},{y2} is empty in a picture of {size_wh[0]} x {size_wh[1]} pixels",
            "give x1,y1,x2,y2 in pixels of the upright picture, from the top left",
        )
    if choose:
        whole = np.asarray([[0, 0, x2 - x1, y2 - y1]], np.float32)
        return Region((x1, y1, x2, y2), None, _unless_at_border(whole, (x1, y1, x2, y2), size_wh))
    window = crop_window((x1, y1, x2, y2), size_wh, _CONTEXT)
    limits = np.asarray([[x1, y1, x2, y2]], np.float32) - np.tile(window[:2], 2).astype(np.float32)
    centre, half = (limits[:, :2] + limits[:, 2:]) / 2, (limits[:, 2:] - limits[:, :2]) / 2 * _PLACE
    return Region(window, np.concatenate([centre - half, centre + half], axis=1), limits)


def _unless_at_border(limits: Boxes, box: Window, size_wh: tuple[int, int]) -> Boxes:
    """Limits that are the whole window, moved so that a change also fades at sides which are not the picture's."""
    inward = np.asarray([1e-3 * (box[0] > 0), 1e-3 * (box[1] > 0)], np.float32)
    outward = np.asarray([1e-3 * (box[2] < size_wh[0]), 1e-3 * (box[3] < size_wh[1])], np.float32)
    return np.concatenate([limits[:, :2] + inward, limits[:, 2:] - outward], axis=1)


def blended(pixels: Pixels, region: Region, change: Field, boxes: Boxes) -> Pixels:
    """The picture with a window of it changed; wherever it must not change, its pixels are the same.

    Args:
        pixels: (h, w, 3) uint8 RGB, any size; it is not changed itself.
        region: the window.
        change: (h', w', 3) of the window, at any size.
        boxes: (k, 4) the places, in pixels of the window.
    """
    result = np.array(pixels)
    x1, y1, x2, _ = region.window
    for first, last, part in _bands(change, region.size_wh):
        allowed = region.allowed(region.size_wh, (first, last)) * (mask_of(boxes, region.size_wh, (first, last)) > 0)
        here = result[y1 + first : y1 + last, x1:x2]
        moved = np.clip(np.rint(here + part * allowed[..., None] * 255), 0, 255).astype(np.uint8)
        here[:] = np.where(allowed[..., None] > 0, moved, here)
    return result


def _bands(change: Field, size_wh: tuple[int, int]) -> Iterator[tuple[int, int, Field]]:
    """First and last row of each band, and the change there at the size that is wanted."""
    (width, height), (own_h, own_w) = size_wh, change.shape[:2]
    if own_w > width:
        change = np.asarray(cv2.resize(change, size_wh, interpolation=cv2.INTER_AREA), np.float32)
        own_h, own_w = height, width
    across, down = own_w / width, own_h / height
    for first in range(0, height, _BAND):
        last = min(height, first + _BAND)
        back = np.array([[across, 0, across / 2 - 0.5], [0, down, (first + 0.5) * down - 0.5]])
        options = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        band = cv2.warpAffine(change, back, (width, last - first), flags=options, borderMode=cv2.BORDER_REPLICATE)
        yield first, last, np.asarray(band, np.float32)


def _scaled(boxes: Boxes, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> Boxes:
    return np.asarray(boxes * np.tile(np.divide(to_wh, from_wh), 2), np.float32)
