"""A page that shows generated pictures beside what they are nearest to in an index; one file that loads nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amogus_search.core.types import Pixels
from amogus_search.exports.folders import claim_file, write_whole
from amogus_search.exports.pages import filled, one_line, picture_uri, policy, template

GENERATOR = '<meta name="generator" content="amogus_search novelty">'
"""Marks a page as ours, so that a later one may replace it."""
_PACKAGE = "amogus_search.exports"


@dataclass(frozen=True)
class Shown:
    """One picture of the page: its thumbnail, None if there is none, and lines of plain text below it."""

    pixels: Pixels | None
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A generated picture, its verdict (copied, close or new), and what it is near to."""

    verdict: str
    picture: Shown
    near: tuple[Shown, ...]


def claim_page(out: Path, source_folders: Sequence[bytes], *, overwrite: bool) -> None:
    """Make sure, before any work is done, that a report may be written there.

    Raises:
        UsageError: the place is in a photo folder, or is taken by something else.
    """
    claim_file(out, _is_ours, "a report of ours", overwrite=overwrite, source_folders=source_folders)


def write_page(out: Path, summary: str, limits: Sequence[Sequence[str]], entries: Sequence[Entry]) -> None:
    """Write the page.

    Args:
        out: the .html file; its folder is made.
        summary: one line of plain text.
        limits: rows of a small table, the heading first.
        entries: in the order of the page.
    """
    style = template(_PACKAGE, "novelty.css")
    page = filled(
        template(_PACKAGE, "novelty.html"),
        {
            "generator": GENERATOR,
            "policy": policy(style),
            "title": "Copied, close or new",
            "summary": _text(summary),
            "style": style,
            "limits": _table(limits),
            "pictures": "\n".join(map(_entry, entries)),
        },
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, page.encode("utf-8"))


def _is_ours(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open("rb") as stream:
        start = stream.read(4096)
    return GENERATOR.encode() in start or start.startswith(b'{"report": "novelty"')


def _entry(entry: Entry) -> str:
    badge = f'<span class="verdict {html.escape(entry.verdict)}">{_text(entry.verdict)}</span>'
    return f"<article>{_figure(entry.picture, badge)}{''.join(_figure(one) for one in entry.near)}</article>"


def _figure(shown: Shown, badge: str = "") -> str:
    picture = f'<img alt="" src="{picture_uri(shown.pixels)}">' if shown.pixels is not None else ""
    lines = "<br>".join(_text(line) for line in shown.lines)
    return f"<figure>{picture}<figcaption>{badge} {lines}</figcaption></figure>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{_text(cell)}</th>" for cell in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"


def _text(text: str) -> str:
    return html.escape(one_line(text))
