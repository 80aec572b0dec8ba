"""What a patch tells a painter: measured on patches that were made so."""

import cv2
import numpy as np
import pytest

from amogus_search.converters.patch import blur_px, grain, look

RNG = np.random.default_rng(3)


def edges(sigma):
    picture = np.zeros((120, 120), np.float32)
    picture[:, 40:80] = 200
    picture[30:60] = 90
    return cv2.GaussianBlur(picture, (0, 0), sigma)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_the_blur_of_edges_is_measured(sigma):
    assert blur_px(edges(sigma)) == pytest.approx(sigma, rel=0.25)


def test_a_patch_without_edges_is_not_called_blurred():
    assert blur_px(np.full((50, 50), 128, np.float32)) <= 0.5
    assert blur_px(np.zeros((1, 1), np.float32)) <= 0.5


@pytest.mark.parametrize("sigma", [0.0, 3.0, 8.0])
def test_grain_is_measured_beside_edges(sigma):
    noisy = edges(1.5) + RNG.normal(0, 1, (120, 120)).astype(np.float32) * sigma
    assert grain(noisy) == pytest.approx(sigma, abs=0.6)


def looked_at(crop, inside=None, between=None):
    height, width = crop.shape[:2]
    whole = np.zeros((height, width), np.float32)
    whole[height // 4 : -height // 4, width // 4 : -width // 4] = 1
    return look(crop, whole if inside is None else inside, np.zeros_like(whole) if between is None else between)


def test_the_colour_is_that_of_the_region_not_of_its_surroundings():
    crop = np.full((60, 60, 3), (30, 160, 40), np.uint8)
    crop[15:45, 15:45] = (200, 30, 30)
    crop[20:26, 20:40] = 255
    seen = looked_at(crop)
    assert seen.coloured
    np.testing.assert_allclose(seen.colour, (200, 30, 30), atol=4)
    assert seen.tint[1] > 1 > seen.tint[0]


def test_something_grey_has_no_colour():
    crop = np.full((60, 60, 3), 120, np.uint8)
    assert not looked_at(crop).coloured
    np.testing.assert_allclose(looked_at(crop).colour, 120, atol=1)


def test_light_comes_from_where_it_is_brighter():
    ramp = np.tile(np.linspace(40, 220, 80, dtype=np.uint8), (80, 1))
    right = looked_at(np.dstack([ramp] * 3)).light
    left = looked_at(np.dstack([ramp[:, ::-1]] * 3)).light
    assert right[0] > 0.2 > -0.2 > left[0]
    assert right[1] < 0  # and mostly from above


def test_a_sheet_of_paper_and_pixel_art_are_told_from_photos():
    paper = np.full((60, 60, 3), 244, np.uint8)
    paper[20:40, 28:31] = 40
    cells = np.kron(RNG.integers(0, 2, (10, 10)), np.ones((6, 6), int))[..., None] * np.array([220, 10, 90])
    photo = RNG.integers(0, 255, (60, 60, 3)).astype(np.uint8)
    assert [looked_at(crop.astype(np.uint8)).paper for crop in (paper, cells, photo)] == [True, False, False]
    assert [looked_at(crop.astype(np.uint8)).pixel_art for crop in (paper, cells, photo)] == [True, True, False]


def test_a_gap_that_looks_like_the_body_is_filled_by_it():
    crop = np.full((60, 60, 3), (200, 30, 30), np.uint8)
    gap = np.zeros((60, 60), np.float32)
    gap[40:45, 28:32] = 1
    assert looked_at(crop, between=gap).solid
    crop[gap > 0] = (40, 40, 200)
    assert not looked_at(crop, between=gap).solid
