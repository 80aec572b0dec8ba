"""A small picture becomes a large one that is sharp along the figure and keeps the ground's own detail."""

import cv2
import numpy as np

from amogus_search.converters.diffusion_detail import enlarged, reduced, settled
from amogus_search.core.figure import Pose
from amogus_search.synth.fitting import fit_crewmate

SIZE = 256
FIGURE = fit_crewmate(Pose(np.array([60, 40, 200, 220], np.float32), {}))
INSIDE = FIGURE.silhouette((SIZE, SIZE))


def test_the_ground_keeps_its_grain_where_the_model_left_it_alone():
    crop = np.random.default_rng(0).integers(60, 200, (SIZE, SIZE, 3)).astype(np.uint8)
    small = np.rint(reduced(crop, 64)).astype(np.uint8)
    away = cv2.dilate(INSIDE, np.ones((25, 25))) < 0.01
    np.testing.assert_allclose(enlarged(small, crop, FIGURE, detail_inside=0)[away], crop[away], atol=2)


def test_the_border_of_the_figure_is_sharper_than_plain_enlargement_makes_it():
    crop = np.full((SIZE, SIZE, 3), 40, np.uint8)
    painted = crop + (INSIDE[..., None] * 180).astype(np.uint8)
    small = np.rint(reduced(painted, 64)).astype(np.uint8)
    plain = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    ours = enlarged(small, crop, FIGURE, detail_inside=0)
    assert np.abs(ours - painted).mean() < 0.5 * np.abs(plain - painted).mean()


def test_detail_within_the_figure_is_given_back_as_asked():
    rng = np.random.default_rng(0)
    crop = rng.integers(60, 200, (SIZE, SIZE, 3)).astype(np.uint8)
    small = np.full((64, 64, 3), 128, np.uint8)
    spread = [enlarged(small, crop, FIGURE, detail_inside=share)[INSIDE > 0.99].std() for share in (0.0, 0.5, 1.0)]
    assert spread[0] < 2 < spread[1] < spread[2]


def test_a_crop_smaller_than_the_model_works_too():
    crop = np.full((40, 24, 3), 90, np.uint8)
    figure = fit_crewmate(Pose(np.array([4, 6, 20, 34], np.float32), {}))
    assert enlarged(np.full((64, 64, 3), 90, np.uint8), crop, figure, detail_inside=0).shape == crop.shape


def test_blots_of_colour_are_taken_out_within_a_part_and_the_parts_keep_their_own():
    whole, visor = np.zeros((2, 64, 64), np.float32)
    whole[8:60, 12:52], visor[16:28, 16:40] = 1, 1
    clean = np.full((64, 64, 3), 120.0)
    clean[whole > 0], clean[visor > 0] = (190, 40, 30), (150, 200, 225)
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 90, clean.shape), (0, 0), 2)
    small = np.clip(clean + noise, 0, 255).astype(np.uint8)
    mask = np.ones((64, 64), np.float32)
    mask[:, :6] = 0
    after = settled(small, mask, whole, visor)
    hue = [
        cv2.cvtColor(picture.astype(np.uint8), cv2.COLOR_RGB2LAB)[..., 1:].astype(int)
        for picture in (clean, small, after)
    ]
    for part in (whole > visor, visor > 0):
        assert np.abs(hue[2] - hue[0])[part].mean() < 0.5 * np.abs(hue[1] - hue[0])[part].mean()
    assert np.abs(after[:, :6].astype(int) - small[:, :6]).max() <= 1
