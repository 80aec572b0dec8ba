"""Solid styles: heights from distance to the border, normals, a light. Each is (parts, palette, rng) -> Layer."""

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth import brush
from amogus_search.synth.brush import Image32
from amogus_search.synth.noise import Field, fractal_noise, grain, smooth_noise
from amogus_search.synth.palette import Palette, random_grey, scaled
from amogus_search.synth.sprite import Layer, Mask, Parts
from amogus_search.synth.styles_flat import base_coat


def bulge(mask: Mask, radius: float) -> Field:
    """Height (h, w) in pixels of a body inflated from the mask with rounded borders of this radius."""
    distance = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
    inside = np.clip(distance / radius, 0, 1)
    return np.asarray(radius * np.sqrt(np.maximum(1 - (1 - inside) ** 2, 0)), np.float32)


def normals(height: Field) -> NDArray[np.float32]:
    """Unit normals (h, w, 3) of a height field; z points at the viewer."""
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    stacked = np.dstack([-dx, -dy, np.ones_like(dx)])
    return np.asarray(stacked / np.linalg.norm(stacked, axis=2, keepdims=True), np.float32)


def random_light(rng: np.random.Generator) -> NDArray[np.float32]:
    """A unit vector towards a light, mostly from above."""
    light = np.array([rng.uniform(-0.9, 0.9), -rng.uniform(0.1, 1.0), rng.uniform(0.4, 1.3)], np.float32)
    return np.asarray(light / np.linalg.norm(light), np.float32)


def relief(parts: Parts, roundness: float) -> Field:
    """The height field of the whole figure: torso and legs round, backpack lower, visor bulging."""
    unit = parts.unit
    torso = bulge(parts.torso, unit * roundness)
    legs = bulge(parts.legs, unit * roundness * 0.55)
    pack = bulge(parts.backpack, unit * roundness * 0.5) * 0.8
    hat = bulge(parts.hat, unit * 0.08)
    height = brush.blur(np.maximum.reduce([torso, legs, pack, hat]), unit * 0.015)
    return height + bulge(parts.visor, unit * 0.05) * 0.7


def lit(image: Image32, normal: NDArray[np.float32], rng: np.random.Generator, gloss: float) -> Image32:
    """The image under a random light: diffuse, a rim of reflected light and a highlight."""
    light = random_light(rng)
    diffuse = np.clip(normal @ light, 0, 1)
    ambient = float(rng.uniform(0.35, 0.7))
    half = light + np.array([0, 0, 1], np.float32)
    shine = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** float(rng.uniform(12, 60))
    tone = ambient + (1.25 - ambient) * diffuse
    lighted = image * tone[..., None] + (255 * gloss * shine)[..., None]
    return np.asarray(lighted, np.float32)


