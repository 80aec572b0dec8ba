"""The painter's styles: a figure's layers and what is known of the patch give colours and how much they cover."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.blending import blurred
from amogus_search.converters.layers import Layers, Plane
from amogus_search.converters.patch import Surroundings, luminance
from amogus_search.converters.strokes import crescent, line_at, moved, outline, ring, shifted

Rgb = NDArray[np.float32]
"""(h, w, 3) float32, 0..255."""

GLASS = np.array([150, 205, 226], np.float32)
"""RGB of a visor in full light."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What a style paints, and on what.

    ground:   (h, w, 3) float32 0..255, the patch at painting size
    layers:   of the figure
    patch:    what the patch tells
    colour:   (3,) RGB of the body
    strength: 0..1: how little of the ground shows through
    rng:      for what a seed may change
    """

    ground: Rgb
    layers: Layers
    patch: Surroundings
    colour: NDArray[np.float32]
    strength: float
    rng: np.random.Generator


@dataclass(frozen=True, eq=False)
class Painted:
    """A style's answer.

    paint:  (h, w, 3) float32 0..255
    alpha:  (h, w) how much of it covers the ground
    ground: the ground with what the figure does to it: its shadow, its glow
    levels: of the blending: 0 for a crisp edge
    """

    paint: Rgb
    alpha: Plane
    ground: Rgb
    levels: int = 1


Style: TypeAlias = Callable[[Scene], Painted]


def shaded(scene: Scene) -> Painted:
    """As if it stood there: lit from where the light comes, with the ground's texture on it and its shadow below."""
    one, patch = scene.layers, scene.patch
    light = _lambert(one, patch.light)
    unevenness = _large_scale(scene)
    body = scene.colour * patch.tint ** np.float32(0.35)
    paint = body * (light * unevenness * _texture(scene))[..., None]
    paint = _rimmed(paint, one, 0.55, 0.012)
    paint += 255 * (0.16 * patch.exposure * _gloss(one, patch.light))[..., None]
    paint = _pack_behind(paint, one)
    paint = _over(paint, _visor(scene, light), one.visor)
    paint = _visor_frame(paint, one, 0.35)
    paint = _over(paint, np.full_like(paint, 245 * patch.exposure + 8), 0.8 * one.glint)
    return Painted(paint, one.shape, _with_shadow(scene))


def flat(scene: Scene) -> Painted:
    """As in the game: two tones and a black line."""
    one = scene.layers
    line = outline(one, 0.030)
    shade = scene.colour * np.array([0.62, 0.55, 0.66], np.float32)
    paint = _over(np.broadcast_to(scene.colour, scene.ground.shape).astype(np.float32), shade, crescent(one))
    paint = _over(paint, np.array([62, 96, 112], np.float32), one.visor)
    lit = moved(one.visor, one, 0.012, -0.014) * one.visor
    paint = _over(paint, np.array([149, 202, 220], np.float32), blurred(lit, 0.6))
    paint = _over(paint, np.array([255, 255, 255], np.float32), one.glint)
    paint = _over(paint, np.array([12, 12, 16], np.float32), line)
    alpha = np.maximum(one.shape, line)
    return Painted(paint * (0.35 + 0.65 * scene.patch.exposure), alpha, _with_shadow(scene), levels=0)


def ghost(scene: Scene) -> Painted:
    """A pale one that one can see through, brighter at its edges, and that fades towards its feet."""
    one = scene.layers
    soft = blurred(scene.ground, max(0.8, 0.02 * one.unit))
    glow = np.exp(-one.edge / (0.05 * one.unit))[..., None]
    pale = 0.35 * scene.colour + 0.65 * 235 * scene.patch.tint
    paint = soft * 0.5 + pale * (0.42 + 0.35 * glow)
    paint = _over(paint, soft * 0.35 + np.array([20, 28, 40], np.float32), 0.75 * one.visor)
    paint = _over(paint, np.full_like(paint, 250), 0.7 * one.glint)
    alpha = one.shape * (0.45 + 0.55 * np.clip(_height(one) * 2.2, 0, 1)) * 0.9
    halo = blurred(one.shape, 0.05 * one.unit) * 0.3
    ground = scene.ground + (245 - scene.ground) * (halo * (1 - one.shape))[..., None]
    return Painted(np.clip(paint, 0, 255), alpha.astype(np.float32), ground)


