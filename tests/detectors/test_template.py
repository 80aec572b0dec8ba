import numpy as np
import pytest

from amogus_search.detectors.template import TemplateDetector, figures

GROUND, BODY, VISOR, OTHER = (40, 90, 200), (230, 20, 20), (90, 230, 250), (250, 250, 120)
CLASSIC = """
 BBB
BBVV
BBBB
 BBB
 B B
"""


def canvas(drawing, size_wh=(30, 24), at=(9, 7), colours=None):
    """A canvas of one colour with a drawing on it, one character a cell."""
    table = {"B": BODY, "V": VISOR, "W": OTHER, "G": GROUND, **(colours or {})}
    pixels = np.full((size_wh[1], size_wh[0], 3), GROUND, np.uint8)
    for y, row in enumerate(drawing.strip("\n").splitlines()):
        for x, mark in enumerate(row):
            if mark != " ":
                pixels[at[1] + y, at[0] + x] = table[mark]
    return pixels


def boxes(pixels):
    return TemplateDetector().detect_tiles(pixels[None])[0].xyxy.tolist()


def test_a_crewmate_of_the_canvas_is_found_with_its_backpack():
    found = TemplateDetector().detect_tiles(canvas(CLASSIC)[None])[0]
    assert found.xyxy.tolist() == [[9, 7, 13, 12]]
    assert found.confidence.tolist() == [1.0]


def test_one_that_looks_to_the_left_is_found_too():
    assert boxes(canvas(CLASSIC)[:, ::-1]) == [[17, 7, 21, 12]]


@pytest.mark.parametrize(
    "drawing",
    [
        " BBB\nBBVV\nBBBB\n B B",
        " BBB\nBBVV\n BBB\n B B\n B B",
        " BBBB\nBBVVV\nBBBBB\nBBBBB\n B  B",
        " BBBBB\n BBVVV\nBBBBBB\nBBBBBB\n BB BB\n BB BB",
    ],
)
def test_several_sizes_and_builds_are_known(drawing):
    rows = drawing.splitlines()
    assert boxes(canvas(drawing)) == [[9, 7, 9 + len(rows[1]), 7 + len(rows)] if rows[1][0] == "B" else [9, 7, 15, 13]]


def test_a_visor_of_two_colours_counts_a_little_less():
    found = TemplateDetector().detect_tiles(canvas(CLASSIC.replace("VV", "VW"))[None])[0]
    assert found.confidence.tolist() == pytest.approx([0.9])


def test_letters_are_no_crewmates():
    """In an R or an F what would be the visor is the ground itself, and goes on before it."""
    assert boxes(canvas(CLASSIC.replace("VV", "GG"))) == []
    assert boxes(canvas(" BBB\nBBVVVV\nBBBB\n BBB\n B B")) == []


def test_a_body_without_a_gap_or_of_two_colours_is_none():
    assert boxes(canvas(CLASSIC.replace(" B B", " BBB"))) == []
    assert boxes(canvas(CLASSIC.replace("BBVV", "BWVV"))) == []


def test_one_that_stands_in_a_field_of_its_own_colour_is_none():
    assert boxes(canvas(CLASSIC, colours={"B": GROUND})) == []


def test_a_crowd_shoulder_to_shoulder_is_counted():
    pixels = canvas(CLASSIC)
    for column in range(3):
        pixels[7:12, 4 + 5 * column : 8 + 5 * column] = canvas(CLASSIC)[7:12, 9:13]
    assert len(boxes(pixels)) == 3


def test_enlarged_pixel_art_is_found_at_its_place_even_when_a_tile_cuts_its_blocks():
    large = canvas(CLASSIC).repeat(7, axis=0).repeat(7, axis=1)
    assert boxes(large) == [[63, 49, 91, 84]]
    assert boxes(large[3:, 5:]) == [[58, 46, 86, 81]]


def test_it_stands_at_the_edge_of_the_picture():
    assert boxes(canvas(CLASSIC)[7:, 9:]) == [[0, 0, 4, 5]]


def test_noise_and_flat_colour_hold_nothing():
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    assert boxes(noise) == boxes(np.zeros((40, 40, 3), np.uint8)) == []
    assert TemplateDetector().detect_tiles(np.zeros((0, 64, 64, 3), np.uint8)) == []


def test_no_rule_is_there_twice():
    assert len(set(figures())) == len(figures())
