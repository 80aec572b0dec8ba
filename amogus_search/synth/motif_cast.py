"""A motif that was drawn, playing in the renderer's scenes: as drawn, or painted in any of its styles.

Its distractors are what else may be drawn: other things, crewmates, strokes of the same pen, and the drawing itself
cut up and put together wrongly, which has every line of the motif and not its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth import brush
from amogus_search.synth.cast import Cast, amogus, no_amogus
from amogus_search.synth.cutout import Cutout
from amogus_search.synth.palette import random_colour, random_grey, random_palette
from amogus_search.synth.sprite import Layer, Mask, Parts, Rgb, Rgba, Sprite, SpriteAttributes
from amogus_search.synth.styles import PAINTERS, paint_parts, trimmed, working_height
from amogus_search.synth.tiers import draw_style

_MARGIN = 0.14
"""Room around the figure for outlines and glow, as a share of its longer side."""
_LEAST_LINE_PX = 1.2
"""Strokes thinner than this in the scene would not be seen; they are drawn bolder."""
_THIN, _BOLDEST = 0.06, 0.025
"""Strokes thinner than the first share of the longer side may be drawn bolder by up to the second, on each side."""
_SOLID = 0.06
"""Nooks narrower than twice this share of the longer side count as covered by the figure."""
_NO_POINTS = np.zeros((7, 3), np.float32)

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class _Enlarged:
    """A cut-out at the size it is painted in, with a margin; `grow_px` is how much bolder its strokes are."""

    rgba: Rgba
    shape: Mask
    detail: Mask
    unit: float
    grow_px: float


def motif_cast(cutouts: tuple[Cutout, ...], *, beside_amogi: bool = True) -> Cast:
    """The cast of scenes with a drawn motif.

    Args:
        cutouts: the drawings.
        beside_amogi: crewmates are distractors too, unless the motif is one itself.
    """

    def planted(rng: Rng, height_px: float, style: str, texture: Callable[[], Rgb]) -> Sprite:
        return paint_motif(cutouts[int(rng.integers(len(cutouts)))], rng, height_px, style, texture)

    def others(rng: Rng, height_px: float, texture: Rgb) -> Sprite:
        return _other(cutouts, beside_amogi, rng, height_px, texture)

    return Cast(planted, others)


def empty_cast(cast: Cast) -> Cast:
    """The same scenes without the motif: a distractor stands wherever it would."""
    return Cast(lambda rng, height_px, style, texture: cast.others(rng, height_px, texture()), cast.others)


def paint_motif(
    cutout: Cutout, rng: Rng, height_px: float, style: str, texture: Callable[[], Rgb] | None = None
) -> Sprite:
    """The drawing, its longer side `height_px` long, as drawn or in a style of the renderer's (see `styles.STYLES`)."""
    if style in PAINTERS and rng.random() < 0.6:
        palette, large = random_palette(rng), _enlarged(cutout, height_px, rng)
        layer = paint_parts(_parts(large), style, palette, rng, texture() if texture else None)
        return _sprite(layer, large, height_px, style, palette.name)
    rows = int(rng.integers(12, 30)) if style in ("pixel", "pixelated") or rng.random() < 0.06 else 0
    large = _enlarged(cutout, height_px, rng, least_line_px=0.8 * height_px / rows if rows else _LEAST_LINE_PX)
    layer = _as_drawn(large, rng)
    return _sprite(_pixelated(layer, rows) if rows else layer, large, height_px, "drawing", "drawn")