def stone(scene: Scene) -> Painted:
    """Carved out of what is there: its own stuff, in relief."""
    one, patch = scene.layers, scene.patch
    stuff = blurred(scene.ground, 0.12 * one.unit)
    mean = stuff[one.shape > 0.5].mean(axis=0) if (one.shape > 0.5).any() else scene.colour
    base = 0.5 * mean + 0.5 * luminance(mean[None])[0] * np.array([1.0, 0.98, 0.94], np.float32)
    rough = _rough(scene, 0.016) + 0.8 * _rough(scene, 0.006)
    light = _lambert(one, patch.light, ambient=0.42)
    paint = base * (light * _texture(scene, 1.0) * (1 + 0.06 * rough))[..., None] * 1.12
    paint = _rimmed(paint, one, 0.45, 0.012)
    paint = _pack_behind(paint, one)
    hollow = blurred(one.visor, 0.012 * one.unit)
    fall = _height(one, one.visor)[..., None]
    paint = _over(paint, paint * (0.35 + 0.25 * fall), hollow)
    return Painted(paint, one.shape, _with_shadow(scene))


def neon(scene: Scene) -> Painted:
    """A sign of glass tubes; what is around lies in its light."""
    one = scene.layers
    colour = scene.colour / max(float(scene.colour.max()), 1) * 255
    tube = np.maximum(line_at(one.edge, 0.025 * one.unit, 0.012 * one.unit) * one.shape, ring(one.visor, one, 0.012))
    core = blurred(tube, max(0.5, 0.005 * one.unit))
    glow = sum(blurred(tube, size * one.unit) * gain for size, gain in ((0.03, 1.3), (0.1, 1.6)))
    dimmed = scene.ground * (1 - 0.72 * one.shape[..., None])
    light = np.asarray(glow, np.float32)[..., None] * colour
    paint = dimmed + light + 255 * np.clip(core * 1.1, 0, 1)[..., None] * (0.45 + 0.55 * colour / 255)
    ground = scene.ground * 0.92 + light * 0.8
    return Painted(np.clip(paint, 0, 255), one.shape, np.clip(ground, 0, 255), levels=0)


def pencil(scene: Scene) -> Painted:
    """Drawn with a pencil on what is there: wavering lines, and hatching where no light falls."""
    one, patch = scene.layers, scene.patch
    waver = _bent(scene)
    line = np.maximum(waver(outline(one, 0.016)), waver(ring(one.visor, one, 0.012)))
    line = line * np.clip(0.75 + 0.3 * _rough(scene, 0.02), 0.3, 1)
    dark = np.clip(1.05 - _lambert(one, patch.light), 0, 1) * one.shape
    hatching = _hatching(scene) * np.clip(dark * 1.7, 0, 0.75) * (1 - one.visor)
    glass = (0.25 + 0.5 * _hatching(scene, -1.0)) * one.visor * (1 - one.glint)
    grain = np.clip(0.85 + 0.25 * scene.rng.standard_normal(one.shape.shape).astype(np.float32), 0, 1)
    paper = blurred(scene.ground, max(1.0, 0.08 * one.unit))
    lightest = np.maximum(paper, np.percentile(scene.ground, 80, axis=(0, 1)).astype(np.float32) * 0.97)
    ink = np.clip(np.maximum(np.maximum(line, hatching), glass) * grain, 0, 1)
    graphite = np.array([58, 58, 62], np.float32) * (0.5 + 0.5 * patch.exposure)
    tone = _tinted(lightest, scene.colour) if patch.coloured else lightest
    paint = _over(_over(scene.ground, tone, 0.92 * one.shape), graphite, ink)
    return Painted(paint, np.maximum(one.shape, line), scene.ground, levels=0)


