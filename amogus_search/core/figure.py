"""A motif's figure as polygons in the pixels of a picture: what is painted, and whose outline is the silhouette."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
"""(k, 2) float64, x and y in pixels."""

DETAILS = frozenset({"visor", "glint"})
"""Parts that lie on the others and never reach beyond them; all the rest is the silhouette."""
ROWS = 4
"""Lines of samples within a pixel; across, coverage is exact."""


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure, laid into a picture.

    parts:     part name -> its polygons, back to front
    height_px: from the top of the head to the soles
    up:        unit vector (2,) from the soles to the head
    front:     where it looks in its own frame: 1 its right, -1 its left, 0 to the viewer
    """

    parts: Mapping[str, tuple[Points, ...]]
    height_px: float
    up: NDArray[np.float64]
    front: int = 0

    def moved(self, factor: float, by_xy: tuple[float, float] = (0.0, 0.0)) -> Figure:
        """The same figure after every point went to `point * factor + by_xy`."""
        shift = np.asarray(by_xy, np.float64)
        parts = {name: tuple(p * factor + shift for p in polygons) for name, polygons in self.parts.items()}
        return Figure(MappingProxyType(parts), self.height_px * factor, self.up, self.front)

    def part(self, name: str, size_wh: tuple[int, int]) -> NDArray[np.float32]:
        """(h, w) float32 coverage of one part, 0..1; nothing if the figure has no such part."""
        return coverage(self.parts.get(name, ()), size_wh)

    def silhouette(self, size_wh: tuple[int, int]) -> NDArray[np.float32]:
        """(h, w) float32 coverage of the whole figure, 0..1."""
        outer = [polygon for name, polygons in self.parts.items() if name not in DETAILS for polygon in polygons]
        return coverage(outer, size_wh)


@dataclass(frozen=True, eq=False)
class Pose:
    """What is known of where a figure stands.

    box_xyxy:  (4,) pixels of some picture
    keypoints: name -> x, y in the same frame, visibility 0..1; may be empty
    """

    box_xyxy: NDArray[np.float32]
    keypoints: Mapping[str, tuple[float, float, float]]


Fitter: TypeAlias = Callable[[Pose, int], Figure]
"""Lays a motif's figure into a pose; the seed decides what the pose leaves open."""


def coverage(polygons: tuple[Points, ...] | list[Points], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) float32: how much of each pixel lies in any of the polygons, 0..1.

    Args:
        polygons: closed, simple, each (k, 2) in pixels; may stick out of the picture.
        size_wh: width and height in pixels.
    """
    width, height = size_wh
    covered = np.zeros((height, width), np.float32)
    for polygon in polygons:
        points = np.asarray(polygon, np.float64)
        # Only where it lies: most polygons are small beside the picture.
        left, top = np.clip(np.floor(points.min(axis=0)), 0, size_wh).astype(int)
        right, bottom = np.clip(np.ceil(points.max(axis=0)), 0, size_wh).astype(int)
        if right > left and bottom > top:
            part = covered[top:bottom, left:right]
            np.maximum(part, _filled(points - (left, top), right - left, bottom - top), out=part)
    return covered


def _filled(polygon: Points, width: int, height: int) -> NDArray[np.float32]:
    """Signed crossings summed from the left: inside, they add up to one, whichever way round the polygon goes."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    sample_y = (np.arange(height * ROWS) + 0.5) / ROWS
    y0, y1 = start[:, 1], end[:, 1]
    rises = (sample_y[:, None] >= y0) & (sample_y[:, None] < y1)
    falls = (sample_y[:, None] >= y1) & (sample_y[:, None] < y0)
    row, edge = np.nonzero(rises | falls)
    sign = np.where(rises[row, edge], 1.0, -1.0)
    share = (sample_y[row] - y0[edge]) / (y1[edge] - y0[edge])
    x = np.clip(start[edge, 0] + share * (end[edge, 0] - start[edge, 0]), 0, width)
    column = np.minimum(np.floor(x).astype(np.int64), width - 1)
    # Two more columns: of the last pixel, and of what begins right of the picture. In quarter rows, so that the sum
    # over a pixel's rows can be taken before the sum along them.
    change = np.zeros((height, width + 2))
    np.add.at(change, (row // ROWS, column), sign * (column + 1 - x) / ROWS)
    np.add.at(change, (row // ROWS, column + 1), sign * (x - column) / ROWS)
    inside = np.abs(np.cumsum(change, axis=1)[:, :width])
    return np.asarray(np.clip(inside, 0, 1), np.float32)
