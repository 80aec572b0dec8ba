"""Names and captions over a picture."""

import numpy as np
import pytest

from amogus_search.synth.canvas import LEAST_VISIBLE, Canvas
from amogus_search.synth.compose import Placed
from amogus_search.synth.overlays import caption, lettering, name_tags, random_words
from amogus_search.synth.sprite import SpriteAttributes

RED = SpriteAttributes("red", "flat", False, None, "front")


def _canvas_with_one():
    canvas = Canvas(np.full((120, 160, 3), 90, np.uint8))
    block = Placed(np.full((40, 30, 4), 255, np.float32), np.full((40, 30), 255, np.uint8), 60, 50)
    canvas.add(block, np.tile(np.array([70, 70, 2], np.float32), (7, 1)), RED)
    return canvas


@pytest.mark.parametrize("seed", range(20))
def test_no_lettering_hides_most_of_an_amogus(seed):
    canvas, rng = _canvas_with_one(), np.random.default_rng(seed)
    name_tags(canvas, rng, 0.4)
    caption(canvas, rng, 0.4)
    assert (canvas.owner == 1).sum() >= LEAST_VISIBLE * 40 * 30


def test_a_name_stands_above_its_owner_and_moves_no_box():
    canvas = _canvas_with_one()
    before = canvas.image.copy()
    rng = np.random.default_rng(0)
    for _ in range(6):
        name_tags(canvas, rng, 0.4)
    changed = np.flatnonzero((canvas.image != before).any(axis=(1, 2)))
    assert changed.max() <= 55
    assert canvas.box(0).tolist() == [60, 50, 90, 90]


def test_lettering_is_drawn_in_its_ink_and_edge():
    line = lettering("sus", 20, (250, 10, 20), (0, 0, 0), 0)
    solid = line.rgba[line.shape > 250][:, :3]
    assert (np.abs(solid - (250, 10, 20)).max(1) < 8).any()
    assert (solid.max(1) < 8).any()


def test_words_are_as_many_as_asked():
    assert len(random_words(np.random.default_rng(2), 4).split()) == 4
