"""The paper that a drawing lies on: how bright it is everywhere, and what differs from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import AmogusError
from amogus_search.synth.sprite import Rgb

_RING = 0.04
"""Width of the border that paper is looked for in, as a share of the shorter side."""
_SAMPLES = 20_000
"""Pixels that the surface is fitted to."""
_LEAST_TOLERANCE, _NOISES = 16.0, 5.0
"""Grey levels, and standard deviations of the paper's grain, from which a pixel is ink."""
_MOST_NOISE = 12.0
"""Grey levels: what varies more around a smooth surface is no plain paper."""
_LEAST_PLAIN = 0.65
"""Share of the border that must be paper: a drawing may run over the edge, a photograph is all edge."""

Surface = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A drawing on its paper.

    picture:    (h, w, 3) uint8, as if evenly lit
    difference: (h, w) float32, how far each pixel is from paper, in grey levels
    tolerance:  the difference from which on it is ink
    """

    picture: Rgb
    difference: NDArray[np.float32]
    tolerance: float


def follow_paper(picture: Rgb, name: str) -> Sheet:
    """What differs from the paper, whose colour is a smooth surface fitted to the border, then to all it explains.

    Args:
        picture: (h, w, 3) uint8.
        name: of the picture, for messages.

    Raises:
        AmogusError: the border is not plain.
    """
    height, width = picture.shape[:2]
    image = picture.astype(np.float64)
    ring = _ring(height, width)
    surface, noise = _fitted(image, ring, degree=2)
    plain = _distance(image, surface)[ring] < _tolerance(noise)
    if noise > _MOST_NOISE or plain.mean() < _LEAST_PLAIN:
        raise AmogusError(
            f"{name}: no plain paper around the drawing ({100 * plain.mean():.0f} % of the border is even)",
            "draw on plain paper with some of it all around, or give a transparent PNG",
        )
    for degree in (2, 4):
        paper = _distance(image, surface) < _tolerance(noise)
        surface, noise = _fitted(image, paper, degree)
    tolerance = _tolerance(noise)
    # Ink in the shade is darker paper times the same ink: measure what it takes away from a full sheet.
    full = np.percentile(surface[ring], 95, axis=0)
    even = image * (full / np.maximum(surface, 20))
    difference = np.abs(even - full).max(axis=2).astype(np.float32)
    return Sheet(np.clip(even, 0, 255).astype(np.uint8), difference, tolerance)


def _ring(height: int, width: int) -> NDArray[np.bool_]:
    edge = max(2, round(_RING * min(height, width)))
    ring = np.ones((height, width), bool)
    ring[edge:-edge, edge:-edge] = False
    return ring


def _tolerance(noise: float) -> float:
    return max(_LEAST_TOLERANCE, _NOISES * noise)


def _distance(image: NDArray[np.float64], surface: Surface) -> NDArray[np.float64]:
    return np.asarray(np.abs(image - surface).max(axis=2))


def _fitted(image: NDArray[np.float64], where: NDArray[np.bool_], degree: int) -> tuple[Surface, float]:
    """A polynomial surface through the pixels of a mask, and the noise around it; outliers are left aside."""
    height, width = image.shape[:2]
    rows = np.flatnonzero(where)
    rows = rows[:: max(1, len(rows) // _SAMPLES)]
    y, x = np.mgrid[0:height, 0:width]
    terms = _terms(x.ravel() / width * 2 - 1, y.ravel() / height * 2 - 1, degree)
    table, values = terms[rows], image.reshape(-1, 3)[rows]
    good = np.abs(values - np.median(values, axis=0)).max(axis=1) < 120
    solution = np.zeros((terms.shape[1], 3))
    spread = 0.0
    for _ in range(6):
        solution = np.linalg.lstsq(table[good], values[good], rcond=None)[0]
        error = np.abs(values - table @ solution).max(axis=1)
        # a normal deviate's median is 0.67 of its standard deviation; here it is the largest of three
        spread = float(np.median(error[good]) / 1.1)
        good = error < max(6.0, 3.0 * spread)
        if good.sum() < 4 * terms.shape[1]:
            break
    return (terms @ solution).reshape(height, width, 3), spread


def _terms(x: NDArray[np.float64], y: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """(n, terms) all products of powers of x and y up to a total degree."""
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack([x**i * y**j for i, j in powers], axis=1)
