"""Masks end where they are said to end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amogus_search.core.conversion import MASKS, MaskOptions
from amogus_search.core.figure import Pose
from amogus_search.pipeline.masks import shape, soft_mask
from amogus_search.synth.fitting import fit_crewmate

SIZE = (120, 100)
BOX = np.array([40, 30, 80, 80], np.float32)
LITTLE, LITTLE_SIZE = np.array([12, 9, 28, 29], np.float32), (40, 38)
FIGURE = fit_crewmate(Pose(BOX, {}))


def mask(**options):
    return soft_mask(MaskOptions(**options), BOX, FIGURE, SIZE)


def distance(solid):
    """Of every pixel's centre to the nearest pixel's centre of the shape, the slow way."""
    rows, columns = np.nonzero(solid)
    grid = np.indices(solid.shape)
    return np.sqrt(((grid[0][..., None] - rows) ** 2 + (grid[1][..., None] - columns) ** 2).min(axis=-1))


def test_a_bare_box_is_exactly_the_box():
    expected = np.zeros((100, 120), np.float32)
    expected[30:80, 40:80] = 1
    np.testing.assert_array_equal(mask(kind="box", dilate=0, feather=0), expected)


def test_an_ellipse_lies_in_its_box_and_a_silhouette_has_legs():
    ellipse, silhouette = mask(kind="ellipse", dilate=0, feather=0), mask(dilate=0, feather=0)
    assert ellipse.sum() == pytest.approx(np.pi / 4 * 40 * 50, rel=0.03)
    foot = np.flatnonzero(silhouette[77])
    assert (np.diff(foot) > 1).sum() == 1  # two feet, one gap


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(MASKS), st.floats(-0.2, 0.5), st.floats(0, 0.5))
def test_beyond_the_feather_nothing_may_change_and_within_the_dilation_all_may(kind, dilate, feather):
    options = MaskOptions(kind, dilate, feather)
    figure = fit_crewmate(Pose(LITTLE, {}))
    found = soft_mask(options, LITTLE, figure, LITTLE_SIZE)
    away = distance(shape(options, LITTLE, figure, LITTLE_SIZE) >= 0.5)
    assert (found[away > max(0, dilate + feather) * 20 + 1] == 0).all()
    if dilate > 0:
        assert (found[away <= dilate * 20 - 1] == 1).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_negative_dilation_erodes():
    eroded = mask(kind="box", dilate=-0.1, feather=0)
    assert eroded.sum() == 30 * 40
    assert eroded[35:75, 45:75].all()


def test_the_smallest_box_has_a_mask():
    tiny = np.array([7.1, 7.1, 7.3, 7.3], np.float32)
    for kind in MASKS:
        assert soft_mask(MaskOptions(kind, 0, 0), tiny, fit_crewmate(Pose(tiny, {})), (16, 16)).max() == 1


def test_what_stands_in_front_stays():
    pole = np.array([(55, 0), (60, 0), (60, 100), (55, 100)], np.float64)
    kept = soft_mask(MaskOptions("box"), BOX, FIGURE, SIZE, [pole])
    assert (kept[:, 55:60] == 0).all()
    assert kept[50, 50] == kept[50, 65] == 1
