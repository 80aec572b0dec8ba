"""Looks of things that nobody painted: turned bodies, glowing gas, ice. Each is (parts, palette, rng) -> Layer."""

import numpy as np

from amogus_search.synth import brush
from amogus_search.synth.brush import Image32
from amogus_search.synth.noise import Field, fractal_noise, grain, smooth_noise
from amogus_search.synth.palette import Palette, random_grey, scaled
from amogus_search.synth.sprite import Layer, Mask, Parts
from amogus_search.synth.styles_shaded import bulge, lit, normals, relief


def turned(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """A bin, a post, a canister: round about its axis, lit from one side, its slot a dark hollow or a pale panel."""
    coat = palette.body if rng.random() < 0.6 else random_grey(rng, 40, 230)
    image = brush.blank(parts.size_hw, coat)
    brush.paint(image, brush.without(parts.backpack, parts.body), scaled(coat, float(rng.uniform(0.5, 1.1))))
    brush.paint(image, brush.without(parts.legs, parts.torso), scaled(coat, float(rng.uniform(0.2, 1.0))))
    brush.paint(image, parts.hat, palette.hat)
    image *= _round_about(parts.torso, rng)[..., None]
    _seams(image, parts, rng)
    hollow = rng.random() < 0.6
    slot = random_grey(rng, 0, 45) if hollow else palette.visor
    brush.paint(image, parts.visor, slot)
    _lip(image, parts, 1 if hollow else -1, float(rng.uniform(15, 70)))
    worn = 1 + (fractal_noise(rng, parts.size_hw, 9, 3) - 0.5) * float(rng.uniform(0.05, 0.5))
    image *= (worn * (1 + 0.02 * grain(rng, parts.size_hw)))[..., None]
    return brush.layer(_towards_the_ground(image, rng), parts.shape)


def _round_about(mask: Mask, rng: np.random.Generator) -> Field:
    """Brightness (h, w) of a cylinder as wide as each row of the mask; 1 outside it."""
    inside = mask > 127
    columns = np.arange(mask.shape[1], dtype=np.float32)[None]
    count = np.maximum(inside.sum(1, keepdims=True), 1)
    middle = (inside * columns).sum(1, keepdims=True) / count
    across = np.clip((columns - middle) / (count / 2), -1, 1)
    turn = float(rng.uniform(-0.8, 0.8))
    facing = np.clip(np.cos(np.arcsin(across) - turn), 0, 1)
    ambient = float(rng.uniform(0.25, 0.6))
    return np.where(inside, ambient + (1.2 - ambient) * facing, 1).astype(np.float32)


def _seams(image: Image32, parts: Parts, rng: np.random.Generator) -> None:
    """A few level grooves or bands, as of lids and hoops."""
    rows = np.flatnonzero((parts.torso > 127).any(1))
    for _ in range(int(rng.integers(0, 4))):
        y = int(rng.choice(rows))
        width = max(1, round(parts.unit * float(rng.uniform(0.006, 0.03))))
        band = np.zeros(parts.size_hw, np.uint8)
        band[y : y + width] = parts.torso[y : y + width]
        brush.paint(image, band, random_grey(rng, 0, 255), float(rng.uniform(0.2, 0.6)))


def _lip(image: Image32, parts: Parts, side: int, strength: float) -> None:
    """Shade along the upper border of the slot and light along the lower one (or the other way for side -1)."""
    depth = parts.unit * 0.012
    lower = np.minimum(brush.shifted(parts.visor, 0, depth), 255 - parts.visor).astype(np.float32) / 255
    upper = np.minimum(brush.shifted(parts.visor, 0, -depth), 255 - parts.visor).astype(np.float32) / 255
    image += (side * strength * (lower - upper))[..., None]


def _towards_the_ground(image: Image32, rng: np.random.Generator) -> Image32:
    ramp = np.linspace(float(rng.uniform(0.9, 1.15)), float(rng.uniform(0.5, 1.0)), len(image), dtype=np.float32)
    return np.asarray(image * ramp[:, None, None], np.float32)


def glow(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Gas, light, coffee foam: added to the ground, thick and thin in wisps, its visor a gap or a core."""
    soft = parts.unit * float(rng.uniform(0.012, 0.045))
    dense = brush.blur(parts.shape, soft) / 255 * (0.35 + 0.65 * brush.blur(parts.torso, parts.unit * 0.08) / 255)
    wisps = fractal_noise(rng, parts.size_hw, float(rng.uniform(3, 8)), 5)
    light = dense * (0.35 + float(rng.uniform(0.5, 1.1)) * wisps)
    colour = np.array(palette.body if rng.random() < 0.7 else random_grey(rng, 150, 255), np.float32)
    other = np.array(palette.hat, np.float32)
    drift = smooth_noise(rng, parts.size_hw, 2)[..., None] * float(rng.uniform(0, 0.8))
    image = (colour + (other - colour) * drift) * light[..., None]
    visor = brush.blur(parts.visor, soft * 0.7) / 255
    if rng.random() < 0.65:
        image *= (1 - float(rng.uniform(0.75, 1.0)) * visor)[..., None]
    else:
        image += (visor * float(rng.uniform(90, 220)))[..., None]
    alpha = np.full(parts.size_hw, 255, np.float32) * float(rng.uniform(0.75, 1.0))
    return Layer(brush.to_rgba(np.clip(image, 0, 255).astype(np.float32), alpha), parts.shape, "screen")


def ice(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Ice, glass, water drops: what lies behind shows through, borders and bulges catch the light."""
    height = relief(parts, float(rng.uniform(0.06, 0.16)))
    height += fractal_noise(rng, parts.size_hw, float(rng.uniform(4, 10)), 3) * parts.unit * float(rng.uniform(0, 0.03))
    height -= bulge(parts.visor, parts.unit * 0.06) * float(rng.uniform(0.8, 2.0))
    level = brush.blank(parts.size_hw, (128, 128, 128)) * float(rng.uniform(0.9, 1.08))
    image = lit(level, normals(height), rng, float(rng.uniform(0.2, 0.8)))
    tint = np.array(palette.body, np.float32) - 128
    image += tint * float(rng.uniform(0, 0.25))
    visor = (parts.visor.astype(np.float32) / 255) * float(rng.choice([-1, 1])) * float(rng.uniform(15, 70))
    return Layer(brush.to_rgba((image + visor[..., None]).astype(np.float32), parts.shape), parts.shape, "relief")
