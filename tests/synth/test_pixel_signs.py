"""Letters, hearts and faces on the grid: none of them is an amogus."""

import numpy as np

from amogus_search.core.types import Pixels
from amogus_search.synth.pixel_signs import paint_signs, random_sign


def test_every_sign_is_a_small_grid_of_ground_ink_and_a_second_colour() -> None:
    rng = np.random.default_rng(0)
    signs = [random_sign(rng) for _ in range(300)]
    assert {side for sign in signs for side in sign.shape} <= set(range(2, 17))
    assert all(set(np.unique(sign)) <= {0, 1, 2} and (sign == 1).any() for sign in signs)
    assert len({sign.tobytes() for sign in signs}) > 40


def test_a_bordered_sign_has_its_second_colour_all_around_its_ink() -> None:
    """People outline letters on a canvas as they outline crewmates, so the outline must say nothing."""
    rng = np.random.default_rng(1)
    bordered = [s for s in (random_sign(rng) for _ in range(200)) if not (s[0] == 1).any() and (s[0] == 2).any()]
    assert bordered
    for sign in bordered:
        ink = np.argwhere(sign == 1)
        assert (ink > 0).all()
        assert (ink < np.array(sign.shape) - 1).all()


def test_signs_are_painted_in_colours_of_the_canvas_and_only_there() -> None:
    colours: Pixels = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)
    grid = np.full((40, 40, 3), 7, np.uint8)
    paint_signs(np.random.default_rng(3), grid, colours, 8)
    seen = {tuple(cell) for cell in grid.reshape(-1, 3).tolist()}
    assert seen == {(7, 7, 7), (255, 0, 0), (0, 0, 255)}


def test_the_same_seed_paints_the_same_signs() -> None:
    grids = [np.zeros((30, 30, 3), np.uint8) for _ in range(2)]
    for grid in grids:
        paint_signs(np.random.default_rng(5), grid, np.array([[9, 9, 9], [1, 2, 3]], np.uint8), 6)
    assert (grids[0] == grids[1]).all()
