"""Polygons as coverage: exact areas, whichever way round, also beyond the picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amogus_search.core.figure import Figure, coverage

SQUARE = np.array([(2.0, 1.0), (6.0, 1.0), (6.0, 4.0), (2.0, 4.0)])


def test_whole_pixels_are_covered_exactly():
    expected = np.zeros((5, 8), np.float32)
    expected[1:4, 2:6] = 1
    np.testing.assert_array_equal(coverage([SQUARE], (8, 5)), expected)


def test_the_direction_of_a_polygon_does_not_matter():
    np.testing.assert_array_equal(coverage([SQUARE[::-1]], (8, 5)), coverage([SQUARE], (8, 5)))


@settings(deadline=None)
@given(st.floats(0, 3), st.floats(0, 3), st.floats(0.3, 4), st.floats(0.3, 4))
def test_a_rectangle_covers_its_area(x, y, width, height):
    box = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    # Down a pixel there are four samples, so a side may be off by a quarter of a row.
    assert coverage([box], (8, 8)).sum() == pytest.approx(width * height, abs=0.25 * width + 1e-3)


def test_a_disc_covers_its_area():
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    disc = 20 + 15.3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert coverage([disc], (40, 40)).sum() == pytest.approx(np.pi * 15.3**2, rel=2e-3)


def test_what_sticks_out_of_the_picture_is_cut_off():
    expected = np.ones((3, 3), np.float32)
    np.testing.assert_allclose(coverage([SQUARE * 100 - 250], (3, 3)), expected)
    assert coverage([SQUARE + 50], (8, 5)).sum() == 0
    assert coverage([SQUARE - 50], (8, 5)).sum() == 0


def test_overlapping_polygons_are_covered_once():
    assert coverage([SQUARE, SQUARE], (8, 5)).max() == 1


def test_details_are_no_part_of_the_silhouette():
    figure = Figure({"torso": (SQUARE,), "visor": (SQUARE + 2,)}, 3.0, np.array([0.0, -1.0]))
    np.testing.assert_array_equal(figure.silhouette((10, 10)), coverage([SQUARE], (10, 10)))
    np.testing.assert_array_equal(figure.part("visor", (10, 10)), coverage([SQUARE + 2], (10, 10)))
    assert figure.part("hat", (10, 10)).sum() == 0


def test_a_figure_moves_with_its_height():
    figure = Figure({"torso": (SQUARE,)}, 3.0, np.array([0.0, -1.0])).moved(2, (1, 0))
    np.testing.assert_array_equal(figure.parts["torso"][0], SQUARE * 2 + [1, 0])
    assert figure.height_px == 6
