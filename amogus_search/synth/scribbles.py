"""Ten drawings of a symbol by an unsure hand, on paper under a lamp: something to teach, and to repeat a run with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from amogus_search.errors import UsageError
from amogus_search.synth.noise import grain, smooth_noise
from amogus_search.synth.sprite import Rgb

Stroke = NDArray[np.float64]
Drawn = tuple[list[Stroke], list[Stroke]]
"""Open or closed lines, and areas that some hands fill; (n, 2) points each in about -1..1, y downwards."""

PICTURE_WH = (900, 720)
_PENS = ((25, 25, 30), (30, 45, 130), (150, 30, 35), (60, 60, 65), (20, 90, 50))
_PAINTS = ((235, 190, 60), (90, 170, 90), (90, 140, 210), (215, 110, 90), (160, 110, 180))


def _arc(centre: tuple[float, float], radii: tuple[float, float], from_to: tuple[float, float]) -> Stroke:
    angles = np.radians(np.linspace(*from_to, 40))
    return np.column_stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)])


def _line(*points: tuple[float, float]) -> Stroke:
    """Straight lines through the points, with enough points between for a hand to shake."""
    corners = np.array(points, np.float64)
    pieces = [np.linspace(a, b, 24, endpoint=False) for a, b in pairwise(corners)]
    return np.concatenate([*pieces, corners[-1:]])


def eye(rng: np.random.Generator) -> Drawn:
    """An eye in a triangle."""
    tip = float(rng.uniform(-0.08, 0.08))
    triangle = _line((-0.95, 0.8), (tip, -0.9), (0.95, 0.8), (-0.95, 0.8))
    x, y, width = float(rng.uniform(-0.05, 0.05)), float(rng.uniform(0.2, 0.35)), float(rng.uniform(0.38, 0.48))
    high = width * float(rng.uniform(0.45, 0.6))
    lids = np.concatenate([_arc((x, y), (width, high), (180, 360)), _arc((x, y), (width, high), (0, 180))])
    pupil = _arc((x, y), (high * 0.5, high * 0.5), (0, 360))
    return [triangle, lids, pupil], [pupil]


def star(rng: np.random.Generator) -> Drawn:
    """A star whose arms curl the same way round, like a galaxy."""
    arms, turn = 5, float(rng.uniform(0.9, 1.3))
    strokes = []
    for arm in range(arms):
        radius = np.linspace(0.12, 1.0, 40)
        angle = 2 * np.pi * arm / arms + turn * radius**1.3 + float(rng.normal(0, 0.06))
        strokes.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    core = _arc((0, 0), (0.2, 0.2), (0, 360))
    return [*strokes, core], [core]


def cactus(rng: np.random.Generator) -> Drawn:
    """A cactus with two arms in a pot."""
    left, right = float(rng.uniform(-0.1, 0.15)), float(rng.uniform(-0.2, 0.1))
    body = np.concatenate(
        [
            _line((-0.2, 0.5), (-0.2, left + 0.2), (-0.6, left + 0.2), (-0.6, left - 0.35)),
            _arc((-0.5, left - 0.35), (0.1, 0.1), (180, 360)),
            _line((-0.4, left - 0.35), (-0.4, left), (-0.2, left), (-0.2, -0.7)),
            _arc((0, -0.7), (0.2, 0.2), (180, 360)),
            _line((0.2, -0.7), (0.2, right), (0.42, right), (0.42, right - 0.3)),
            _arc((0.52, right - 0.3), (0.1, 0.1), (180, 360)),
            _line((0.62, right - 0.3), (0.62, right + 0.2), (0.2, right + 0.2), (0.2, 0.5)),
        ]
    )
    pot = _line((-0.4, 0.5), (0.4, 0.5), (0.28, 0.95), (-0.28, 0.95), (-0.4, 0.5))
    spikes = [_line((x, y), (x + 0.06, y - 0.06)) for x, y in rng.uniform((-0.12, -0.6), (0.1, 0.4), (6, 2))]
    return [body, pot, *spikes], [body, pot]


SYMBOLS: Mapping[str, Callable[[np.random.Generator], Drawn]] = MappingProxyType(
    {"eye": eye, "star": star, "cactus": cactus}
)


def scribble(rng: np.random.Generator, symbol: str, size_wh: tuple[int, int] = PICTURE_WH) -> Rgb:
    """One drawing, (h, w, 3) uint8: a photograph of paper, unevenly lit.

    Raises:
        UsageError: there is no such symbol.
    """
    if symbol not in SYMBOLS:
        raise UsageError(f"there is no symbol called {symbol!r}", f"there are: {', '.join(SYMBOLS)}")
    width, height = size_wh
    strokes, areas = SYMBOLS[symbol](rng)
    reach = min(size_wh) * float(rng.uniform(0.26, 0.38))
    centre = (width * float(rng.uniform(0.45, 0.55)), height * float(rng.uniform(0.46, 0.54)))
    page = np.full((height, width, 3), (rng.uniform(240, 252), rng.uniform(238, 250), rng.uniform(225, 248)))
    hand = _hand(rng)
    if rng.random() < 0.4:
        paint = _PAINTS[int(rng.integers(len(_PAINTS)))]
        for area in areas:
            mask = np.zeros((height, width), np.uint8)
            cv2.fillPoly(mask, [_fixed(hand(area) * reach + centre)], 255, cv2.LINE_AA, 4)
            page += (np.array(paint) - page) * (mask / 255 * 0.9)[..., None]
    pen = np.array(_PENS[int(rng.integers(len(_PENS)))], np.float64)
    weight = float(rng.uniform(4, 9))
    ink = np.zeros((height, width), np.uint8)
    for stroke in strokes:
        _pull(ink, hand(stroke) * reach + centre, weight, rng)
    page += (pen - page) * (ink / 255 * float(rng.uniform(0.8, 1.0)))[..., None]
    return _photographed(page, rng)


def write_scribbles(out: Path, symbol: str, n: int, seed: int) -> list[Path]:
    """Write `n` drawings of a symbol as JPEG files; drawing i depends on (seed, i) only."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{symbol}_{number:02d}.jpg" for number in range(n)]
    for number, path in enumerate(paths):
        Image.fromarray(scribble(np.random.default_rng((seed, number)), symbol)).save(path, quality=88)
    return paths


