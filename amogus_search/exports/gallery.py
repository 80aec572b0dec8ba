"""A gallery of hits in one HTML file that opens from disk: no server, no network, nothing beside it.

Pictures are data URIs; style and script are in the page and named by hash in a strict content security policy; names
and paths travel as JSON and become text in the page, never markup. The page draws boxes itself, so thumbnails stay
clean, and shows every finding a second time enlarged, since the best ones are tiny.
"""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.cropping import cut
from amogus_search.core.paths import display_path
from amogus_search.core.types import Hit, Pixels
from amogus_search.exports.folders import check_outside, claim_file, claim_folder, write_whole
from amogus_search.exports.json_form import detection_json
from amogus_search.exports.pages import filled, one_line, picture_uri, policy, template
from amogus_search.exports.pictures import Picture, Problem, ReadPixels, read_picture, shrunk
from amogus_search.exports.wording import rarity_words
from amogus_search.settings import DEFAULT_THRESHOLD

GENERATOR = '<meta name="generator" content="amogus_search gallery">'
"""Marks a page as ours, so that a later export may replace it."""


@dataclass(frozen=True)
class GallerySettings:
    """overview_px: longer side of a picture in the page; None: 960 for up to 60 hits, 640 up to 200, then 480.

    crop_px:      longest side of an enlarged finding; smaller ones are kept pixel by pixel
    pad_ratio:    context around a finding, as a share of its longer side
    max_findings: so many are drawn of one picture
    min_amogusness: other findings than the one that was hit are drawn from here on (confidence, if not calibrated)
    quality:      of the WebP thumbnails
    max_bytes:    of all pictures together; hits beyond it are listed without pictures
    """

    overview_px: int | None = None
    crop_px: int = 320
    pad_ratio: float = 0.3
    max_findings: int = 12
    min_amogusness: float = DEFAULT_THRESHOLD
    quality: int = 80
    max_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True)
class GalleryReport:
    """What `write_gallery` wrote.

    page:     the HTML file
    hits:     all of them are in it
    findings: boxes drawn
    bytes:    size of the file
    problems: hits that are listed without pictures, and why
    """

    page: Path
    hits: int
    findings: int
    bytes: int
    problems: tuple[Problem, ...]


def gallery_page(out: Path) -> Path:
    """The file that is written for OUT: itself if it is called .html or .htm, else index.html in that folder."""
    return out if out.suffix.lower() in (".html", ".htm") else out / "index.html"


def write_gallery(
    hits: Iterable[Hit],
    read_pixels: ReadPixels,
    out: Path,
    title: str = "Amogus search",
    subtitle: str = "",
    *,
    settings: GallerySettings | None = None,
    link_originals: bool = True,
    overwrite: bool = False,
    source_folders: Sequence[bytes] = (),
) -> GalleryReport:
    """Writes the page for hits in order of rank.

    Args:
        hits: what to show, with or without findings.
        read_pixels: see `exports.pictures`; called once a photo.
        out: a .html file, or a folder that gets an index.html; an earlier gallery there is replaced.
        title: plain text.
        subtitle: plain text, such as the query.
        settings: sizes and limits.
        link_originals: links to the photos by file:// address.
        overwrite: replace a page, or write into a folder, that is not a gallery.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: the place is in a photo folder or is taken by something else.
    """
    page = gallery_page(out)
    _claim(page, out, overwrite, source_folders)
    given = sorted(hits, key=lambda hit: hit.rank)
    album = _Album(settings or GallerySettings(), len(given))
    items = _items(given, read_pixels, album, link_originals)
    content = _render(title, subtitle, {"pictures": album.pictures, "items": items}).encode()
    write_whole(page, content)
    findings = sum(len(item["findings"]) for item in items)
    return GalleryReport(page, len(items), findings, len(content), tuple(album.problems))


def _claim(page: Path, out: Path, overwrite: bool, source_folders: Sequence[bytes]) -> None:
    if page != out:
        check_outside(page, source_folders)
        claim_folder(out, lambda folder: _is_gallery(folder / page.name), "a gallery", overwrite=overwrite)
    claim_file(page, _is_gallery, "a gallery", overwrite=overwrite, source_folders=source_folders)


def _is_gallery(page: Path) -> bool:
    if not page.is_file():
        return False
    with open(page, "rb") as stream:
        return GENERATOR.encode() in stream.read(4096)