def toy(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """A moulded plastic figure."""
    image = base_coat(parts, palette, pack_shaded=False)
    if rng.random() < 0.6:
        frame = brush.grow(parts.visor, parts.unit * float(rng.uniform(0.012, 0.035)))
        brush.paint(image, np.minimum(frame, parts.shape), random_grey(rng, 0, 40))
        brush.paint(image, parts.visor, palette.visor)
    if rng.random() < 0.5:
        brush.paint(image, parts.glint, palette.glint)
    normal = normals(relief(parts, float(rng.uniform(0.12, 0.26))))
    image = lit(image, normal, rng, float(rng.uniform(0.1, 0.7)))
    if rng.random() < 0.3:
        _waist_seam(image, parts, rng)
    _darken_seams(image, parts, rng)
    return brush.layer(_vertical_falloff(image, rng), parts.shape)


def _waist_seam(image: Image32, parts: Parts, rng: np.random.Generator) -> None:
    """The groove where the two halves of a moulded figure are joined."""
    head, crotch = parts.keypoints[0, 1], parts.keypoints[4, 1]
    y = int(head + (crotch - head) * float(rng.uniform(0.55, 0.85)))
    width = max(1, round(0.012 * parts.unit))
    groove = np.zeros(parts.size_hw, np.uint8)
    groove[y : y + width] = brush.without(parts.torso, parts.visor)[y : y + width]
    brush.paint(image, groove, (0, 0, 0), float(rng.uniform(0.25, 0.6)))


def _darken_seams(image: Image32, parts: Parts, rng: np.random.Generator) -> None:
    """Occlusion where backpack and body, or the two legs, meet."""
    seam = np.minimum(brush.rim(parts.torso, parts.unit * 0.012), np.maximum(parts.backpack, parts.legs))
    inner = np.minimum(seam, 255 - parts.visor).astype(np.float32)
    image *= 1 - (brush.blur(inner, parts.unit * 0.012) / 255 * float(rng.uniform(0.2, 0.7)))[..., None]


def _vertical_falloff(image: Image32, rng: np.random.Generator) -> Image32:
    """Darker (or brighter, on a white table) towards the ground."""
    ramp = np.linspace(1, float(rng.uniform(0.6, 1.1)), image.shape[0], dtype=np.float32)
    return np.asarray(image * ramp[:, None, None], np.float32)


def clay(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Kneaded: a lumpy surface without gloss."""
    lumps = fractal_noise(rng, parts.size_hw, float(rng.uniform(5, 14)), 3)
    height = relief(parts, float(rng.uniform(0.1, 0.2))) + lumps * parts.unit * float(rng.uniform(0.02, 0.07))
    image = base_coat(parts, palette, pack_shaded=False)
    return brush.layer(lit(image, normals(height), rng, 0.08), parts.shape)


def plush(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Soft toy: fuzzy border, fibres, no highlight."""
    fibres = brush.blur(grain(rng, parts.size_hw), 0.7)
    height = relief(parts, float(rng.uniform(0.14, 0.24)))
    image = lit(base_coat(parts, palette, False), normals(height), rng, 0.0)
    image *= (1 + fibres * float(rng.uniform(0.1, 0.3)))[..., None]
    fuzz = brush.blur(parts.shape, parts.unit * 0.015) + fibres * 60
    alpha = np.clip((fuzz - 90) * 3, 0, 255).astype(np.uint8)
    return Layer(brush.to_rgba(image, alpha), parts.shape)


def knit(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Rows of V stitches."""
    height, width = parts.size_hw
    stitch = max(2.5, parts.unit / float(rng.uniform(14, 30)))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    fold = np.abs((x / stitch) % 1 - 0.5)
    weave = 0.78 + 0.3 * np.sin(2 * np.pi * (y / stitch + fold))
    image = lit(base_coat(parts, palette, False), normals(relief(parts, 0.16)), rng, 0.0)
    image *= (weave * (0.9 + 0.2 * smooth_noise(rng, parts.size_hw, 8)))[..., None]
    return brush.layer(image, parts.shape)


def metallic(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Polished metal: brightness follows the normal through several bands."""
    normal = normals(relief(parts, float(rng.uniform(0.18, 0.34))))
    bands = float(rng.uniform(2, 5))
    sheen = 0.5 + 0.5 * np.sin(bands * (normal[..., 1] * 2 + normal[..., 0] + 0.4) + float(rng.uniform(0, 6)))
    tint = palette.body if rng.random() < 0.5 else random_grey(rng, 120, 220)
    coat = base_coat(parts, palette, False)
    brush.paint(coat, np.minimum(brush.union(parts.body, parts.backpack), 255 - parts.visor), tint)
    image = coat * (0.45 + 0.9 * sheen)[..., None] + (60 * sheen**4)[..., None]
    return brush.layer(image.astype(np.float32), parts.shape)


def embossed(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Raised from or cut into the ground: only light and shade remain."""
    depth = float(rng.uniform(0.05, 0.2)) * parts.unit
    figure = np.minimum(brush.union(parts.body, parts.backpack), 255 - brush.rim(parts.backpack, parts.unit * 0.01))
    height = bulge(np.asarray(figure, np.uint8), depth) - 1.2 * bulge(parts.visor, depth)
    height += bulge(parts.hat, depth)
    height = brush.blur(height, parts.unit * 0.01) * (1 if rng.random() < 0.5 else -1)
    light = random_light(rng)
    shade = (normals(height) @ light - light[2]) * float(rng.uniform(50, 150))
    tone = 128 + shade + np.where(parts.visor > 127, float(rng.uniform(-25, 25)), 0)
    image = np.repeat(tone[..., None], 3, axis=2).astype(np.float32)
    full = np.full(parts.size_hw, 255, np.uint8)
    return Layer(brush.to_rgba(image, full), parts.shape, "relief")


def painted_wood(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """A carved figure with the grain running down or across."""
    height, width = parts.size_hw
    warp = fractal_noise(rng, parts.size_hw, 3, 2) * float(rng.uniform(3, 8))
    axis = np.linspace(0, 1, width if rng.random() < 0.6 else height, dtype=np.float32)
    across = axis[None, :] if len(axis) == width else axis[:, None]
    rings = 0.75 + 0.25 * np.sin(2 * np.pi * (across * float(rng.uniform(2, 9)) + warp))
    wood = (float(rng.uniform(120, 220)), float(rng.uniform(80, 150)), float(rng.uniform(40, 90)))
    image = brush.blank(parts.size_hw, scaled((int(wood[0]), int(wood[1]), int(wood[2])), 1.0))
    brush.paint(image, parts.hat, palette.hat)
    brush.paint(image, parts.visor, scaled(palette.visor, 1.0), float(rng.uniform(0.6, 1.0)))
    image = lit((image * rings[..., None]).astype(np.float32), normals(relief(parts, 0.1)), rng, 0.1)
    return brush.layer(image, parts.shape)
