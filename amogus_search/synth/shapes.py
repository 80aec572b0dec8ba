"""Small helpers for outlines of things: polygons in the crewmate's unit frame."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.crewmate import superellipse

Points = NDArray[np.float64]
PartMap = dict[str, tuple[Points, ...]]
Maker = Callable[[np.random.Generator], PartMap]


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    """An upright rectangle, (4, 2)."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def disc(x: float, y: float, rx: float, ry: float | None = None, power: float = 2.0) -> Points:
    """An ellipse or superellipse; round if one radius is given."""
    return superellipse(x, y, rx, rx if ry is None else ry, power)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform random number."""
    return float(rng.uniform(low, high))


def poly(*points: tuple[float, float]) -> Points:
    """A polygon from its corners."""
    return np.array(points, dtype=np.float64)