def _enlarged(cutout: Cutout, height_px: float, rng: Rng, least_line_px: float = _LEAST_LINE_PX) -> _Enlarged:
    unit = working_height(height_px)
    longest = max(cutout.shape.shape)
    scale = unit / longest
    size = tuple(max(1, round(side * scale)) for side in cutout.shape.shape[::-1])
    margin = int(_MARGIN * unit) + 1
    pads = ((margin, margin), (margin, margin))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    rgba = cv2.resize(cutout.rgba, size, interpolation=how)
    shape, detail = (np.pad(cv2.resize(m, size, interpolation=how), pads) for m in (cutout.shape, cutout.detail))
    missing = (least_line_px - cutout.line_px * height_px / longest) / 2 * unit / height_px
    # A thick solid figure only loses its shape when it is drawn bolder.
    most = _BOLDEST if cutout.line_px < _THIN * longest else _BOLDEST / 3
    bolder = float(rng.uniform(0, most)) * unit if rng.random() < 0.5 else 0.0
    colours, alpha = np.pad(rgba[..., :3], (*pads, (0, 0)), mode="edge"), np.pad(rgba[..., 3], pads)
    return _Enlarged(np.dstack([colours, alpha]), shape, detail, unit, max(0.0, missing) + bolder)


def _parts(large: _Enlarged) -> Parts:
    """The figure as the renderer's painters know one: a torso, with its details where a visor would be."""
    shape = brush.grow(large.shape, large.grow_px)
    detail = np.asarray(cv2.min(brush.grow(large.detail, large.grow_px), shape), np.uint8)
    nothing: Mask = np.zeros_like(shape)
    points = _NO_POINTS.copy()
    points[4, 1] = shape.shape[0]  # painters look up where the body begins and ends; nothing is visible
    return Parts(
        torso=shape,
        legs=nothing,
        visor=detail,
        glint=nothing,
        backpack=nothing,
        hat=nothing,
        body=shape,
        shape=shape,
        keypoints=points,
        unit=large.unit,
    )


def _as_drawn(large: _Enlarged, rng: Rng) -> Layer:
    """In its own colours, others, only the lines, a negative, or with the paper inside see-through."""
    shape = brush.grow(large.shape, large.grow_px)
    alpha = brush.grow(np.ascontiguousarray(large.rgba[..., 3]), large.grow_px)
    colours = _recoloured(np.ascontiguousarray(large.rgba[..., :3]), rng)
    ink = brush.grow(_ink(large), large.grow_px)
    draw = rng.random()
    if draw < 0.22:
        pen = random_grey(rng, 0, 60) if rng.random() < 0.5 else random_colour(rng)
        colours, alpha = np.full_like(colours, pen), ink
    elif draw < 0.4:
        veil = cv2.subtract(alpha, ink).astype(np.float32) * float(rng.uniform(0, 0.6))
        alpha = np.maximum(ink, veil).astype(np.uint8)
    return Layer(np.dstack([colours, alpha]), shape)


def _ink(large: _Enlarged) -> Mask:
    """What a pen would have drawn: the details if they run along the figure's border, else all but them."""
    border = cv2.subtract(large.shape, brush.shrink(large.shape, 2)) > 127
    lines = bool(border.any()) and float((large.detail[border] > 100).mean()) > 0.5
    return large.detail if lines else np.asarray(cv2.subtract(large.shape, large.detail), np.uint8)


def _recoloured(rgb: Rgb, rng: Rng) -> Rgb:
    """As it is, in another hue, in other light, or as a negative."""
    draw = rng.random()
    if draw < 0.35:
        return rgb
    if draw < 0.5:
        return 255 - rgb
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.int32)
    hsv[..., 0] = (hsv[..., 0] + int(rng.integers(0, 180))) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.5, 1.8) + rng.uniform(0, 90), 0, 255)
    hsv[..., 2] = np.clip(hsv[..., 2] * rng.uniform(0.6, 1.15) + rng.uniform(-20, 30), 0, 255)
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def _pixelated(layer: Layer, rows: int) -> Layer:
    height, width = layer.shape.shape
    small = (max(1, round(width * rows / height)), rows)
    rgba = cv2.resize(layer.rgba, small, interpolation=cv2.INTER_AREA)
    shape = cv2.resize(layer.shape, small, interpolation=cv2.INTER_AREA)
    rgba[..., 3] = np.where(rgba[..., 3] > 80, 255, 0)
    hard = np.where(shape > 80, 255, 0).astype(np.uint8)
    full = [cv2.resize(a, (width, height), interpolation=cv2.INTER_NEAREST) for a in (rgba, hard)]
    return Layer(np.asarray(full[0], np.uint8), np.asarray(full[1], np.uint8))


