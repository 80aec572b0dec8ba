"""Blurs that stay true when they are made small, and seams that cannot be seen."""

import cv2
import numpy as np

from amogus_search.converters.blending import blend, blurred

RNG = np.random.default_rng(0)


def test_a_wide_blur_is_what_it_would_be_without_the_detour():
    picture = RNG.random((160, 200, 3)).astype(np.float32) * 255
    exact = cv2.GaussianBlur(picture, (0, 0), 13)
    inside = np.s_[30:-30, 30:-30]
    assert np.abs(blurred(picture, 13) - exact)[inside].mean() < 2


def test_without_coverage_the_ground_stays_as_it_is():
    ground = RNG.random((40, 50, 3)).astype(np.float32) * 255
    mixed = blend(ground, ground * 0, np.zeros((40, 50), np.float32), 3)
    np.testing.assert_allclose(mixed, ground, atol=0.01)


def test_full_coverage_gives_the_paint():
    paint = RNG.random((40, 50, 3)).astype(np.float32) * 255
    mixed = blend(paint * 0, paint, np.ones((40, 50), np.float32), 3)
    np.testing.assert_allclose(mixed, paint, atol=0.01)


def test_more_levels_make_a_wider_seam():
    ground, paint = np.zeros((64, 64, 3), np.float32), np.full((64, 64, 3), 200, np.float32)
    alpha = np.zeros((64, 64), np.float32)
    alpha[:, 32:] = 1
    widths = [
        ((one := blend(ground, paint, alpha, levels)[32, :, 0]) > 5).sum() + (one < 195).sum() for levels in (0, 3)
    ]
    assert widths[1] > widths[0]


def test_a_picture_of_one_pixel_can_be_blended():
    one = np.ones((1, 1, 3), np.float32)
    assert blend(one, one * 2, np.ones((1, 1), np.float32), 4).item(0) == 2
