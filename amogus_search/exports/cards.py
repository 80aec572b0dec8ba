"""Hits as small cards of HTML, for notebooks: thumbnails with the box drawn in, scores and evidence, nothing loaded.

Boxes are drawn into the pixels and all style stands in the elements, so that the cards look the same wherever a
notebook is shown, also where scripts and style sheets are taken out.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from amogus_search.core.cropping import Window, scale_boxes
from amogus_search.core.paths import display_path
from amogus_search.core.types import Hit, Pixels
from amogus_search.exports.pages import picture_uri
from amogus_search.exports.pictures import Picture, Problem, ReadPixels, read_picture, shrunk
from amogus_search.exports.wording import evidence_words, others_words, rarity_words, score_words

SHOWN = 24
"""Cards on a page; more would make a notebook slow, and a gallery is the place for them."""
OVERVIEW_PX = 220
CLOSE_PX = 96
_PAD_RATIO = 0.3
_INK = ((255, 255, 255), (197, 17, 17))
"""The line about a finding: white within red is seen on any ground."""
_CARD = (
    "display:inline-block;vertical-align:top;width:236px;margin:4px;padding:7px;"
    "border:1px solid #8884;border-radius:6px;font:12px/1.35 sans-serif"
)
_ABSENT = "display:inline-block;width:220px;padding:36px 8px;box-sizing:border-box;background:#8882;text-align:center"
_NAME = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"


def cards(hits: Sequence[Hit], read_pixels: ReadPixels, heading: str, *, limit: int = SHOWN) -> str:
    """One `<div>` with a card a hit, in the order given; a picture that cannot be read is said so on its card.

    Args:
        hits: what to show.
        read_pixels: see `exports.pictures`; called once a hit.
        heading: plain text.
        limit: hits beyond it are only counted.
    """
    shown = [_card(hit, read_picture(read_pixels, hit)) for hit in hits[:limit]]
    more = f"<div>and {len(hits) - limit} more</div>" if len(hits) > limit else ""
    return f"<div><div><b>{html.escape(heading)}</b></div>{''.join(shown)}{more}</div>"


def _card(hit: Hit, picture: Picture | Problem) -> str:
    folder, _, name = hit.path.rpartition(b"/")
    shown = _absent(picture) if isinstance(picture, Problem) else _pictures(hit, picture)
    full = html.escape(display_path(hit.path), quote=True)
    lines = "".join(f"<div>{html.escape(line)}</div>" for line in _lines(hit) if line)
    title = html.escape(display_path(name if folder or name else hit.path))
    return f'<div style="{_CARD}">{shown}<div style="{_NAME}" title="{full}">{hit.rank}. {title}</div>{lines}</div>'


def _absent(problem: Problem) -> str:
    return f'<span style="{_ABSENT}">{html.escape(problem.detail)}</span>'


def _pictures(hit: Hit, picture: Picture) -> str:
    overview = shrunk(picture.pixels, OVERVIEW_PX)
    if hit.detection is None:
        return _image(overview)
    box = hit.detections.xyxy[hit.detection]
    small = (overview.shape[1], overview.shape[0])
    close = shrunk(picture.crop(box, _PAD_RATIO), CLOSE_PX)
    return _image(outlined(overview, _whole(scale_boxes(box, picture.full_wh, small)))) + _image(close)


def _image(pixels: Pixels) -> str:
    height, width = pixels.shape[:2]
    return f'<img src="{picture_uri(pixels)}" width="{width}" height="{height}" style="margin:0 4px 4px 0" alt="">'


def _whole(box: np.ndarray) -> Window:
    left, top, right, bottom = (round(float(value)) for value in box)
    return left, top, right, bottom


def outlined(pixels: Pixels, box: Window) -> Pixels:
    """A copy with a line of two pixels drawn about a box; what sticks out of the picture is left out."""
    drawn = np.array(pixels)
    left, top, right, bottom = box
    for distance, ink in enumerate(_INK, start=1):
        x1, y1, x2, y2 = left - distance, top - distance, right + distance - 1, bottom + distance - 1
        _draw(drawn, (x1, y1, x2, y1), ink)
        _draw(drawn, (x1, y2, x2, y2), ink)
        _draw(drawn, (x1, y1, x1, y2), ink)
        _draw(drawn, (x2, y1, x2, y2), ink)
    return drawn


def _draw(pixels: Pixels, line: Window, ink: tuple[int, int, int]) -> None:
    x1, y1, x2, y2 = line
    pixels[max(y1, 0) : max(y2 + 1, 0), max(x1, 0) : max(x2 + 1, 0)] = ink


def _lines(hit: Hit) -> list[str]:
    score = f"{hit.by} {score_words(hit.score)}"
    if hit.detection is None:
        return [score, "whole image" if len(hit.detections) else "nothing found", _others(hit)]
    row = hit.detection
    parts = zip(hit.detections.evidence_names, map(float, hit.detections.evidence[row]), strict=True)
    amogusness = score_words(float(hit.scores.amogusness[row]))
    also = f"amogusness {amogusness}" if amogusness and hit.by != "amogusness" else ""
    rarity = rarity_words(float(hit.scores.rarity[row]), bool(hit.scores.rarity_at_least[row]))
    return [", ".join(part for part in (score, also) if part), rarity, evidence_words(dict(parts)), _others(hit)]


def _others(hit: Hit) -> str:
    words = "" if hit.others is None else others_words({"exact": hit.others.exact, "near": hit.others.near})
    return f"also: {words}" if words else ""
