"""How scores are said in words: the same in the table, the gallery and the file names."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

STRONG = 0.5
"""Share from which a part of the evidence is named."""


def rarity_words(rarity: float | None, at_least: bool = False) -> str:
    """`1 in 3,100`, or `> 1 in 5,000` where the background sample ends; empty if it is not known."""
    if rarity is None or not math.isfinite(rarity):
        return ""
    number = f"{rarity:.1f}".removesuffix(".0") if rarity < 10 else f"{_two_digits(rarity):,}"
    return f"> 1 in {number}" if at_least else f"1 in {number}"


def _two_digits(value: float) -> int:
    """Rounded to two significant digits: more would promise what a sample cannot know."""
    return round(round(value), 1 - math.floor(math.log10(value)))


def evidence_words(evidence: Mapping[str, float | None]) -> str:
    """The names of the parts that were seen, in the motif's order: `visor legs red`."""
    return " ".join(name for name, share in evidence.items() if share is not None and share >= STRONG)


def score_words(score: float | None) -> str:
    """A score with two decimals; empty if it is not known."""
    return "" if score is None or not math.isfinite(score) else f"{score:.2f}"


def others_words(duplicates: Mapping[str, int]) -> str:
    """The hits that one stands for: `2 copies, 1 near`; empty if there are none."""
    exact, near = duplicates["exact"], duplicates["near"]
    copies = f"{exact} {'copy' if exact == 1 else 'copies'}" if exact else ""
    return ", ".join(part for part in (copies, f"{near} near" if near else "") if part)


def slug(name: str, longest: int = 40) -> str:
    """A file name made harmless: ASCII letters, digits, `_` and `-` only, never empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    words = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")
    return words[:longest].rstrip("-_") or "image"
