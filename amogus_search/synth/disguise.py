"""Amogi nobody meant: outlines built from boxes, discs and trapezoids, with the crewmate's keypoints."""

import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.crewmate import ABSENT, VISIBLE, Outline, superellipse

Points = NDArray[np.float64]


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def _body(rng: np.random.Generator, width: float, bottom: float) -> tuple[Points, ...]:
    """A container: box, barrel, trapezoid, disc, disc on a box, dome on a box."""
    half = width / 2
    kind = int(rng.integers(6))
    if kind == 0:
        return (_box(-half, 0, half, bottom),)
    if kind == 1:
        return (superellipse(0, bottom / 2, half, bottom / 2, float(rng.uniform(3, 8))),)
    if kind == 2:
        top = half * float(rng.uniform(0.7, 1.15))
        return (np.array([(-top, 0), (top, 0), (half, bottom), (-half, bottom)]),)
    if kind == 3:
        return (superellipse(0, bottom / 2, half, bottom / 2, 2.0),)
    head = min(half, bottom * 0.45)
    disc = superellipse(0, head, half if kind == 5 else half * float(rng.uniform(0.7, 1.0)), head, 2.0)
    return (disc, _box(-half, head, half, bottom))


def _legs(rng: np.random.Generator, width: float, bottom: float) -> tuple[tuple[Points, ...], float]:
    """Two boxes, discs, wedges or wheels below the body, and their distance from the middle."""
    half = float(rng.uniform(0.09, 0.2)) * width
    offset = float(rng.uniform(half + 0.05 * width, max(half + 0.06 * width, width / 2 - half * 0.6)))
    kind = int(rng.integers(3))
    legs: list[Points] = []
    for side in (-1, 1):
        x = side * offset
        if kind == 0:
            legs.append(_box(x - half, bottom - 0.05, x + half, 1))
        elif kind == 1:
            legs.append(superellipse(x, (bottom - 0.06 + 1) / 2, half, (1.06 - bottom) / 2, 2.5))
        else:
            tip = half * float(rng.uniform(0.4, 1.3))
            legs.append(np.array([(x - half, bottom - 0.05), (x + half, bottom - 0.05), (x + tip, 1), (x - tip, 1)]))
    return tuple(legs), offset


def disguised_outline(rng: np.random.Generator) -> tuple[Outline, int]:
    """A found-object crewmate in the unit frame, and its front (+1 right, -1 left)."""
    width = float(rng.uniform(0.42, 0.95))
    bottom = 1 - float(rng.uniform(0.1, 0.32))
    front = 1 if rng.random() < 0.5 else -1
    legs, offset = _legs(rng, width, bottom)
    rx, ry = width * float(rng.uniform(0.2, 0.38)), float(rng.uniform(0.05, 0.13))
    x = front * width * float(rng.uniform(0.0, 0.25))
    y = float(rng.uniform(max(0.16, ry + 0.06), 0.36))
    pack: tuple[Points, ...] = ()
    pack_point = (0.0, 0.0, ABSENT)
    if rng.random() < 0.5:
        depth, top = width * float(rng.uniform(0.1, 0.28)), float(rng.uniform(0.2, 0.42))
        tall = float(rng.uniform(0.2, bottom - top - 0.02))
        behind = -front * (width / 2 + depth / 2 - 0.05)
        pack = (superellipse(behind, top + tall / 2, depth / 2 + 0.05, tall / 2, float(rng.choice([2.0, 4.0, 12.0]))),)
        pack_point = (-front * (width / 2 + depth / 2), top + tall / 2, VISIBLE)
    visor = superellipse(x, y, rx, ry, float(rng.choice([2.0, 2.5, 4.0, 14.0])))
    glint = superellipse(x + front * rx * 0.25, y - ry * 0.35, rx * 0.4, ry * 0.25, 2.5, 20)
    keypoints = [
        (0, 0.01, VISIBLE),
        (x - rx, y, VISIBLE),
        (x + rx, y, VISIBLE),
        pack_point,
        (0, bottom, VISIBLE),
        (-offset, 0.99, VISIBLE),
        (offset, 0.99, VISIBLE),
    ]
    parts = {
        "torso": _body(rng, width, bottom),
        "legs": legs,
        "visor": (visor,),
        "glint": (glint,),
        "backpack": pack,
        "hat": (),
    }
    return Outline(parts, np.array(keypoints, dtype=np.float64)), front
