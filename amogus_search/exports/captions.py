"""One sentence about a finding, from its evidence and from what colour most of it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.colours import COLOURS
from amogus_search.core.evidence import hue_degrees
from amogus_search.core.types import Pixels

SEEN = 0.5
"""Share from which a part of the evidence is named."""
_DARK, _PALE = 0.15, 0.2
"""Below this value black, below this saturation white or grey."""
_HUES = (14, 42, 70, 165, 195, 252, 295, 345)
"""Degrees at which the next name begins; the last one is red again."""
_NAMES = np.array(["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "red"])
_TORSO = (0.3, 0.4, 0.7, 0.85)
"""What of a box is looked at: below the visor, above the gap between the legs, and without the ground at the sides."""


def caption(colour: str, evidence: Mapping[str, float], token: str) -> str:
    """One sentence: `a photo of a red sks amogus with visor, legs and backpack`.

    Args:
        colour: its everyday name.
        evidence: part -> share 0..1; colours among them are left to `colour`, and a body goes without saying.
        token: what it is called.
    """
    seen = [part for part, share in evidence.items() if share >= SEEN and part not in (*COLOURS, "body")]
    parts = " and ".join([", ".join(seen[:-1]), seen[-1]] if len(seen) > 1 else seen)
    article = "an" if colour[0] in "aeiou" else "a"
    return f"a photo of {article} {colour} {token}" + (f" with {parts}" if parts else "")


def torso_colour(pixels: Pixels, box_xyxy: NDArray[np.float32]) -> str:
    """What most pixels of the torso in a box are called, by name: a mean of two colours would be neither.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box_xyxy: (4,) in pixels of it; may stick out.
    """
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in box_xyxy)
    left, top, right, bottom = (
        start + share * (end - start)
        for share, start, end in zip(_TORSO, (x1, y1, x1, y1), (x2, y2, x2, y2), strict=True)
    )
    columns = slice(int(np.clip(left, 0, width - 1)), int(np.clip(right, 0, width - 1)) + 1)
    rows = slice(int(np.clip(top, 0, height - 1)), int(np.clip(bottom, 0, height - 1)) + 1)
    names, counts = np.unique(_named(pixels[rows, columns].reshape(-1, 3)), return_counts=True)
    return str(names[counts.argmax()])


def _named(pixels: NDArray[np.uint8]) -> NDArray[np.str_]:
    """(n,) names of (n, 3) pixels."""
    hue, saturation, value = hue_degrees(pixels)
    names = _NAMES[np.searchsorted(_HUES, hue, side="right")]
    # Between orange and red in the shade is brown, between red and white is pink.
    names = np.where((names == "orange") & (value < 0.55), "brown", names)
    names = np.where((names == "red") & (saturation < 0.5) & (value > 0.6), "pink", names)
    names = np.where(saturation < _PALE, np.where(value > 0.7, "white", "grey"), names)
    return np.asarray(np.where(value < _DARK, "black", names))