STYLES: Mapping[str, Style] = MappingProxyType(
    {"shaded": shaded, "flat": flat, "ghost": ghost, "stone": stone, "neon": neon, "pencil": pencil}
)
"""By name; `pixel` and `auto` besides, which `paint` sees to."""


def _over(below: Rgb, above: NDArray[np.float32], share: Plane) -> Rgb:
    return np.asarray(below + share[..., None] * (above - below), np.float32)


def _lambert(one: Layers, light: NDArray[np.float32], ambient: float = 0.5) -> Plane:
    """Brightness of the form, around 1 where it faces the viewer."""
    toward = np.array([light[0], light[1], 0.85])
    toward = toward / np.linalg.norm(toward)
    facing = np.sqrt(np.clip(1 - (one.normal**2).sum(axis=2), 0, 1))
    direct = one.normal[..., 0] * toward[0] + one.normal[..., 1] * toward[1] + facing * toward[2]
    flat_on = ambient + (1 - ambient) * toward[2]
    return np.asarray((ambient + (1 - ambient) * np.clip(direct, 0, 1)) / flat_on, np.float32)


def _gloss(one: Layers, light: NDArray[np.float32]) -> Plane:
    """A soft highlight where the form mirrors the light."""
    half = np.array([light[0], light[1], 1.6])
    half = half / np.linalg.norm(half)
    facing = np.sqrt(np.clip(1 - (one.normal**2).sum(axis=2), 0, 1))
    mirrored = one.normal[..., 0] * half[0] + one.normal[..., 1] * half[1] + facing * half[2]
    return np.asarray(np.clip(mirrored, 0, 1) ** 24 * one.body * (1 - one.visor), np.float32)


def _large_scale(scene: Scene) -> Plane:
    """How the ground's own light and shadow vary across the figure, as factors."""
    one = scene.layers
    grey = blurred(luminance(scene.ground), max(1.0, 0.16 * one.unit))
    mean = float(grey[one.shape > 0.5].mean()) if (one.shape > 0.5).any() else 128.0
    return np.asarray(np.clip((grey + 20) / (mean + 20), 0.6, 1.5) ** 0.6, np.float32)


def _texture(scene: Scene, keep: float | None = None) -> Plane:
    """The ground's fine structure, as factors; the less of it, the stronger the conversion."""
    share = 1.2 * (1 - scene.strength) + 0.02 if keep is None else keep
    grey = luminance(scene.ground)
    coarse = blurred(grey, max(1.0, 0.035 * scene.layers.unit))
    detail = np.clip((grey + 16) / (coarse + 16), 0.55, 1.6)
    return np.asarray(detail**share, np.float32)


def _rimmed(paint: Rgb, one: Layers, darkest: float, width: float) -> Rgb:
    """Darker at the very edge, where a form turns away."""
    rim = np.exp(-((one.edge / max(width * one.unit, 0.7)) ** 1.2)) * one.shape
    return np.asarray(paint * (1 - (1 - darkest) * rim[..., None]), np.float32)


def _pack_behind(paint: Rgb, one: Layers) -> Rgb:
    """The backpack a little darker, and darkest beside the body that stands before it."""
    near = blurred(one.body, max(0.6, 0.03 * one.unit))
    dark = 0.88 - 0.45 * np.clip(near * 1.2, 0, 1)
    return _over(paint, paint * dark[..., None], one.pack)


