"""Hand-made and printed styles: strokes, dots, letters, threads. Each is (parts, palette, rng) -> Layer."""

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth import brush
from amogus_search.synth.noise import fractal_noise, grain, smooth_noise
from amogus_search.synth.palette import Colour, Palette, random_colour, random_grey, scaled
from amogus_search.synth.sprite import Layer, Mask, Parts
from amogus_search.synth.styles_flat import base_coat


def jittered(mask: Mask, rng: np.random.Generator, amount: float) -> Mask:
    """The mask bent by a smooth random displacement of this many pixels, as an unsure hand would draw it."""
    height, width = mask.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dx = (smooth_noise(rng, (height, width), 6) - 0.5) * np.float32(2 * amount)
    dy = (smooth_noise(rng, (height, width), 6) - 0.5) * np.float32(2 * amount)
    return np.asarray(cv2.remap(mask, x + dx, y + dy, cv2.INTER_LINEAR), np.uint8)


def _strokes(parts: Parts, rng: np.random.Generator, width: float, times: int, amount: float) -> Mask:
    """Lines around all parts, drawn several times by an unsure hand."""
    total: Mask = np.zeros(parts.size_hw, np.uint8)
    for _ in range(times):
        pack = np.minimum(brush.rim(parts.backpack, width), 255 - brush.shrink(parts.body, width))
        outer = brush.union(pack, brush.rim(parts.body, width), brush.rim(parts.hat, width))
        outer = np.minimum(outer, 255 - parts.visor)
        lines = np.maximum(outer, brush.rim(parts.visor, width))
        total = np.maximum(total, jittered(np.asarray(lines, np.uint8), rng, amount))
    return total


def _hatching(parts: Parts, rng: np.random.Generator, spacing: float) -> NDArray[np.float32]:
    """Parallel slanted lines, (h, w) 0..1."""
    height, width = parts.size_hw
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = float(rng.uniform(0, np.pi))
    wave = np.sin(
        2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / spacing + 3 * smooth_noise(rng, (height, width), 5)
    )
    return np.asarray(np.clip(wave * 1.5 + float(rng.uniform(-0.6, 0.4)), 0, 1), np.float32)


