"""Captions say what was seen, and name the colour of the body rather than that of the visor or the ground."""

import numpy as np
import pytest

from amogus_search.exports.captions import caption, torso_colour


@pytest.mark.parametrize(
    ("colour", "evidence", "said"),
    [
        (
            "red",
            {"visor": 0.9, "legs": 0.6, "backpack": 0.8, "body": 0.9, "red": 0.9},
            " with visor, legs and backpack",
        ),
        ("red", {"visor": 0.9, "legs": 0.6, "backpack": 0.1}, " with visor and legs"),
        ("red", {"visor": 0.9, "legs": 0.2}, " with visor"),
        ("red", {"visor": 0.2}, ""),
        ("red", {}, ""),
    ],
)
def test_the_parts_that_were_seen_are_named(colour, evidence, said):
    assert caption(colour, evidence, "sks amogus") == f"a photo of a red sks amogus{said}"


def test_orange_takes_another_article():
    assert caption("orange", {}, "amogus") == "a photo of an orange amogus"


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        *(((197, 17, 17), "red"), ((19, 46, 209), "blue"), ((17, 127, 45), "green"), ((237, 84, 186), "pink")),
        *(((239, 125, 14), "orange"), ((245, 245, 87), "yellow"), ((20, 22, 26), "black"), ((230, 235, 240), "white")),
        *(((107, 49, 188), "purple"), ((113, 73, 30), "brown"), ((56, 254, 220), "cyan"), ((128, 128, 130), "grey")),
        *(((10, 40, 70), "blue"), ((240, 150, 140), "pink")),
    ],
)
def test_colours_have_their_everyday_names(rgb, name):
    assert torso_colour(np.full((20, 20, 3), rgb, np.uint8), np.float32([0, 0, 20, 20])) == name


def test_the_torso_counts_and_neither_the_visor_nor_the_ground():
    pixels = np.full((100, 100, 3), (40, 160, 60), np.uint8)
    pixels[10:90, 30:70] = (200, 20, 20)
    pixels[20:40, 35:75] = (150, 200, 220)
    assert torso_colour(pixels, np.float32([25, 10, 75, 90])) == "red"


def test_boxes_that_stick_out_have_a_colour_too():
    pixels = np.full((10, 10, 3), (200, 20, 20), np.uint8)
    for box in ([-50, -50, 5, 5], [9, 9, 200, 200], [3, 3, 3, 3]):
        assert torso_colour(pixels, np.float32(box)) == "red"
