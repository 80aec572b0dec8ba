"""Crewmates laid into poses: what the renderer drew is found again, and keypoints may be missing or wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amogus_search.core.figure import Pose, coverage
from amogus_search.synth.crewmate import KEYPOINT_NAMES, crewmate_outline, random_crewmate
from amogus_search.synth.fitting import fit_crewmate, fit_person


def posed(crewmate, height=200.0, at=(300.0, 100.0)):
    """A crewmate's silhouette polygons, and the pose that a perfect detector would report."""
    outline = crewmate_outline(crewmate)
    outer = [p * height + at for name in ("backpack", "legs", "torso") for p in outline.parts[name]]
    every = np.concatenate(outer)
    box = np.array([*every.min(axis=0), *every.max(axis=0)], np.float32)
    points = {
        name: (float(x * height + at[0]), float(y * height + at[1]), float(v > 1.5))
        for name, (x, y, v) in zip(KEYPOINT_NAMES, outline.keypoints, strict=True)
    }
    return outer, Pose(box, points)


def overlap(polygons, figure, size=(700, 400)):
    drawn, fitted = coverage(polygons, size) > 0.5, figure.silhouette(size) > 0.5
    return (drawn & fitted).sum() / (drawn | fitted).sum()


def test_random_crewmates_are_covered_by_the_one_that_is_fitted():
    overlaps = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        outer, pose = posed(random_crewmate(rng, "game"))
        overlaps.append(overlap(outer, fit_crewmate(pose)))
    assert np.mean(overlaps) > 0.83
    assert np.min(overlaps) > 0.6


@pytest.mark.parametrize("facing", ["left", "right"])
def test_it_looks_where_the_visor_is(facing):
    for seed in range(60):
        crewmate = random_crewmate(np.random.default_rng(seed), "game")
        if crewmate.facing == facing:
            _, pose = posed(crewmate)
            assert fit_crewmate(pose).front == (1 if facing == "right" else -1)


def test_a_lying_one_is_fitted_lying():
    points = {"head": (300.0, 100.0, 1.0), "foot_left": (100.0, 80.0, 1.0), "foot_right": (100.0, 120.0, 1.0)}
    figure = fit_crewmate(Pose(np.array([98, 40, 302, 160], np.float32), points))
    assert figure.up[0] > 0.99


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-50, 450), st.floats(-50, 450), st.floats(0, 1)), min_size=7, max_size=7),
    st.floats(1, 300),
    st.floats(1, 300),
)
def test_whatever_the_keypoints_say_the_figure_stays_near_its_box(points, width, height):
    box = np.array([100, 100, 100 + width, 100 + height], np.float32)
    figure = fit_crewmate(Pose(box, dict(zip(KEYPOINT_NAMES, points, strict=True))))
    every = np.concatenate([polygon for polygons in figure.parts.values() for polygon in polygons])
    assert np.isfinite(every).all()
    assert figure.height_px <= 1.2 * np.hypot(width, height) + 1


def test_without_keypoints_the_box_is_filled_and_the_seed_turns_it():
    pose = Pose(np.array([10, 20, 110, 170], np.float32), {})
    assert {fit_crewmate(pose, seed).front for seed in range(12)} == {-1, 1}
    every = np.concatenate([p for polygons in fit_crewmate(pose).parts.values() for p in polygons])
    np.testing.assert_allclose(every[:, 1].min(), 20, atol=2)
    np.testing.assert_allclose(every[:, 1].max(), 170, atol=2)


def test_a_person_becomes_one_with_feet_where_the_ankles_are():
    points = {"left_ankle": (130.0, 395.0, 0.9), "right_ankle": (70.0, 395.0, 0.9), "left_hip": (115.0, 220.0, 0.9)}
    figure = fit_person(Pose(np.array([40, 10, 160, 410], np.float32), points))
    feet = sorted(float(leg[leg[:, 1].argmax(), 0]) for leg in figure.parts["legs"])
    np.testing.assert_allclose(feet, (70, 130), atol=30)
    torso = figure.parts["torso"][0]
    assert np.ptp(torso[:, 0]) >= 120  # as wide as the box, arms and all
