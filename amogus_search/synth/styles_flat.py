"""Flat styles: areas of even colour, with or without lines. Each is (parts, palette, rng) -> Layer."""

import numpy as np

from amogus_search.synth import brush
from amogus_search.synth.brush import Image32
from amogus_search.synth.noise import smooth_noise
from amogus_search.synth.palette import Colour, Palette, random_colour, random_grey, scaled
from amogus_search.synth.sprite import Layer, Mask, Parts


def base_coat(parts: Parts, palette: Palette, pack_shaded: bool = True) -> Image32:
    """All parts in their plain colours, (h, w, 3) float32; the ground around them in the body's colour."""
    image = brush.blank(parts.size_hw, palette.body)
    brush.paint(image, parts.backpack, palette.shade if pack_shaded else palette.body)
    brush.paint(image, parts.body, palette.body)
    brush.paint(image, parts.hat, palette.hat)
    brush.paint(image, parts.visor, palette.visor)
    return image


def flat(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Plain areas, sometimes with a glint on the visor."""
    image = base_coat(parts, palette, bool(rng.random() < 0.6))
    if rng.random() < 0.5:
        brush.paint(image, parts.glint, palette.glint)
    return brush.layer(image, parts.shape)


def shaded_side(mask: Mask, parts: Parts, amount: float) -> Mask:
    """The part of a mask away from a light above the front."""
    lit = brush.shifted(mask, parts.front * 0.8 * amount * parts.unit, -amount * parts.unit)
    return np.asarray(np.minimum(mask, 255 - lit), np.uint8)


def outlined(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """The game's look: thick dark lines, a two-tone body, a visor with shade and highlight."""
    line = parts.unit * float(rng.uniform(0.018, 0.04))
    shade = float(rng.uniform(0.06, 0.14))
    image = brush.blank(parts.size_hw, palette.outline)
    for mask, light, dark in (
        (parts.backpack, palette.body, palette.shade),
        (parts.body, palette.body, palette.shade),
        (parts.visor, palette.visor, palette.visor_shade),
        (parts.hat, palette.hat, scaled(palette.hat, 0.7)),
    ):
        brush.paint(image, brush.grow(mask, line), palette.outline)
        brush.paint(image, mask, light)
        brush.paint(image, shaded_side(mask, parts, shade if mask is not parts.visor else shade * 0.4), dark)
    brush.paint(image, parts.glint, palette.glint)
    return brush.layer(image, brush.grow(parts.shape, line))


def cel(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Two or three hard tones without lines."""
    image = base_coat(parts, palette)
    both = brush.union(parts.body, parts.backpack)
    brush.paint(image, np.minimum(shaded_side(both, parts, 0.1), 255 - parts.visor), palette.shade)
    if rng.random() < 0.5:
        brush.paint(image, shaded_side(both, parts, 0.04), scaled(palette.shade, 0.7))
    brush.paint(image, parts.visor, palette.visor)
    brush.paint(image, shaded_side(parts.visor, parts, 0.04), palette.visor_shade)
    brush.paint(image, parts.glint, palette.glint)
    return brush.layer(image, parts.shape)


def silhouette(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """One tone; the visor is a hole or a second tone, and only missing where a backpack tells the shape."""
    tone: Colour = random_grey(rng, 0, 40) if rng.random() < 0.6 else random_grey(rng, 215, 255)
    tone = random_colour(rng) if rng.random() < 0.2 else tone
    image = brush.blank(parts.size_hw, tone)
    alpha = parts.shape
    draw = rng.random()
    if draw < 0.55 or not parts.backpack.any():
        alpha = np.asarray(np.minimum(alpha, 255 - parts.visor), np.uint8)
    elif draw < 0.85:
        brush.paint(image, parts.visor, random_grey(rng, 90, 170))
    return brush.layer(image, alpha, parts.shape)


def sticker(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Flat or outlined with a pale border, like a cut-out."""
    inner = outlined(parts, palette, rng) if rng.random() < 0.6 else flat(parts, palette, rng)
    width = parts.unit * float(rng.uniform(0.03, 0.08))
    border = brush.grow(inner.shape, width)
    image = brush.blank(parts.size_hw, random_grey(rng, 225, 255) if rng.random() < 0.8 else random_colour(rng))
    brush.paint(image, inner.shape, inner.rgba[..., :3].astype(np.float32))
    return brush.layer(image, border)


def gradient(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Smooth emoji-like gradients with a glossy visor."""
    image = base_coat(parts, palette)
    height, width = parts.size_hw
    ramp = np.linspace(1.25, 0.65, height, dtype=np.float32)[:, None] * np.ones((1, width), np.float32)
    if rng.random() < 0.4:
        ramp = ramp * np.linspace(0.8, 1.2, width, dtype=np.float32)[:: parts.front]
    image *= ramp[..., None]
    gloss = np.minimum(
        brush.shrink(parts.torso, parts.unit * 0.05), 255 - brush.shifted(parts.torso, 0, parts.unit * 0.16)
    )
    brush.paint(image, np.minimum(gloss, 255 - parts.visor), (255, 255, 255), 0.35)
    brush.paint(image, parts.glint, palette.glint, 0.9)
    return brush.layer(image, parts.shape)


def lineart(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Only lines; the inside is bare or faintly tinted."""
    line = max(0.8, parts.unit * float(rng.uniform(0.008, 0.03)))
    colour = palette.outline if rng.random() < 0.6 else random_colour(rng)
    colour = random_grey(rng, 220, 255) if rng.random() < 0.2 else colour
    pack = np.minimum(brush.rim(parts.backpack, line), 255 - brush.shrink(parts.body, line))
    lines = brush.union(pack, brush.rim(parts.body, line), brush.rim(parts.hat, line))
    lines = np.maximum(np.minimum(lines, 255 - parts.visor), brush.rim(parts.visor, line))
    fill = float(rng.uniform(0.0, 0.5)) if rng.random() < 0.35 else 0.0
    image = base_coat(parts, palette) if fill else brush.blank(parts.size_hw, colour)
    brush.paint(image, np.asarray(lines, np.uint8), colour)
    alpha = np.maximum(lines.astype(np.float32), parts.shape * np.float32(fill))
    return Layer(brush.to_rgba(image, alpha), brush.grow(parts.shape, line))


def neon(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Glowing tubes along the lines, added to the ground."""
    line = max(1.0, parts.unit * float(rng.uniform(0.012, 0.025)))
    tubes = brush.blank(parts.size_hw)
    colour = scaled(random_colour(rng), 1.4) if rng.random() < 0.5 else scaled(palette.body, 1.8)
    outer = np.minimum(brush.rim(brush.union(parts.body, parts.backpack, parts.hat), line), 255 - parts.visor)
    brush.paint(tubes, np.asarray(outer, np.uint8), colour)
    brush.paint(tubes, brush.rim(parts.visor, line), scaled(palette.visor, 1.3))
    glow = tubes + brush.blur(tubes, parts.unit * 0.035) * 1.5
    glow += (brush.blur(outer, line * 0.5) * (outer > 0))[..., None] * 0.4
    return Layer(brush.to_rgba(glow, np.full(parts.size_hw, 255, np.uint8)), brush.grow(parts.shape, line), "screen")


def gloss_noise(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """A flat painting whose colours vary softly, like a washed print."""
    coat = flat(parts, palette, rng)
    field = smooth_noise(rng, parts.size_hw, float(rng.uniform(3, 12)))
    image = coat.rgba[..., :3] * (0.7 + 0.6 * field[..., None])
    return brush.layer(image.astype(np.float32), coat.shape)
