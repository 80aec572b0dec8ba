"""Persons cut off by the picture go on beyond it, stand one before the other, and wear something."""

import numpy as np
import pytest

from amogus_search.core.persons import back_to_front, beyond_picture, clothes_colour

SIZE = (400, 300)


def box(*corners):
    return np.array(corners, np.float32)


@pytest.mark.parametrize(
    "whole",
    [
        box(100, 20, 160, 200),  # nothing is cut off
        box(100, 20, 200, 299),  # it stands on the border
        box(0, 20, 140, 200),  # broad enough
        box(0, 50, 400, 200),  # both sides: nobody can tell
    ],
)
def test_a_whole_person_stays_as_it_is(whole):
    np.testing.assert_array_equal(beyond_picture(whole, SIZE), whole)


def test_a_bust_goes_on_below_the_picture_unless_its_feet_are_seen():
    bust = box(100, 60, 260, 299)
    x1, y1, x2, y2 = beyond_picture(bust, SIZE)
    assert (x1, y1, x2) == (100, 60, 260)
    assert y1 + 0.72 * (y2 - y1) > 300  # a crewmate's legs begin below the border
    np.testing.assert_array_equal(beyond_picture(bust, SIZE, has_feet=True), bust)


@pytest.mark.parametrize(("seen", "whole"), [((0, 40, 30, 240), (-50, 30)), ((380, 40, 400, 240), (380, 460))])
def test_half_a_person_goes_on_beside_the_picture(seen, whole):
    x1, y1, x2, y2 = beyond_picture(box(*seen), SIZE)
    assert (y1, y2) == (40, 240)
    np.testing.assert_allclose((x1, x2), whole)


def test_who_stands_lower_or_is_larger_stands_in_front():
    boxes = np.array([[0, 0, 90, 290], [50, 20, 80, 120], [0, 150, 40, 292], [60, 0, 100, 200]], np.float32)
    assert back_to_front(boxes, 300).tolist() == [1, 3, 2, 0]
    assert back_to_front(np.zeros((0, 4), np.float32), 300).tolist() == []


def scene(ground, clothes, skin=(210, 160, 130)):
    """Somebody in the middle; much of the box is ground."""
    rng = np.random.default_rng(0)
    pixels = np.empty((240, 160, 3), np.float64)
    pixels[:] = ground
    pixels[40:220, 65:95] = clothes
    pixels[30:60, 70:90] = skin
    pixels[105:117, 50:110] = skin
    return np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("clothes", [(230, 230, 230), (20, 30, 120), (25, 25, 28), (190, 30, 30)])
@pytest.mark.parametrize("ground", [(90, 140, 60), (170, 140, 90)])
def test_the_colour_is_that_of_the_clothes_and_not_of_the_meadow(ground, clothes):
    seen = clothes_colour(scene(ground, clothes), box(45, 30, 115, 220))
    assert np.abs(np.array(seen) - clothes).max() < 25


@pytest.mark.parametrize(
    "corners", [(0, 0, 160, 240), (-50, -20, 300, 700), (159, 239, 160, 240), (200, 300, 210, 320)]
)
def test_there_is_a_colour_whatever_the_box(corners):
    seen = clothes_colour(scene((90, 140, 60), (20, 30, 120)), box(*corners))
    assert all(0 <= value <= 255 for value in seen)
