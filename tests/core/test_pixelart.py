import numpy as np
import pytest

from amogus_search.core.pixelart import is_pixel_art, read_cells


def art(seed=3, size_hw=(20, 30), colours=6):
    return (np.random.default_rng(seed).integers(0, colours, (*size_hw, 1)) * [[[40, 30, 20]]]).astype(np.uint8)


@pytest.mark.parametrize("side", [2, 3, 8, 17])
def test_enlarged_cells_are_read_back_whole(side):
    cells = read_cells(art().repeat(side, axis=0).repeat(side, axis=1))
    assert np.array_equal(cells.codes, read_cells(art()).codes)
    assert cells.x_edges.tolist() == list(range(0, 30 * side + 1, side))


def test_a_window_that_cuts_cells_keeps_the_cut_ones():
    cells = read_cells(art().repeat(4, axis=0).repeat(4, axis=1)[3:-1, 2:])
    assert np.array_equal(cells.codes, read_cells(art()).codes)
    assert cells.x_edges[:3].tolist() == [0, 2, 6]
    assert cells.y_edges[:3].tolist() == [0, 1, 5]
    assert (cells.x_edges[-1], cells.y_edges[-1]) == (118, 76)


def test_a_picture_that_is_not_enlarged_has_a_cell_for_each_pixel():
    assert read_cells(art()).codes.shape == (20, 30)
    assert read_cells(np.zeros((5, 7, 3), np.uint8)).codes.shape == (5, 7)


def test_few_colours_in_flat_cells_are_pixel_art():
    assert is_pixel_art(art().repeat(2, axis=0).repeat(2, axis=1))


def test_grey_photos_and_dithered_ones_are_not():
    rng = np.random.default_rng(0)
    grey = rng.normal(128, 40, (90, 120, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=2)
    assert not is_pixel_art(grey)
    assert not is_pixel_art(art(size_hw=(90, 120), colours=16))
    assert not is_pixel_art(np.zeros((4, 1, 3), np.uint8))
