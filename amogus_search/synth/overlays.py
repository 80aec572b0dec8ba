"""What programs and people write over pictures: names above heads, captions, bars. None of it is an amogus."""

from typing import Literal

import cv2
import numpy as np

from amogus_search.synth import brush
from amogus_search.synth.canvas import Canvas
from amogus_search.synth.compose import Placed
from amogus_search.synth.palette import Colour, random_colour, random_grey

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)

Edge = Literal["top", "bottom"]


def random_words(rng: np.random.Generator, count: int) -> str:
    """Made-up words, a third of them in capitals."""
    words = ["".join(rng.choice(list(_LETTERS), int(rng.integers(2, 9)))) for _ in range(count)]
    return " ".join(words).upper() if rng.random() < 0.33 else " ".join(words)


def lettering(text: str, height_px: float, ink: Colour, edge: Colour | None, font: int) -> Placed:
    """One line of text at the origin, with a border of another colour if one is given."""
    scale = max(0.2, height_px / 22)
    weight = max(1, round(height_px / 11))
    border = max(1, round(height_px / 9)) if edge is not None else 0
    (width, height), base = cv2.getTextSize(text, font, scale, weight)
    face = np.zeros((height + base + 2 * border + 2, width + 2 * border + 2), np.uint8)
    cv2.putText(face, text, (border + 1, height + border), font, scale, 255, weight, cv2.LINE_AA)
    mask = brush.grow(face, border) if edge is not None else face
    share = face.astype(np.float32)[..., None] / 255
    rim = np.array(ink if edge is None else edge, np.float32)
    rgb = rim + (np.array(ink, np.float32) - rim) * share
    rgba = np.dstack([rgb, mask]).astype(np.float32)
    return Placed(rgba, mask, 0, 0)


def name_tags(canvas: Canvas, rng: np.random.Generator, max_overlap: float) -> None:
    """A player's name above some of the amogi."""
    for index in range(len(canvas.items)):
        if rng.random() < 0.25:
            continue
        x1, y1, x2, y2 = (float(v) for v in canvas.box(index))
        height = max(5.0, (y2 - y1) * float(rng.uniform(0.1, 0.2)))
        ink: Colour = (255, 255, 255) if rng.random() < 0.75 else (220, 30, 30)
        tag = lettering(random_words(rng, 1), height, ink, (0, 0, 0), _FONTS[int(rng.integers(2))])
        h, w = tag.shape.shape
        there = Placed(tag.rgba, tag.shape, int((x1 + x2 - w) / 2), int(y1 - h - height * rng.uniform(0, 0.6)))
        canvas.cover(there, max_overlap)


def caption(canvas: Canvas, rng: np.random.Generator, max_overlap: float) -> None:
    """A line or two at the top or the bottom, on a bar or with a border, as in memes and screenshots."""
    height, width = canvas.image.shape[:2]
    tall = height * float(rng.uniform(0.05, 0.14))
    edge: Edge = "top" if rng.random() < 0.5 else "bottom"
    lines = int(rng.integers(1, 3))
    y = 2.0 if edge == "top" else height - 2 - lines * tall * 1.5
    ink, border = _inks(rng)
    if border is None:
        _bar(canvas, rng, y, lines * tall * 1.5, max_overlap)
    for _ in range(lines):
        font = _FONTS[int(rng.integers(len(_FONTS)))]
        line = lettering(random_words(rng, int(rng.integers(1, 5))), tall, ink, border, font)
        x = int((width - line.shape.shape[1]) * float(rng.uniform(0, 1)))
        canvas.cover(Placed(line.rgba, line.shape, x, int(y)), max_overlap)
        y += tall * 1.5


def _inks(rng: np.random.Generator) -> tuple[Colour, Colour | None]:
    if rng.random() < 0.5:
        return (255, 255, 255), (0, 0, 0)
    return (random_grey(rng, 0, 40) if rng.random() < 0.7 else random_colour(rng)), None


def _bar(canvas: Canvas, rng: np.random.Generator, y: float, height: float, max_overlap: float) -> None:
    size = (max(1, int(height)), canvas.image.shape[1])
    tone = random_grey(rng, 225, 255) if rng.random() < 0.8 else random_colour(rng)
    rgba = np.dstack([np.broadcast_to(np.array(tone, np.float32), (*size, 3)), np.full(size, 255, np.float32)])
    canvas.cover(Placed(rgba.astype(np.float32), np.full(size, 255, np.uint8), 0, int(y)), max_overlap)
