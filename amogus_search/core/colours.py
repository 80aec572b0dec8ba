"""Colours as people name them, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeAlias

from amogus_search.errors import UsageError

Colour: TypeAlias = tuple[int, int, int]
"""RGB, 0..255 each."""

COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "red": (197, 17, 17),
        "blue": (19, 46, 209),
        "green": (17, 127, 45),
        "pink": (237, 84, 186),
        "orange": (239, 125, 14),
        "yellow": (245, 245, 87),
        "black": (63, 71, 78),
        "white": (214, 224, 240),
        "purple": (107, 49, 188),
        "brown": (113, 73, 30),
        "cyan": (56, 254, 220),
        "lime": (80, 239, 57),
        "grey": (130, 134, 140),
    }
)
"""Names that may be asked for, and what they mean."""
_HEX = re.compile("#?([0-9a-fA-F]{6})")


def parse_colour(text: str) -> Colour:
    """A colour from its name or from `#rrggbb`.

    Raises:
        UsageError: it is neither; the message has the closest name and all of them.
    """
    word = text.strip().lower().replace("gray", "grey")
    if word in COLOURS:
        return COLOURS[word]
    found = _HEX.fullmatch(word)
    if found:
        digits = found.group(1)
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    near = get_close_matches(word, COLOURS, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"there is no colour {text!r}", f"{meant}there are: {', '.join(COLOURS)}, or #rrggbb")


def nearest_name(colour: Colour) -> str:
    """The name that comes closest, by hue first where there is any (red in shadow is still red)."""
    return min(COLOURS, key=lambda name: _distance(COLOURS[name], colour))


def _distance(one: Colour, other: Colour) -> float:
    """Between colours as lightness and two differences, with lightness counting less."""
    parts = (_opponent(one), _opponent(other))
    return sum(weight * (a - b) ** 2 for weight, a, b in zip((0.35, 1.0, 1.0), *parts, strict=True))


def _opponent(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = colour
    brightest = max(colour, default=0) or 1
    scale = 0.5 + 0.5 * 255 / max(brightest, 60)  # differences of a dark colour count as if it were lit
    return (red + green + blue) / 3, (red - green) * scale, ((red + green) / 2 - blue) * scale