def _visor(scene: Scene, light: Plane) -> Rgb:
    """Glass: sky above, dark below, and what stands before it, mirrored and blurred."""
    one, patch = scene.layers, scene.patch
    up = _height(one, one.visor)[..., None]
    glass = GLASS * patch.tint ** np.float32(0.5) * (0.25 + 0.75 * patch.exposure)
    glass = glass * (0.42 + 0.72 * up)
    mirrored = blurred(scene.ground[:, ::-1], max(0.8, 0.02 * one.unit))
    return np.asarray((0.8 * glass + 0.25 * mirrored) * np.clip(light, 0.7, 1.2)[..., None], np.float32)


def _visor_frame(paint: Rgb, one: Layers, darkest: float) -> Rgb:
    frame = blurred(ring(one.visor, one, 0.014), max(0.5, 0.003 * one.unit))
    return _over(paint, paint * darkest, np.clip(frame, 0, 1))


def _with_shadow(scene: Scene) -> Rgb:
    """The ground with the figure's shadow at its feet, and darkness between its legs where the body filled them."""
    one, patch = scene.layers, scene.patch
    down = -one.up
    feet = one.shape * np.clip(1 - _height(one) * 7, 0, 1)
    shift = down * 0.015 * one.unit - np.array([patch.light[0], 0]) * 0.04 * one.unit
    shadow = blurred(shifted(feet, shift), max(0.7, 0.022 * one.unit))
    ground = scene.ground * (1 - 0.5 * np.clip(shadow * 1.6, 0, 1) * (1 - one.shape))[..., None]
    if not patch.solid:
        return np.asarray(ground, np.float32)
    gap = blurred(one.between, max(0.5, 0.006 * one.unit))
    return _over(np.asarray(ground, np.float32), ground * 0.3, gap)


def _height(one: Layers, part: Plane | None = None) -> Plane:
    """0 at the lowest point of a part (or of the whole figure) to 1 at its highest, along the figure's axis."""
    rows, columns = np.indices(one.shape.shape, np.float32)
    along: Plane = np.asarray(columns * float(one.up[0]) + rows * float(one.up[1]), np.float32)
    inside = (one.shape if part is None else part) > 0.3
    if not inside.any():
        return np.ones_like(along)
    low, high = float(along[inside].min()), float(along[inside].max())
    return np.asarray(np.clip((along - low) / max(high - low, 1e-3), 0, 1), np.float32)


def _rough(scene: Scene, size: float) -> Plane:
    """Smooth noise with bumps of a share of the figure's height, mean 0, deviation 1."""
    noise = scene.rng.standard_normal(scene.layers.shape.shape).astype(np.float32)
    smooth = blurred(noise, max(0.8, size * scene.layers.unit))
    return np.asarray((smooth - smooth.mean()) / max(float(smooth.std()), 1e-6), np.float32)


def _bent(scene: Scene) -> Callable[[Plane], Plane]:
    """Warps a layer as an unsure hand would."""
    rows, columns = np.indices(scene.layers.shape.shape, np.float32)
    reach = np.float32(0.008 * scene.layers.unit)
    x, y = columns + reach * _rough(scene, 0.09), rows + reach * _rough(scene, 0.09)
    return lambda layer: np.asarray(cv2.remap(layer, x, y, cv2.INTER_LINEAR), np.float32)


def _hatching(scene: Scene, slope: float = 1.0) -> Plane:
    """Parallel strokes, 0..1, unevenly pressed."""
    rows, columns = np.indices(scene.layers.shape.shape, np.float32)
    spacing = max(2.5, 0.026 * scene.layers.unit)
    phase = (columns * slope + rows + 0.35 * spacing * _rough(scene, 0.08)) / spacing
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * phase / np.sqrt(2))
    return np.asarray(np.clip(wave * 1.9 - 0.75, 0, 1), np.float32)


def _tinted(paper: Rgb, colour: NDArray[np.float32]) -> Rgb:
    """The paper with a thin wash of a colour."""
    return np.asarray(paper * (0.45 + 0.55 * colour / max(float(colour.max()), 1)), np.float32)
