"""Drawings are cut out of paper as a person would with scissors: ink and what it encloses, nothing of the paper."""

import cv2
import numpy as np
import pytest

from amogus_search.errors import AmogusError
from amogus_search.synth.cutout import cut_out
from amogus_search.synth.noise import grain

INK, RED = (30, 30, 40), (200, 40, 40)
SIZE = (300, 360)


def paper(tone=(245, 242, 235)):
    return np.full((*SIZE, 3), tone, np.float64)


def pen(page, draw, colour=INK, weight=5):
    """Draw onto the page with one of OpenCV's line functions, antialiased."""
    mask = np.zeros(SIZE, np.uint8)
    draw(mask, weight)
    page += (np.array(colour) - page) * (mask / 255.0)[..., None]
    return page


def circle(mask, weight, radius=80, centre=(180, 150)):
    cv2.circle(mask, centre, radius, 255, weight, cv2.LINE_AA)


def photographed(page, *, light=None, noise=1.5, seed=0):
    rng = np.random.default_rng(seed)
    lit = page * (1.0 if light is None else light[..., None])
    return np.clip(lit + noise * grain(rng, SIZE)[..., None], 0, 255).astype(np.uint8)


def cut(picture, name="test"):
    return cut_out(np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]), name)


def lamp(strength):
    """Light that falls off from a corner."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    return 1 - strength * np.hypot(x / SIZE[1], y / SIZE[0]) / np.sqrt(2)


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.55])
def test_a_pen_drawing_is_found_whole_whatever_the_lamp_does(strength):
    """At 0.55 the darkest paper is darker than half the brightest: no single threshold would do."""
    found = cut(photographed(pen(paper(), circle), light=lamp(strength)))
    height, width = found.shape.shape
    assert height == pytest.approx(165, abs=4)
    assert width == pytest.approx(165, abs=4)
    assert found.line_px == pytest.approx(6, abs=1.5)


def test_what_a_line_encloses_belongs_to_the_drawing_and_paper_around_does_not():
    found = cut(photographed(pen(paper(), circle), light=lamp(0.3)))
    middle = tuple(side // 2 for side in found.shape.shape)
    assert found.rgba[(*middle, 3)] == 255
    assert found.rgba[middle][:3].min() > 200  # it keeps the colour of the paper
    assert found.rgba[2, 2, 3] == 0
    assert found.detail[middle] == 0
    assert found.detail[middle[0], 2] > 127  # the line is the detail


def test_a_small_gap_in_the_outline_does_not_let_the_inside_run_out():
    def open_circle(mask, weight):
        cv2.ellipse(mask, (180, 150), (80, 80), 0, 4, 358, 255, weight, cv2.LINE_AA)

    found = cut(photographed(pen(paper(), open_circle)))
    middle = tuple(side // 2 for side in found.shape.shape)
    assert found.rgba[(*middle, 3)] == 255


def test_the_middle_of_a_ring_is_a_hole():
    """It is as thick as its hole is wide: nobody draws an outline so."""
    found = cut(photographed(pen(paper(), lambda mask, _: circle(mask, 40, 50), RED)))
    middle = tuple(side // 2 for side in found.shape.shape)
    assert found.rgba[(*middle, 3)] == 0
    assert found.shape[middle] == 255
    assert found.detail[middle] == 255


def test_a_painted_shape_has_its_second_colour_as_detail():
    page = pen(paper(), lambda mask, _: circle(mask, -1), RED)
    found = cut(photographed(pen(page, lambda mask, _: circle(mask, -1, 25), (240, 220, 60))))
    middle = tuple(side // 2 for side in found.shape.shape)
    assert found.detail[middle] > 200
    assert found.detail[middle[0], 20] < 30
    assert found.rgba[middle][:3].tolist() == pytest.approx([240, 220, 60], abs=12)


def test_pale_paint_beside_a_dark_line_is_ink_all_through():
    page = pen(paper(), lambda mask, _: circle(mask, -1), (215, 205, 160))
    found = cut(photographed(pen(page, circle)))
    assert (found.rgba[..., 3][found.shape > 200] == 255).mean() > 0.98


def test_strokes_that_enclose_nothing_stay_strokes():
    def cross(mask, weight):
        cv2.line(mask, (100, 80), (260, 220), 255, weight, cv2.LINE_AA)
        cv2.line(mask, (260, 80), (100, 220), 255, weight, cv2.LINE_AA)

    found = cut(photographed(pen(paper(), cross)))
    assert 0.03 < (found.shape > 127).mean() < 0.15


def test_specks_and_a_neighbours_doodle_fall_away():
    page = pen(paper(), circle)
    page = pen(page, lambda mask, _: circle(mask, -1, 3, (30, 30)))
    page = pen(page, lambda mask, _: circle(mask, 3, 10, (330, 270)))
    assert max(cut(photographed(page)).shape.shape) < 175


def test_borders_are_soft_and_show_no_fringe_of_paper():
    found = cut(photographed(pen(paper(), lambda mask, _: circle(mask, -1), RED), noise=0))
    alpha = found.rgba[..., 3]
    soft = (alpha > 0) & (alpha < 255)
    assert soft.any()
    assert np.abs(found.rgba[..., :3][soft].astype(int) - RED).max() < 25


def test_a_transparent_picture_is_taken_at_its_word():
    rgba = np.zeros((80, 100, 4), np.uint8)
    cv2.circle(rgba, (50, 40), 30, (*RED, 255), -1, cv2.LINE_AA)
    cv2.circle(rgba, (50, 40), 10, (0, 0, 0, 0), -1)
    found = cut_out(rgba)
    assert found.shape.shape == pytest.approx((61, 61), abs=2)
    assert found.shape[30, 30] == 0
    assert found.rgba[5, 30, :3].tolist() == list(RED)


def test_large_pictures_are_reduced_first():
    page = cv2.resize(photographed(pen(paper(), circle)), None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    assert max(cut(page).shape.shape) < 330


def test_blank_paper_is_refused_by_name():
    with pytest.raises(AmogusError, match=r"blank\.png: nothing is drawn"):
        cut(photographed(paper()), "blank.png")


def test_a_photograph_is_no_paper():
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    photo = cv2.resize(noise, (360, 300), interpolation=cv2.INTER_CUBIC)
    with pytest.raises(AmogusError, match=r"beach\.jpg: no plain paper") as caught:
        cut(photo, "beach.jpg")
    assert "transparent PNG" in caught.value.hint