def _sprite(layer: Layer, large: _Enlarged, height_px: float, style: str, colour: str) -> Sprite:
    """The layer at its final size; its shape closed, so that a figure of strokes hides what lies between them."""
    side = 2 * max(1, round(_SOLID * large.unit)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    solid = np.asarray(cv2.morphologyEx(layer.shape, cv2.MORPH_CLOSE, kernel), np.uint8)
    attributes = SpriteAttributes(colour, style, False, None, "front", "motif")
    return trimmed(Layer(layer.rgba, solid, layer.blend), _NO_POINTS, height_px / large.unit, attributes)


def _other(cutouts: tuple[Cutout, ...], beside_amogi: bool, rng: Rng, height_px: float, texture: Rgb) -> Sprite:
    draw = rng.random()
    if draw < 0.12:
        return _cut_up(cutouts[int(rng.integers(len(cutouts)))], rng, height_px)
    if draw < 0.27:
        return _strokes(rng, height_px)
    if beside_amogi and draw < 0.55:
        return amogus(rng, height_px, draw_style(rng, "varied", height_px), lambda: texture)
    return no_amogus(rng, height_px, texture)


def _cut_up(cutout: Cutout, rng: Rng, height_px: float) -> Sprite:
    """The drawing in four pieces, each in another's place."""
    whole = _as_drawn(_enlarged(cutout, height_px, rng), rng)
    high, wide = (side // 2 * 2 for side in whole.shape.shape)
    h, w = high // 2, wide // 2
    places = [(y, x) for y in (0, h) for x in (0, w)]
    step = int(rng.integers(1, 4))
    rgba, shape = np.zeros((high, wide, 4), np.uint8), np.zeros((high, wide), np.uint8)
    for number, (y, x) in enumerate(places):
        from_y, from_x = places[(number + step) % 4]
        flip = -1 if rng.random() < 0.5 else 1
        rgba[y : y + h, x : x + w] = whole.rgba[from_y : from_y + h, from_x : from_x + w][::flip]
        shape[y : y + h, x : x + w] = whole.shape[from_y : from_y + h, from_x : from_x + w][::flip]
    attributes = SpriteAttributes("drawn", "cut up", False, None, "front", "distractor")
    return trimmed(Layer(rgba, shape), _NO_POINTS, height_px / working_height(height_px), attributes)


def _strokes(rng: Rng, height_px: float) -> Sprite:
    """A few curved strokes of a pen that mean nothing."""
    unit = working_height(height_px)
    side = int(unit * 1.3)
    ink: Mask = np.zeros((side, side), np.uint8)
    weight = max(1, round(max(unit * float(rng.uniform(0.012, 0.05)), _LEAST_LINE_PX * unit / height_px)))
    for _ in range(int(rng.integers(2, 8))):
        points = _curve(rng) * unit * 0.5 + side / 2
        closed = bool(rng.random() < 0.3)
        cv2.polylines(ink, [np.round(points * 16).astype(np.int32)], closed, 255, weight, cv2.LINE_AA, 4)
    colour = random_grey(rng, 0, 80) if rng.random() < 0.5 else random_colour(rng)
    attributes = SpriteAttributes("drawn", "strokes", False, None, "front", "distractor")
    layer = Layer(brush.to_rgba(brush.blank((side, side), colour), ink), ink)
    return trimmed(layer, _NO_POINTS, height_px / unit, attributes)


def _curve(rng: Rng) -> NDArray[np.float64]:
    """(n, 2) points of a stroke in -1..1 that bends evenly, or has corners."""
    if rng.random() < 0.35:
        return rng.uniform(-0.9, 0.9, (int(rng.integers(2, 6)), 2))
    count = 30
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(np.full(count, rng.normal(0, 0.15)) + rng.normal(0, 0.08, count))
    length = float(rng.uniform(0.3, 2.5)) / count
    steps = np.column_stack([np.cos(heading), np.sin(heading)]) * length
    return np.clip(rng.uniform(-0.6, 0.6, 2) + np.cumsum(steps, axis=0), -1, 1)