def _hand(rng: np.random.Generator) -> Callable[[Stroke], Stroke]:
    """A way of drawing: everything turned, sheared and stretched alike, every stroke shaken by itself."""
    angle, shear, stretch = rng.normal(0, 0.09), rng.normal(0, 0.07), rng.normal(0, 0.07)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[1 + stretch, shear], [0, 1 - stretch]])
    shake = float(rng.uniform(0.008, 0.024))

    def draw(stroke: Stroke) -> Stroke:
        knots = max(3, len(stroke) // 7)
        at = np.linspace(0, knots - 1, len(stroke))
        wobble = np.column_stack([np.interp(at, np.arange(knots), rng.normal(0, shake, knots)) for _ in range(2)])
        return np.asarray((stroke + wobble + rng.normal(0, shake, 2)) @ linear.T)

    return draw


def _pull(ink: NDArray[np.uint8], points: Stroke, weight: float, rng: np.random.Generator) -> None:
    """One stroke of a pen whose line swells and thins."""
    pressure = np.interp(np.linspace(0, 4, len(points)), np.arange(5), rng.uniform(0.7, 1.25, 5))
    fixed = _fixed(points)
    for (a, b), press in zip(pairwise(fixed), pressure, strict=False):
        cv2.line(ink, a.tolist(), b.tolist(), 255, max(1, round(weight * press)), cv2.LINE_AA, 4)


def _fixed(points: Stroke) -> NDArray[np.int32]:
    return np.round(points * 16).astype(np.int32)


def _photographed(page: NDArray[np.float64], rng: np.random.Generator) -> Rgb:
    """The page under a lamp to one side, slightly soft and grainy."""
    height, width = page.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    lamp = rng.uniform(-0.4, 1.4, 2) * (width, height)
    away = np.hypot(x - lamp[0], y - lamp[1]) / max(width, height)
    light = 1 - float(rng.uniform(0.1, 0.35)) * away + 0.08 * (smooth_noise(rng, (height, width), 2) - 0.5)
    lit = page * light[..., None] * rng.uniform(0.95, 1.0, 3)
    soft = cv2.GaussianBlur(lit, (0, 0), float(rng.uniform(0.5, 1.2)))
    return np.asarray(np.clip(soft + 2.0 * grain(rng, (height, width))[..., None], 0, 255), np.uint8)
