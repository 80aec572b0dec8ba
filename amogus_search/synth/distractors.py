"""Things that are no amogi, painted in the same styles, so that style alone says nothing.

Each outline uses the crewmate's part names ("visor" is any inset detail), and each lacks what makes an amogus:
none has a body with a visor and two legs below.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.beings import BEINGS
from amogus_search.synth.crewmate import Outline
from amogus_search.synth.palette import random_palette
from amogus_search.synth.sprite import Mask, Sprite, SpriteAttributes, Texture
from amogus_search.synth.styles import STYLES, paint_outline
from amogus_search.synth.things import THINGS

OUTLINES = {**THINGS, **BEINGS}

DISTRACTORS = (*OUTLINES, "letter", "grid noise")

_LETTERS = "ARnmOo8aeQBDPghUMWHKX069%&@"


def render_distractor(
    rng: np.random.Generator, height_px: float, kind: str | None = None, texture: Texture | None = None
) -> Sprite:
    """A thing that is no amogus, painted in a random style; its keypoints are all absent."""
    kind = kind or str(rng.choice(DISTRACTORS))
    if kind == "letter":
        return _letter(rng, height_px)
    if kind == "grid noise":
        return grid_noise(rng, height_px)
    parts = OUTLINES[kind](rng)
    names = ("torso", "legs", "visor", "glint", "backpack", "hat")
    outline = Outline({name: parts.get(name, ()) for name in names}, np.zeros((7, 3)))
    palette = random_palette(rng)
    attributes = SpriteAttributes(palette.name, kind, False, None, "front", "distractor")
    style = str(rng.choice([s for s in STYLES if s not in ("pixel", "shapes", "pixelated")]))
    front = 1 if rng.random() < 0.5 else -1
    return paint_outline(outline, front, style, height_px, palette, rng, attributes, texture)


def _letter(rng: np.random.Generator, height_px: float) -> Sprite:
    """A character or two in a random face and colour."""
    text = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 4))))
    scale, weight = max(0.3, height_px / 24), max(1, round(height_px / float(rng.uniform(6, 22))))
    font = int(rng.integers(0, 8))
    (width, height), base = cv2.getTextSize(text, font, scale, weight)
    mask: Mask = np.zeros((height + base + 4, width + 4), np.uint8)
    cv2.putText(mask, text, (2, height + 1), font, scale, 255, weight, cv2.LINE_AA)
    return _plain_sprite(mask, np.array(random_palette(rng).body, np.uint8)[None, None], "letter")


def grid_noise(rng: np.random.Generator, height_px: float) -> Sprite:
    """A small pixel figure by chance, often mirror-symmetric, which no crewmate is."""
    rows, half = int(rng.integers(4, 11)), int(rng.integers(2, 5))
    palette = random_palette(rng)
    colours = np.array([palette.body, palette.body, palette.shade, palette.visor], np.uint8)
    cells = rng.choice(4, (rows, half), p=[0.4, 0.4, 0.1, 0.1]).astype(np.uint8)
    cells = np.concatenate([cells, cells[:, ::-1]], 1)
    factor = max(1, round(height_px / rows))
    big = cells.repeat(factor, 0).repeat(factor, 1)
    return _plain_sprite(np.where(big > 0, np.uint8(255), np.uint8(0)), colours[big], "grid noise")


def _plain_sprite(mask: Mask, rgb: NDArray[np.uint8], kind: str) -> Sprite:
    full = np.broadcast_to(rgb, (*mask.shape, 3)).astype(np.uint8)
    attributes = SpriteAttributes("grey", kind, False, None, "front", "distractor")
    return Sprite(np.dstack([full, mask]), mask, np.zeros((7, 3), np.float32), attributes)
