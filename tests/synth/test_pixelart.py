"""Grid drawings and mosaics."""

import numpy as np
import pytest

from amogus_search.synth.mosaics import mosaic_canvas
from amogus_search.synth.pixelart import BODY, GROUND, OUTLINE, SHADE, VISOR, random_pixel_crewmate


@pytest.mark.parametrize("seed", range(60))
def test_a_grid_amogus_has_a_visor_and_two_legs(seed):
    drawing = random_pixel_crewmate(np.random.default_rng(seed))
    assert (drawing.cells == VISOR).sum() >= 1
    assert np.isin(drawing.cells, (BODY, SHADE)).sum() > (drawing.cells == VISOR).sum()
    crotch = drawing.keypoints[4]
    assert drawing.cells[min(int(crotch[1]), len(drawing.cells) - 1), int(crotch[0])] in (GROUND, OUTLINE)
    for foot in drawing.keypoints[5:]:
        assert 0 <= foot[0] <= drawing.cells.shape[1]
        assert 0 <= foot[1] <= drawing.cells.shape[0]


def test_the_mini_form_fits_four_by_five_cells():
    for seed in range(40):
        cells = random_pixel_crewmate(np.random.default_rng(seed), mini=True).cells
        assert cells.shape[0] <= 7
        assert cells.shape[1] <= 6


@pytest.mark.parametrize("seed", range(6))
def test_mosaic_boxes_lie_on_the_grid(seed):
    boxes, _, _ = mosaic_canvas(np.random.default_rng(seed), (160, 160), (), (3, 6)).truth()
    sizes = np.unique((boxes[:, 2:] - boxes[:, :2]).astype(int))
    assert all(size >= 9 for size in sizes)
