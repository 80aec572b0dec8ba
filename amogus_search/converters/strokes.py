"""Lines and shifted shapes of a figure's layers, as drawings have them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.layers import Layers, Plane


def outline(one: Layers, width: float) -> Plane:
    """A line along every border, within the figure and as much beyond."""
    parts = (one.body, np.maximum(one.pack, 0), one.visor)
    line = [ring(part, one, width) for part in parts]
    return np.asarray(np.maximum.reduce(line), np.float32)


def ring(part: Plane, one: Layers, width: float) -> Plane:
    """A line along a part's border, `width` of the figure's height thick, soft by a pixel."""
    solid = (part >= 0.5).astype(np.uint8)
    if not solid.any():
        return np.zeros_like(part)
    inside = cv2.distanceTransform(solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    away = np.maximum(inside, outside) - 0.5
    return np.asarray(np.clip(max(width * one.unit / 2, 0.6) - away + 0.5, 0, 1), np.float32)


def line_at(distance: Plane, place: float, width: float) -> Plane:
    """A line where a distance map has the value `place`; all in pixels."""
    return np.asarray(np.clip((width - np.abs(distance - place)) / max(width, 0.5) + 0.3, 0, 1), np.float32)


def crescent(one: Layers) -> Plane:
    """The shaded side of the game's drawings: below, and behind."""
    lit = moved(one.body, one, 0.07, 0.1)
    return np.asarray(np.clip(one.shape - lit * one.body, 0, 1), np.float32)


def moved(part: Plane, one: Layers, forward: float, upward: float) -> Plane:
    """A part shifted in the figure's own directions, by shares of its height."""
    right = np.array([-one.up[1], one.up[0]])
    return shifted(part, (right * forward * (one.front or 1) + one.up * upward) * one.unit)


def shifted(part: Plane, by_xy: NDArray[np.float64]) -> Plane:
    """A part shifted by pixels to the right and down."""
    height, width = part.shape
    matrix = np.array([[1, 0, by_xy[0]], [0, 1, by_xy[1]]], np.float64)
    return np.asarray(cv2.warpAffine(part, matrix, (width, height)), np.float32)