def pencil(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Grey or coloured pencil: doubled shaky lines, hatching inside."""
    dark = random_grey(rng, 20, 90) if rng.random() < 0.6 else scaled(palette.body, 0.7)
    unit = parts.unit
    lines = _strokes(parts, rng, max(0.6, unit * 0.007), int(rng.integers(1, 4)), unit * 0.02).astype(np.float32)
    hatch = _hatching(parts, rng, max(2.5, unit * float(rng.uniform(0.02, 0.05))))
    fill = np.minimum(brush.union(parts.body, parts.backpack), 255 - parts.visor)
    strength = float(rng.uniform(0, 0.8))
    alpha = np.maximum(lines * float(rng.uniform(0.6, 1.0)), hatch * fill * strength)
    alpha *= 0.75 + 0.35 * brush.blur(grain(rng, parts.size_hw), 0.5)
    return Layer(brush.to_rgba(brush.blank(parts.size_hw, dark), alpha), brush.grow(parts.shape, 1))


def paint_scribble(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """A quick drawing in a paint program: thick shaky lines, careless fill."""
    unit = parts.unit
    sloppy = unit * float(rng.uniform(0.01, 0.04))
    image = brush.blank(parts.size_hw, palette.body)
    brush.paint(image, jittered(parts.visor, rng, sloppy), palette.visor)
    width = max(0.8, unit * float(rng.uniform(0.012, 0.03)))
    lines = _strokes(parts, rng, width, 1, sloppy)
    colour: Colour = palette.outline if rng.random() < 0.7 else scaled(palette.body, 0.5)
    brush.paint(image, lines, colour)
    filled = jittered(parts.shape, rng, sloppy) if rng.random() < 0.75 else np.zeros_like(lines)
    alpha = np.maximum(lines, filled)
    return Layer(brush.to_rgba(image, alpha), brush.grow(parts.shape, width))


def brush_painting(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Watercolour or oil: bleeding borders and streaky paint."""
    image = base_coat(parts, palette)
    streaks = fractal_noise(rng, parts.size_hw, float(rng.uniform(6, 20)), 3)
    streaks = np.asarray(cv2.blur(streaks, (1, 9) if rng.random() < 0.5 else (9, 1)), np.float32)
    image = brush.blur(image, parts.unit * 0.006) * (0.65 + 0.7 * streaks)[..., None]
    soft = brush.blur(jittered(parts.shape, rng, parts.unit * 0.015), parts.unit * 0.012)
    alpha = np.clip((soft - 70 + 60 * (streaks - 0.5)) * 2, 0, 255) * float(rng.uniform(0.7, 1.0))
    return Layer(brush.to_rgba(image.astype(np.float32), alpha), parts.shape)


def _tone(parts: Parts, rng: np.random.Generator) -> NDArray[np.float32]:
    """Ink density 0..1 of the figure: dense body, nearly bare visor."""
    tone = np.maximum(parts.shape, 0).astype(np.float32) * float(rng.uniform(0.6, 0.9))
    tone -= parts.visor * float(rng.uniform(0.5, 0.85))
    return np.asarray(np.clip(brush.blur(tone, 0.8) / 255, 0, 1), np.float32)


def _ink(palette: Palette, rng: np.random.Generator) -> Colour:
    return random_grey(rng, 0, 40) if rng.random() < 0.5 else scaled(palette.body, 0.9)


def halftone(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Printed dots whose size follows the tone."""
    height, width = parts.size_hw
    pitch = max(2.2, parts.unit / float(rng.uniform(16, 34)))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) * np.float32(np.pi / pitch)
    angle = float(rng.uniform(0, np.pi / 2))
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    screen = 0.5 + 0.25 * (np.cos(2 * u) + np.cos(2 * v))
    alpha = np.clip((_tone(parts, rng) - (1 - screen)) * 5 + 0.5, 0, 1) * parts.shape
    return Layer(brush.to_rgba(brush.blank(parts.size_hw, _ink(palette, rng)), alpha), parts.shape)


def stipple(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Random dots, dense in the body."""
    size = max(1.0, parts.unit / float(rng.uniform(40, 70)))
    height, width = parts.size_hw
    small = (max(1, round(height / size)), max(1, round(width / size)))
    tone = cv2.resize(_tone(parts, rng), (small[1], small[0]), interpolation=cv2.INTER_AREA)
    dots = (rng.random(small, dtype=np.float32) < tone).astype(np.uint8) * 255
    alpha = cv2.resize(dots, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    image = brush.blank(parts.size_hw, _ink(palette, rng))
    return Layer(brush.to_rgba(image, brush.blur(alpha, size * 0.3)), parts.shape)


_LETTERS = "#@%&XMWOSUA8N$*+=:.0"


def letters(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Text art: characters in cells, other ones in the visor."""
    rows = int(rng.integers(9, 22))
    cell_h = parts.unit / rows
    cell_w = cell_h * float(rng.uniform(0.55, 1.0))
    height, width = parts.size_hw
    grid = (max(1, int(height / cell_h)), max(1, int(width / cell_w)))
    cover = cv2.resize(parts.shape, (grid[1], grid[0]), interpolation=cv2.INTER_AREA)
    visor = cv2.resize(parts.visor, (grid[1], grid[0]), interpolation=cv2.INTER_AREA)
    glyphs: Mask = np.zeros(parts.size_hw, np.uint8)
    dense, sparse = str(rng.choice(list(_LETTERS[:12]))), str(rng.choice(list(" .:-+")))
    mixed = bool(rng.random() < 0.4)
    picks = rng.integers(0, 12, grid)
    for row, column in np.argwhere(cover > 120):
        text = sparse if visor[row, column] > 120 else (_LETTERS[picks[row, column]] if mixed else dense)
        origin = (int(column * cell_w), int((row + 0.85) * cell_h))
        cv2.putText(
            glyphs, text, origin, cv2.FONT_HERSHEY_PLAIN, cell_h / 11, 255, max(1, round(cell_h / 11)), cv2.LINE_AA
        )
    return Layer(brush.to_rgba(brush.blank(parts.size_hw, _ink(palette, rng)), glyphs), parts.shape)


def embroidery(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Satin stitches: threads in one direction per part, with a stitched border."""
    image = base_coat(parts, palette)
    brush.paint(image, parts.glint, palette.glint)
    pitch = max(1.6, parts.unit * float(rng.uniform(0.012, 0.03)))
    body, visor = _hatching(parts, rng, pitch), _hatching(parts, rng, pitch)
    threads = np.where(parts.visor > 127, visor, body)
    image *= (0.65 + 0.45 * threads)[..., None]
    line = max(1.0, parts.unit * 0.015)
    if rng.random() < 0.6:
        edges = np.maximum(brush.rim(parts.body, line), brush.rim(parts.visor, line))
        brush.paint(image, np.minimum(edges, parts.shape), scaled(palette.shade, 0.6), 0.8)
    return brush.layer(image, parts.shape)


def chalk(parts: Parts, palette: Palette, rng: np.random.Generator) -> Layer:
    """Chalk or crayon: grainy broken strokes."""
    colour = random_colour(rng) if rng.random() < 0.4 else random_grey(rng, 215, 255)
    unit = parts.unit
    lines = _strokes(parts, rng, max(1.0, unit * float(rng.uniform(0.012, 0.03))), 1, unit * 0.02).astype(np.float32)
    fill = np.minimum(parts.shape, 255 - parts.visor) * float(rng.choice([0.0, 0.5, 0.8]))
    tooth = np.clip(0.75 + 0.7 * brush.blur(grain(rng, parts.size_hw), 0.6), 0, 1)
    alpha = np.maximum(lines, fill) * tooth
    return Layer(brush.to_rgba(brush.blank(parts.size_hw, colour), alpha), brush.grow(parts.shape, 1))