class _Album:
    """The pictures of the page, encoded as they come, up to a limit."""

    def __init__(self, settings: GallerySettings, hits: int) -> None:
        self.settings = settings
        self.overview_px = settings.overview_px or next(px for most, px in _OVERVIEWS if hits <= most)
        self.pictures: list[str] = []
        self.problems: list[Problem] = []
        self.size = 0

    @property
    def is_full(self) -> bool:
        return self.size >= self.settings.max_bytes

    def add(self, pixels: Pixels) -> int:
        """Keeps a picture; the answer is its place."""
        uri = picture_uri(pixels, self.settings.quality)
        self.size += len(uri)
        self.pictures.append(uri)
        return len(self.pictures) - 1


_OVERVIEWS = ((60, 960), (200, 640), (math.inf, 480))


def _items(hits: Sequence[Hit], read_pixels: ReadPixels, album: _Album, link_originals: bool) -> list[dict[str, Any]]:
    """The records of the page in order of rank, worked through photo by photo, so that each is decoded once."""
    by_path: dict[bytes, list[int]] = {}
    for place, hit in enumerate(hits):
        by_path.setdefault(hit.path, []).append(place)
    items: dict[int, dict[str, Any]] = {}
    for places in by_path.values():
        first = hits[places[0]]
        limit = Problem(first.rank, first.path, "page_full", "left out to keep the page small enough to open")
        picture = limit if album.is_full else read_picture(read_pixels, first)
        overview = None if isinstance(picture, Problem) else album.add(shrunk(picture.pixels, album.overview_px))
        crops: dict[int, int] = {}
        for place in places:
            items[place] = _item(hits[place], picture, album, crops) | {"overview": overview}
            items[place]["href"] = _address(hits[place].path) if link_originals else None
    return [items[place] for place in range(len(hits))]


def _item(hit: Hit, picture: Picture | Problem, album: _Album, crops: dict[int, int]) -> dict[str, Any]:
    folder, _, name = hit.path.rpartition(b"/")
    item: dict[str, Any] = {
        "rank": int(hit.rank),
        "name": display_path(name),
        "folder": display_path(folder + b"/") if folder else "",
        "score": round(float(hit.score), 4) if math.isfinite(hit.score) else None,
        "by": hit.by,
        "width": int(hit.full_wh[0]),
        "height": int(hit.full_wh[1]),
        "findings": [_finding(hit, row) for row in _shown_rows(hit, album.settings)],
        "problem": None,
    }
    if isinstance(picture, Problem):
        album.problems.append(Problem(hit.rank, hit.path, picture.reason, picture.detail))
        return item | {"problem": picture.detail}
    for row, finding in zip(_shown_rows(hit, album.settings), item["findings"], strict=True):
        if row not in crops:
            window = picture.window(hit.detections.xyxy[row], album.settings.pad_ratio)
            crops[row] = album.add(shrunk(cut(picture.pixels, window), album.settings.crop_px))
        finding["crop"] = crops[row]
    return item


def _shown_rows(hit: Hit, settings: GallerySettings) -> list[int]:
    """The finding that was hit, then the other good ones, best first."""
    known = np.asarray(hit.scores.amogusness, np.float64)
    values = np.where(np.isnan(known), hit.detections.confidence, known)
    others = [int(row) for row in np.flatnonzero(values >= settings.min_amogusness) if row != hit.detection]
    first = [] if hit.detection is None else [hit.detection]
    return (first + sorted(others, key=lambda row: -values[row]))[: settings.max_findings]


def _finding(hit: Hit, row: int) -> dict[str, Any]:
    record = detection_json(hit.detections, row, hit.scores)
    words = rarity_words(record["rarity"], record.get("rarity_at_least", False))
    return {
        **{name: record[name] for name in ("box", "confidence", "amogusness", "rarity")},
        "words": words,
        "evidence": [[name, share or 0.0] for name, share in record["evidence"].items()],
        "crop": None,
    }


def _address(path: bytes) -> str | None:
    """The file's address, its bytes percent-encoded, so that no name is special; None for a relative path."""
    name = Path(os.fsdecode(path))
    return name.as_uri() if name.is_absolute() else None


def _render(title: str, subtitle: str, data: Mapping[str, Any]) -> str:
    style, script = (template("amogus_search.exports", name) for name in ("gallery.css", "gallery.js"))
    return filled(
        template("amogus_search.exports", "gallery.html"),
        {
            "generator": GENERATOR,
            "policy": policy(style, script),
            "title": html.escape(one_line(title)),
            "subtitle": html.escape(one_line(subtitle)),
            "style": style,
            "script": script,
            "data": script_json(data),
        },
    )


def script_json(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment there."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
