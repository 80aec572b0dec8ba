"""Which styles each difficulty draws, and how often."""

from typing import Literal

import numpy as np

from amogus_search.errors import UsageError

Tier = Literal["plain", "varied", "disguised"]

_TIERS: tuple[Tier, ...] = ("plain", "varied", "disguised")

_PLAIN = {"flat": 3.0, "outlined": 4.0, "cel": 2.0, "toy": 3.0, "sticker": 1.0, "gradient": 1.0, "pixel": 1.5}

_VARIED = {
    "toy": 8.0,
    "outlined": 4.5,
    "flat": 2.0,
    "cel": 1.5,
    "sticker": 1.0,
    "gradient": 1.0,
    "pixel": 3.5,
    "pixelated": 1.0,
    "silhouette": 1.5,
    "lineart": 1.5,
    "pencil": 1.2,
    "scribble": 1.5,
    "painting": 0.8,
    "clay": 1.0,
    "plush": 1.0,
    "knit": 0.6,
    "metallic": 0.7,
    "wood": 0.6,
    "neon": 0.8,
    "halftone": 0.6,
    "stipple": 0.4,
    "letters": 0.7,
    "embroidery": 0.7,
    "chalk": 0.6,
    "print": 0.6,
    "embossed": 0.8,
    "tinted": 0.8,
    "cloud": 0.5,
    "textured": 1.0,
    "turned": 1.5,
    "glow": 1.0,
    "ice": 0.7,
    "shapes": 2.5,
}

_DISGUISED = {
    "shapes": 5.0,
    "textured": 2.5,
    "tinted": 2.0,
    "cloud": 1.5,
    "embossed": 1.5,
    "silhouette": 1.0,
    "wood": 1.0,
    "letters": 1.0,
    "stipple": 0.7,
    "halftone": 0.7,
    "pencil": 0.7,
    "chalk": 0.7,
    "metallic": 0.8,
    "lineart": 0.7,
    "turned": 2.0,
    "glow": 2.0,
    "ice": 1.2,
}

# Styles that still read as an amogus when only a few pixels tall.
_TINY = {"flat": 2.0, "outlined": 2.0, "pixel": 4.0, "cel": 1.0, "toy": 2.0, "silhouette": 0.4}

_BOLD = {"outlined": 3.0, "sticker": 2.0, "toy": 2.0, "flat": 1.0}

_WEIGHTS: dict[str, dict[str, float]] = {"plain": _PLAIN, "varied": _VARIED, "disguised": _DISGUISED}


def resolve_tier(rng: np.random.Generator, tier: str) -> Tier:
    """The tier itself; for "mixed" one of the three by chance."""
    if tier == "mixed":
        return _TIERS[int(rng.choice(3, p=[0.2, 0.65, 0.15]))]
    for known in _TIERS:
        if tier == known:
            return known
    raise UsageError(f"unknown tier {tier!r}", f"one of: {', '.join(_TIERS)}, mixed")


def draw_style(rng: np.random.Generator, tier: Tier, height_px: float, bold: bool = False) -> str:
    """A style for an amogus of this height; `bold` asks for one that stands out."""
    weights = _TINY if height_px < 15 else _BOLD if bold else _WEIGHTS[tier]
    chances = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(chances), p=chances / chances.sum()))]
