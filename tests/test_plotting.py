"""Plots as SVG text: well-formed, the same every time, and harmless inside a strict page."""

import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from amogus_search.errors import MissingExtraError
from amogus_search.plotting import Axes, Series, bar_chart, histogram, line_chart, reliability_chart, require

pytest.importorskip("matplotlib")

X = np.arange(5)


def drawings():
    yield line_chart([Series(X, X**2, "a"), Series(X, X, look="dashed")], Axes("Title", "x", "y", y_log=True))
    yield reliability_chart([0.1, 0.9], [0.2, 0.8])
    yield bar_chart(["small", "large"], [("a", [0.5, np.nan]), ("b", [1, 0])])
    yield histogram([("real", [0.1, 0.2, np.nan]), ("false", [0.9])], Axes(x_range=(0, 1)), bins=10)


def test_every_plot_is_one_svg_element():
    for drawing in drawings():
        assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_arrays_give_the_same_text():
    assert list(drawings()) == list(drawings())


def test_the_users_own_settings_do_not_count():
    import matplotlib as mpl

    before = next(drawings())
    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "white", "svg.fonttype": "none"}):
        assert next(drawings()) == before


def test_a_plot_needs_no_inline_style():
    """A page with a strict content security policy would drop it, and everything would be black."""
    for drawing in drawings():
        assert "style" not in drawing
        assert "<script" not in drawing


def test_empty_and_missing_values_are_drawn_as_nothing():
    for drawing in (line_chart([Series([], [])]), histogram([("none", [])]), reliability_chart([], [])):
        assert ET.fromstring(drawing).tag.endswith("svg")


def test_a_title_is_text_and_never_markup():
    assert "<script" not in line_chart([Series(X, X, "<script>")], Axes("<script>alert(1)</script>"))


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"amogus_search\[eval\]"):
        line_chart([Series(X, X)])
    with pytest.raises(MissingExtraError):
        require()
