"""A report as one page that opens from disk: figures, plots, and the worst errors to look at.

The page has no script. Names and paths become text, never markup; plots are drawings inside it, crops are data URIs.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from amogus_search.evaluation import page_plots
from amogus_search.evaluation.baseline import Change
from amogus_search.evaluation.confusion import Shown
from amogus_search.exports.pages import LOSSLESS_PX, filled, one_line, picture_uri, policy, template

_TILES = {
    "ap50": "AP50",
    "ap50_95": "AP50-95",
    "recall": "Recall",
    "precision": "Precision",
    "false_per_100": "False in 100 pictures",
    "pck10": "Keypoints, PCK@0.1",
    "calibration_error": "Calibration error",
    "auc": "AUC of amogusness",
    "auc_confidence": "AUC of confidence alone",
    "ap50_confidence": "AP50 by confidence alone",
}
Cases = Mapping[str, tuple[Sequence[Shown], Sequence[Shown]]]
"""Data set -> its worst misses and its worst false findings."""


def report_page(report: Mapping[str, Any], cases: Cases, changes: Sequence[Change] = ()) -> str:
    """The page as HTML.

    Args:
        report: see `evaluation.report`.
        cases: what to show of each data set, by name.
        changes: beside a baseline, if there is one.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `eval`).
    """
    style = template("amogus_search.exports", "gallery.css") + template("amogus_search.evaluation", "report.css")
    made, data = report["made"], report["data"]
    sections = [_section(number, one, cases.get(one["name"], ((), ())), made) for number, one in enumerate(data)]
    links = [f'<a href="#set-{number}">{_text(one["name"])}</a>' for number, one in enumerate(data)]
    return filled(
        template("amogus_search.evaluation", "report.html"),
        {
            "policy": policy(style),
            "title": "Detector report",
            "subtitle": _text(_subtitle(made)),
            "style": style,
            "contents": "".join(links) if len(links) > 1 else "",
            "comparison": _comparison(changes),
            "sections": "\n".join(sections),
        },
    )


def _subtitle(made: Mapping[str, Any]) -> str:
    words = [f"{name.replace('_', ' ')} {value}" for name, value in made.items() if value not in (None, "", False)]
    return " · ".join(words)


def _section(number: int, data: Mapping[str, Any], cases: tuple[Sequence[Shown], Sequence[Shown]], made: Any) -> str:
    misses, false = cases
    about = (
        f"{data['pictures']:,} pictures · {data['true']:,} true boxes · {data['findings']:,} findings"
        f" of any confidence · labels and pictures {data['digest'][:12]}"
    )
    if data["worth"]:
        about += " · in the mix " + ", ".join(f"{name}: {worth:g}" for name, worth in data["worth"].items())
    parts = [
        f'<section class="set" id="set-{number}"><h2>{_text(data["name"])}</h2><p class="about">{_text(about)}</p>',
        _tiles(data["metrics"]),
        '<div class="plots">' + "".join(f'<figure class="plot">{plot}</figure>' for plot in page_plots.plots(data)),
        "</div>",
        _levels(data["levels"]),
        _sizes(data["sizes"]) if data["true"] else "",
        _gallery("Worst misses", misses, _MISSES.format(threshold=made["threshold"])),
        _gallery("Worst false findings", false, _FALSE.format(threshold=made["threshold"])),
        "</section>",
    ]
    return "\n".join(parts)


_KEYS = '<span class="key"></span>true box <span class="key key-found"></span>finding. '
_MISSES = '<span class="key key-missed"></span>missed ' + _KEYS + "Not found at {threshold:g}; the largest first."
_FALSE = _KEYS + "The highest score first; below {threshold:g} they do not count."


def _tiles(metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    cells = [
        f'<div class="tile"><dt>{words}</dt><dd>{_number(metrics[name]["value"], name)}</dd>'
        f"<small>{_range(metrics[name], name)}</small></div>"
        for name, words in _TILES.items()
    ]
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def _levels(levels: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{row['name']} <small>from {row['threshold']:g}</small>",
            f"{row['target']:.2f}",
            _with_range(row, "precision"),
            _number(row["recall"]),
            f"{row['findings']:,}",
            f"{row['false']:,}",
            _number(row["false_per_100"], "false_per_100")
            + f" <small>{_ends(row['false_low'], row['false_high'], 1)}</small>",
            _rarity(row),
        ]
        for row in levels
    ]
    names = ("level", "least precision", "precision", "recall", "findings", "false", "false in 100", "rarity")
    return (
        '<h3>Strictness</h3><p class="about">Amogusness is the share of such findings that are real, so of all findings'
        " from a level on at least that share should be. Rarity: one ordinary photo in so many has a finding this"
        " good, by the background photos of the calibration. Small figures are 95 % intervals.</p>"
    ) + _table(names, rows)


def _rarity(row: Mapping[str, Any]) -> str:
    if row["rarity"] is None:
        return "–"
    high = "" if row["rarity_high"] is None else f"{row['rarity_high']:,.0f}"
    return f"1 in {row['rarity']:,.0f} <small>{row['rarity_low']:,.0f} to {high or '∞'}</small>"


def _sizes(sizes: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{row['band']} px <small>{row['frame']}</small>",
            f"{row['true']:,}",
            _number(row["ap50"]["value"]) + f" <small>{_range(row['ap50'])}</small>",
            _number(row["recall"]["value"]) + f" <small>{_range(row['recall'])}</small>",
        ]
        for row in sizes
    ]
    return (
        '<h3>By size</h3><p class="about">Height of the true box: in pixels of the picture (image), and as the detector'
        " saw it in the window with the largest zoom (input).</p>"
    ) + _table(("height", "true boxes", "AP50", "recall"), rows)


def _comparison(changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    rows = [
        [
            f"{_TILES[c.metric]} <small>{_text(c.data)}</small>",
            _number(c.before, c.metric),
            _number(c.now, c.metric),
            "–" if c.change is None else f"{c.change:+.4f}",
            "–" if c.noise is None else f"± {c.noise:.4f}",
            f'<span class="{c.verdict.replace(" ", "-")}">{c.verdict}</span>',
        ]
        for c in changes
    ]
    return (
        '<section class="set"><h2>Against the baseline</h2><p class="about">The band holds 99 % of the changes that'
        " chance alone makes on these pictures.</p>"
        + _table(("metric", "before", "now", "change", "noise", "verdict"), rows)
        + "</section>"
    )


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _gallery(title: str, cases: Sequence[Shown], about: str) -> str:
    if not cases:
        return ""
    cards = "".join(_card(one) for one in cases)
    return f'<h3>{title}</h3><p class="about">{about}</p><ul class="cases">{cards}</ul>'


def _card(one: Shown) -> str:
    case, (height, width) = one.case, one.pixels.shape[:2]
    pixelated = ' class="is-pixelated"' if max(width, height) <= LOSSLESS_PX else ""
    boxes = [("under", box) for box in (*one.true, *one.missed, *one.found)]
    boxes += [(name, box) for name in ("true", "missed", "found") for box in getattr(one, name)]
    marks = "".join(
        f'<rect class="{name}" x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"/>'
        for name, (x1, y1, x2, y2) in boxes
    )
    path = _text(case.image.path.name)
    return (
        f'<li class="case"><svg class="case-view" viewBox="0 0 {width} {height}" role="img" aria-label="{path}">'
        f'<image{pixelated} href="{picture_uri(one.pixels)}" width="{width}" height="{height}"/>{marks}</svg>'
        f'<div class="case-text"><p class="case-words">{_words(one)}</p>{_parts(one)}'
        f'<p class="path" title="{_text(str(case.image.path))}">{path}</p></div></li>'
    )


def _words(one: Shown) -> str:
    case = one.case
    size = f"seen {case.seen_px:.0f} px tall"
    if case.kind == "miss":
        if math.isnan(case.score):
            return f"nothing found here · {size}"
        return f"nearest finding <b>{case.score:.2f}</b>, IoU {case.overlap:.2f} · {size}"
    near = f" · IoU {case.overlap:.2f} with a true box" if case.overlap > 0 else ""
    return f"<b>{case.score:.2f}</b> (confidence {float(case.finding.confidence[0]):.2f}) · {size}{near}"


def _parts(one: Shown) -> str:
    finding = one.case.finding
    if not len(finding) or not finding.evidence_names:
        return ""
    rows = zip(finding.evidence_names, np.clip(finding.evidence[0], 0, 1), strict=True)
    cells = [
        f'<span>{_text(name)}<svg viewBox="0 0 100 5" preserveAspectRatio="none" role="img"'
        f' aria-label="{share:.2f}"><rect width="{100 * share:.0f}" height="5"/></svg></span>'
        for name, share in rows
    ]
    return f'<div class="parts">{"".join(cells)}</div>'


def _number(value: float | None, name: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if name == "false_per_100" else f"{value:.3f}"


def _range(bounded: Mapping[str, float | None], name: str = "") -> str:
    return _ends(bounded["low"], bounded["high"], 1 if name == "false_per_100" else 3)


def _with_range(row: Mapping[str, Any], name: str) -> str:
    return f"{_number(row[name])} <small>{_ends(row[f'{name}_low'], row[f'{name}_high'], 3)}</small>"


def _ends(low: float | None, high: float | None, decimals: int) -> str:
    return "" if low is None or high is None else f"{low:.{decimals}f} to {high:.{decimals}f}"


def _text(value: str) -> str:
    return html.escape(one_line(value))
