"""Before and after, side by side, with the scores: one HTML file that loads nothing."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amogus_search.core.types import Pixels
from amogus_search.exports.folders import write_whole
from amogus_search.exports.pages import filled, one_line, picture_uri, policy, template
from amogus_search.exports.pictures import shrunk

NAME = "before-after.html"
GENERATOR = '<meta name="generator" content="amogus_search conversions">'
CROP_PX = 360
"""Longer side of a crop in the page."""
MOST_BYTES = 48 * 1024 * 1024
"""Of all pictures of a page together; what comes later is only counted."""
_PACKAGE = "amogus_search.exports"


@dataclass(frozen=True)
class Card:
    """One change on the page.

    before, after: the window's pixels as addresses (`crop_uri`)
    title:   the picture's name
    verdict: "accepted", "kept" (the best try, though none was accepted) or "unjudged"
    lines:   plain text below
    """

    before: str
    after: str
    title: str
    verdict: str
    lines: tuple[str, ...]


def crop_uri(pixels: Pixels) -> str:
    """A crop as it goes into the page: small ones enlarged cell by cell, so that they can be seen."""
    side = max(pixels.shape[:2])
    if side * 2 <= CROP_PX:
        times = CROP_PX // side
        pixels = np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
    return picture_uri(shrunk(pixels, CROP_PX))


class ConversionPage:
    """Collects cards while a run goes on, up to `MOST_BYTES`, and writes the page."""

    def __init__(self) -> None:
        self._cards: list[Card] = []
        self._bytes = 0
        self._left_out = 0

    @property
    def is_full(self) -> bool:
        """Whether further cards are only counted."""
        return self._bytes >= MOST_BYTES

    def add(self, card: Card) -> None:
        """One more, in the page's order."""
        if self.is_full:
            self._left_out += 1
            return
        self._cards.append(card)
        self._bytes += len(card.before) + len(card.after)

    def write(self, folder: Path, summary: str) -> Path:
        """Writes `NAME` into the folder, over an earlier one."""
        more = f"; {self._left_out} more are not shown" if self._left_out else ""
        style = template(_PACKAGE, "conversions.css")
        page = filled(
            template(_PACKAGE, "conversions.html"),
            {
                "generator": GENERATOR,
                "policy": policy(style),
                "title": "Before and after",
                "summary": _text(summary + more),
                "style": style,
                "entries": "\n".join(map(_entry, self._cards)),
            },
        )
        path = folder / NAME
        write_whole(path, page.encode("utf-8"))
        return path


def _entry(card: Card) -> str:
    pictures = "".join(
        f'<figure><img alt="{name}" src="{uri}"><figcaption>{name}</figcaption></figure>'
        for name, uri in (("before", card.before), ("after", card.after))
    )
    badge = f'<span class="verdict {html.escape(card.verdict)}">{_text(card.verdict)}</span>'
    lines = "".join(f"<p>{_text(line)}</p>" for line in card.lines)
    return f'<li><article><div class="pair">{pictures}</div><h2>{_text(card.title)} {badge}</h2>{lines}</article></li>'


def _text(text: str) -> str:
    return html.escape(one_line(text))


def summary_line(parts: Iterable[tuple[int, str]]) -> str:
    """`12 converted, 3 copied`; nothing of what there is none of."""
    return ", ".join(f"{count} {word}" for count, word in parts if count)
