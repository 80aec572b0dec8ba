"""The one door to matplotlib: plain arrays in, one SVG drawing as text out.

Only figures and the SVG writer are used, never `pyplot`, so nothing looks for a screen, and two threads do not share a
figure. The same arrays give the same text: identifiers are salted hashes, there is no date, and the user's own
matplotlib settings do not count. Every style is a presentation attribute, so that a drawing may stand inside a page
whose content security policy forbids inline styles; letters are outlines, so that it looks the same everywhere.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import ArrayLike

from amogus_search.errors import MissingExtraError

PANEL, GRID, TEXT, MUTED = "#111a2c", "#24344f", "#e8eef9", "#a3b3cd"
COLOURS = ("#67e6dc", "#ff5c6c", "#ffc857", "#8ea4c8", "#b58cff", "#7ddf64")
"""Of the series in their order; the same hues as in the gallery."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_STYLES = {
    "svg.fonttype": "path",
    "svg.hashsalt": "amogus_search",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "figure.facecolor": PANEL,
    "axes.facecolor": PANEL,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": TEXT,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": TEXT,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "savefig.facecolor": PANEL,
}


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    x, y: (n,) numbers; NaN leaves a gap
    name: for the legend; empty: none
    look: "line", "dashed" (a reference), "steps" or "points"
    """

    x: ArrayLike
    y: ArrayLike
    name: str = ""
    look: Literal["line", "dashed", "steps", "points"] = "line"


@dataclass(frozen=True)
class Axes:
    """What stands around a chart.

    title, x, y:      plain text
    x_range, y_range: lowest and highest value shown; None: what the data needs
    x_log, y_log:     logarithmic axis; values of 0 and below are left out
    size_inches:      width and height (72 SVG points an inch)
    """

    title: str = ""
    x: str = ""
    y: str = ""
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_log: bool = False
    y_log: bool = False
    size_inches: tuple[float, float] = (5.6, 3.6)


def require() -> None:
    """Find out early whether plots can be drawn, before an hour's work that ends in one.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `eval`).
    """
    _library()


def line_chart(series: Sequence[Series], axes: Axes | None = None) -> str:
    """Lines over common axes, as SVG text.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `eval`).
    """

    def draw(plot: Any) -> None:
        for number, one in enumerate(series):
            look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1.8}
            if one.look == "dashed":
                look = {"color": MUTED, "linewidth": 1.1, "linestyle": (0, (4, 3))}
            elif one.look == "steps":
                look["drawstyle"] = "steps-post"
            elif one.look == "points":
                look |= {"linestyle": "none", "marker": "o", "markersize": 3.5}
            plot.plot(np.asarray(one.x, float), np.asarray(one.y, float), label=one.name or None, **look)

    return _drawn(draw, axes or Axes(), legend=any(one.name for one in series))


def reliability_chart(stated: ArrayLike, seen: ArrayLike, axes: Axes | None = None) -> str:
    """Stated probability against the share that was real: a bar a bin, and the diagonal of an honest score.

    Args:
        stated: (bins,) mean probability of each bin.
        seen: (bins,) share of real ones in it.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `eval`).
    """
    x, y = np.asarray(stated, float), np.asarray(seen, float)

    def draw(plot: Any) -> None:
        plot.plot([0, 1], [0, 1], color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)), label="honest")
        plot.bar(x, y, width=0.022, color=COLOURS[0], alpha=0.6, label="real")
        plot.vlines(x, np.minimum(x, y), np.maximum(x, y), color=COLOURS[1], linewidth=1.6, label="off by")

    around = axes or Axes("Reliability", "stated", "share that was real")
    if around.x_range is None and around.y_range is None:
        around = _with_ranges(around, (-0.03, 1.03), (0.0, 1.08))
    return _drawn(draw, around, legend=True)


def bar_chart(names: Sequence[str], groups: Sequence[tuple[str, ArrayLike]], axes: Axes | None = None) -> str:
    """Values by name, the groups side by side, as SVG text; NaN leaves a gap.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `eval`).
    """
    places, width = np.arange(len(names)), 0.8 / max(1, len(groups))

    def draw(plot: Any) -> None:
        for number, (name, values) in enumerate(groups):
            heights = np.asarray(values, float)
            x = places + (number - (len(groups) - 1) / 2) * width
            plot.bar(x, np.nan_to_num(heights), width * 0.92, color=COLOURS[number % len(COLOURS)], label=name or None)
            for at, height in zip(x, heights, strict=True):
                said = f"{height:.2f}" if np.isfinite(height) else "–"
                plot.text(at, np.nan_to_num(height), said, ha="center", va="bottom", fontsize=7, color=MUTED)
        plot.set_xticks(places, list(names))
        plot.grid(axis="x", visible=False)

    return _drawn(draw, axes or Axes(), legend=any(name for name, _ in groups))


def histogram(groups: Sequence[tuple[str, ArrayLike]], axes: Axes | None = None, *, bins: int = 30) -> str:
    """How often each value occurs: one translucent outline a group over common bins, as SVG text.

    Args:
        groups: (name, (n,) values) each; values that are not finite are left out.
        bins: so many over the range of all values, or over `axes.x_range`.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `eval`).
    """
    around = axes or Axes()
    values = [np.asarray(given, float).reshape(-1) for _, given in groups]
    finite = [one[np.isfinite(one)] for one in values]
    edges = np.histogram_bin_edges(np.concatenate([np.zeros(0), *finite]), bins, around.x_range)

    def draw(plot: Any) -> None:
        for number, ((name, _), one) in enumerate(zip(groups, finite, strict=True)):
            colour = COLOURS[number % len(COLOURS)]
            # A logarithmic axis has no place for none: half a one stands for it, at the foot of the plot.
            foot = 0.5 if around.y_log else 0.0
            counts = np.maximum(np.histogram(one, edges)[0], foot)
            plot.stairs(counts, edges, fill=True, baseline=foot, color=colour, alpha=0.35)
            plot.stairs(counts, edges, baseline=foot, color=colour, linewidth=1.4, label=name or None)
            plot.set_ylim(bottom=foot)

    return _drawn(draw, around, legend=any(name for name, _ in groups))


def _with_ranges(axes: Axes, x_range: tuple[float, float], y_range: tuple[float, float]) -> Axes:
    return Axes(axes.title, axes.x, axes.y, x_range, y_range, axes.x_log, axes.y_log, axes.size_inches)


def _library() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("drawing plots needs matplotlib", 'pip install "amogus_search[eval]"') from error
    return mpl


def _drawn(draw: Callable[[Any], None], axes: Axes, *, legend: bool) -> str:
    mpl = _library()
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLES)
        figure = Figure(figsize=axes.size_inches, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        plot = figure.add_subplot()
        _dress(plot, axes)
        draw(plot)
        if legend:
            plot.legend()
        stream = io.StringIO()
        canvas.print_svg(stream, metadata={"Date": None, "Creator": None})
    return _plain(stream.getvalue(), axes.title)


def _dress(plot: Any, axes: Axes) -> None:
    plot.set(title=axes.title, xlabel=axes.x, ylabel=axes.y)
    if axes.x_log:
        plot.set_xscale("log", nonpositive="mask")
    if axes.y_log:
        plot.set_yscale("log", nonpositive="mask")
    if axes.x_range:
        plot.set_xlim(axes.x_range)
    if axes.y_range:
        plot.set_ylim(axes.y_range)


def _plain(svg: str, title: str) -> str:
    """The drawing as one element that may stand in any page: no prologue, metadata, style sheet or style attribute."""
    root = ET.fromstring(svg)  # noqa: S314  # written by matplotlib a moment ago
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for name, value in re.findall(r"([\w-]+)\s*:\s*([^;]+)", element.attrib.pop("style", "")):
            element.set(name, value.strip())
        if element.tag == f"{{{_SVG}}}g":
            element.attrib.pop("id", None)
    # What matplotlib's style sheet says for every element.
    root.set("stroke-linejoin", "round")
    root.set("role", "img")
    root.set("aria-label", title or "plot")
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode") + "\n"
