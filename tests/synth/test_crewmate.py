"""The parametric shape."""

import numpy as np
import pytest

from amogus_search.synth.crewmate import FLIP_IDX, KEYPOINT_NAMES, Crewmate, crewmate_outline, random_crewmate
from amogus_search.synth.hats import HATS
from amogus_search.synth.sprite import rasterize


def test_flip_idx_swaps_exactly_the_left_and_right_names():
    mirrored = [KEYPOINT_NAMES[i] for i in FLIP_IDX]
    swapped = [name.replace("left", "?").replace("right", "left").replace("?", "right") for name in KEYPOINT_NAMES]
    assert mirrored == swapped


def test_a_mirrored_crewmate_has_the_mirrored_keypoints():
    right = crewmate_outline(Crewmate(facing="right")).keypoints
    left = crewmate_outline(Crewmate(facing="left")).keypoints
    mirrored = right[list(FLIP_IDX)] * np.array([-1, 1, 1])
    np.testing.assert_allclose(left, mirrored, atol=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_left_keypoints_lie_left_of_right_ones(seed):
    points = crewmate_outline(random_crewmate(np.random.default_rng(seed))).keypoints
    assert points[1, 0] <= points[2, 0]
    assert points[5, 0] < points[6, 0]


def test_a_back_view_has_no_visor_and_no_visor_keypoints():
    outline = crewmate_outline(Crewmate(facing="back"))
    assert outline.parts["visor"] == ()
    assert (outline.keypoints[1:3, 2] == 0).all()


def test_without_backpack_its_keypoint_is_absent():
    assert crewmate_outline(Crewmate(backpack_width=0)).keypoints[3, 2] == 0


def test_feet_that_the_ground_swallows_are_hidden_not_absent():
    assert (crewmate_outline(Crewmate(feet_visible=False)).keypoints[5:, 2] == 1).all()


@pytest.mark.parametrize("hat", HATS)
def test_every_hat_rises_above_the_head(hat):
    polygons = crewmate_outline(Crewmate(hat=hat, lean=0, wobble=0)).parts["hat"]
    assert min(p[:, 1].min() for p in polygons) < 0


@pytest.mark.parametrize("seed", range(20))
def test_masks_hold_every_part_within_the_shape(seed):
    crewmate = random_crewmate(np.random.default_rng(seed))
    parts = rasterize(crewmate_outline(crewmate), 80)
    for mask in (parts.torso, parts.legs, parts.visor, parts.backpack, parts.hat):
        assert (mask <= parts.shape).all()
    border = np.concatenate([parts.shape[0], parts.shape[-1], parts.shape[:, 0], parts.shape[:, -1]])
    assert not border.any()
