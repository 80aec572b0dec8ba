"""What the diffusion model is told of a job."""

import numpy as np
import pytest

from amogus_search.converters.diffusion_conditions import (
    Sketch,
    asked_for,
    conditions,
    signed,
    styles,
    unsigned,
    wishes,
)

ATTRIBUTES = (
    *("backpack:no", "backpack:yes", "colour:blue", "colour:red", "crewmate", "facing:left", "hat", "hat:none"),
    *("hat:party hat", "kind:photo", "other", "style:3d", "style:pencil", "style:pencil sketch"),
)


def test_what_may_change_is_not_told():
    pixels = np.full((4, 4, 3), 255, np.uint8)
    mask = np.zeros((4, 4), np.float32)
    mask[:2] = 1
    given = conditions(pixels, mask, Sketch(np.zeros_like(mask), np.zeros_like(mask)))
    assert given.shape == (9, 4, 4)
    assert not given[:3, :2].any()
    assert (given[:3, 2:] == 1).all()


def test_a_sketch_tells_its_colours_where_they_belong_and_nothing_where_they_are_open():
    whole, visor = np.zeros((2, 4, 4), np.float32)
    whole[1:], visor[1] = 1, 1
    red = np.array([255, 0, 0], np.float32)
    told = Sketch(whole, visor, body=red).layers()
    np.testing.assert_array_equal(told[:2], [whole, visor])
    np.testing.assert_array_equal(told[2:, 2, 0], [1, -1, -1])
    assert not told[2:, :2].any()
    assert not Sketch(whole, visor).layers()[2:].any()


def test_pixels_survive_the_way_there_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(unsigned(signed(pixels)), pixels)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a photo of a red crewmate from among us, matching light and grain", {"colour:red"}),
        ("Blue amogus, PENCIL sketch", {"colour:blue", "style:pencil sketch"}),
        ("pencil", {"style:pencil"}),
        ("one with a party hat, looking left", {"hat", "hat:party hat", "facing:left"}),
        ("without a backpack", {"backpack:no"}),
        ("with a bag", {"backpack:yes"}),
        ("an aubergine", set()),
    ],
)
def test_a_prompt_asks_for_the_attributes_that_it_names(prompt, found):
    assert asked_for(prompt, ATTRIBUTES) == found


def test_a_wish_is_a_row_of_ones_at_what_is_asked_for():
    row = wishes({"colour:red", "colour:octarine"}, ATTRIBUTES)
    assert row.sum() == 1
    assert row[ATTRIBUTES.index("colour:red")] == 1


def test_styles_are_told_by_their_names():
    assert styles(ATTRIBUTES) == ("3d", "pencil", "pencil sketch")
