"""Camouflaged styles: the figure is made of the ground, or of another. Each is (parts, palette, rng) -> Layer."""

import cv2
import numpy as np

from amogus_search.synth import brush
from amogus_search.synth.backgrounds import random_ground
from amogus_search.synth.brush import Image32
from amogus_search.synth.noise import fractal_noise
from amogus_search.synth.palette import Palette, random_colour, random_grey
from amogus_search.synth.sprite import Layer, Parts, Texture
from amogus_search.synth.styles_shaded import lit, normals, relief


def tinted(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """A wash over the ground, whose texture stays visible; the visor is washed otherwise."""
    multiply = bool(rng.random() < 0.5)
    neutral = 255.0 if multiply else 0.0
    strength = float(rng.uniform(0.3, 0.75))
    wash = np.array(palette.body if rng.random() < 0.6 else random_grey(rng), np.float32)
    image = brush.blank(parts.size_hw, (0, 0, 0)) + neutral + (wash - neutral) * strength
    if rng.random() < 0.8:
        visor = 255 - wash if rng.random() < 0.5 else np.full(3, neutral, np.float32)
        brush.paint(image, parts.visor, visor, float(rng.uniform(0.6, 1.0)))
    soft = brush.blur(parts.shape, parts.unit * float(rng.uniform(0, 0.02)))
    return Layer(brush.to_rgba(image, soft), parts.shape, "multiply" if multiply else "screen")


def cloud(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Smoke, nebula, stain: soft ragged borders, uneven density."""
    field = fractal_noise(rng, parts.size_hw, float(rng.uniform(4, 9)), 4)
    image = brush.blank(parts.size_hw, random_colour(rng) if rng.random() < 0.5 else random_grey(rng, 150, 255))
    brush.paint(image, parts.visor, random_grey(rng, 0, 90) if rng.random() < 0.6 else random_colour(rng))
    image = brush.blur(image, parts.unit * 0.012) * (0.7 + 0.6 * field)[..., None]
    solid = parts.shape.astype(np.float32)
    alpha = np.clip((brush.blur(solid, parts.unit * 0.02) / 255 - 0.55 + 0.7 * (field - 0.4)) * 4, 0, 1)
    return Layer(brush.to_rgba(image.astype(np.float32), alpha * 255 * float(rng.uniform(0.6, 0.95))), parts.shape)


def textured(parts: Parts, palette: Palette, rng: np.random.Generator, texture: Texture | None = None) -> Layer:
    """Body and visor cut from two different grounds, flat or rounded by light."""
    body, visor = (_patch(parts, rng, texture) for _ in range(2))
    body = body.mean((0, 1)) + (body - body.mean((0, 1))) * np.float32(rng.uniform(0.2, 0.8))
    visor = visor.mean((0, 1)) + (visor - visor.mean((0, 1))) * np.float32(rng.uniform(0.1, 0.6))
    # a visor no brighter or darker than the body's own pattern would not be seen
    gap, needed = float(visor.mean() - body.mean()), max(60.0, 1.3 * float(body.std()))
    if abs(gap) < needed:
        visor = visor + (needed if body.mean() < 128 else -needed) - gap
    if rng.random() < 0.35:
        body = body * 0.5 + np.array(palette.body, np.float32) * 0.5
    image = body.copy()
    brush.paint(image, np.minimum(parts.backpack, 255 - parts.body), (body * 0.75).astype(np.float32))
    brush.paint(image, parts.visor, visor.astype(np.float32))
    if rng.random() < 0.7:
        image = lit(image, normals(relief(parts, float(rng.uniform(0.08, 0.2)))), rng, 0.1)
    return brush.layer(image.astype(np.float32), parts.shape)


def _patch(parts: Parts, rng: np.random.Generator, texture: Texture | None) -> Image32:
    """A ground of the parts' size, from the given picture half of the time."""
    height, width = parts.size_hw
    if texture is None or rng.random() < 0.5:
        return random_ground(rng, (width, height)).astype(np.float32)
    side = int(rng.integers(8, max(9, min(texture.shape[:2]) // 2)))
    y = int(rng.integers(0, texture.shape[0] - side + 1))
    x = int(rng.integers(0, texture.shape[1] - side + 1))
    return np.asarray(cv2.resize(texture[y : y + side, x : x + side], (width, height)), np.float32)
