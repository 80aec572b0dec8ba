"""The ascent with an objective that needs no network: it wants a bright disc where the places are."""

import dataclasses

import numpy as np
import pytest

from amogus_search.dreaming.ascent import SMALLEST_PX, Dream, Glance, ascend, octave_sizes
from amogus_search.errors import UsageError

QUICK = Dream(places=1, steps=6, octaves=2, size_px=72, zoom=1.0, turn=0.0, noise=0.0)
PLACE = np.asarray([[20, 30, 60, 70]], np.float32)


class Brighter:
    """Scores the mean brightness of the places; notes all that it was shown."""

    def __init__(self):
        self.glances, self.shapes, self.pictures = [], [], []

    def places(self, picture, count, sides):
        self.asked = (picture.shape[:2], count, sides)
        return np.asarray([[5, 5, 5 + sides[1], 5 + sides[1]]], np.float32)

    def __call__(self, picture, glance: Glance):
        self.glances.append(glance)
        self.shapes.append(picture.shape[:2])
        self.pictures.append(picture)
        gradient = np.zeros_like(picture)
        score = 0.0
        for x1, y1, x2, y2 in glance.boxes.round().astype(int):
            gradient[max(y1, 0) : y2, max(x1, 0) : x2] = 1
            score += float(picture[max(y1, 0) : y2, max(x1, 0) : x2].mean())
        return score, gradient


class Restless(Brighter):
    """The same with a gradient that is different in every glance, as that of a network is."""

    def __call__(self, picture, glance):
        score, gradient = super().__call__(picture, glance)
        return score, gradient + np.random.default_rng(glance.seed).standard_normal(picture.shape).astype(np.float32)


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((100, 140, 3)).astype(np.float32) * 0.5


def test_octaves_go_from_small_to_large_and_keep_the_proportions():
    sizes = octave_sizes((400, 200), Dream(octaves=3, growth=2.0, size_px=256))
    assert sizes == [(128, 64), (256, 128), (512, 256)]
    assert min(octave_sizes((400, 200), Dream(octaves=8, growth=2.0))[0]) == SMALLEST_PX


def test_the_score_rises_and_the_change_stays_at_its_place(picture):
    objective = Brighter()
    scores = []
    change, boxes = ascend(picture, objective, QUICK, boxes=PLACE, told=lambda step: scores.append(step.score))
    assert change.shape == (72, 101, 3)
    np.testing.assert_array_equal(boxes, PLACE)
    assert scores[-1] > scores[0] + 0.02
    assert change[36, 29].min() > 0.02
    assert not change[:, 75:].any()


def test_every_octave_begins_with_what_the_one_before_found(picture):
    objective = Brighter()
    still = dataclasses.replace(QUICK, jitter=0.0)
    ascend(picture, objective, still, boxes=PLACE)
    assert objective.shapes[0] < objective.shapes[-1]
    first_of_second = objective.pictures[QUICK.steps]
    assert first_of_second[27:45, 21:36].mean() > picture[40:60, 30:50].mean() + 0.02
    steps = []
    ascend(picture, Brighter(), still, boxes=PLACE, told=steps.append)
    assert [step.number for step in steps] == list(range(1, 13))
    assert {step.total for step in steps} == {12}
    large, small = (np.abs(steps[at].change).mean() for at in (QUICK.steps, QUICK.steps - 1))
    assert large > 0.8 * small


def test_the_jitter_is_undone(picture):
    """With another roll before each step, the change must still be where the place is, and as if nothing had rolled."""
    still, rolling = (dataclasses.replace(QUICK, jitter=jitter, octaves=1) for jitter in (0.0, 0.08))
    objective = Brighter()
    moved, _ = ascend(picture, objective, rolling, boxes=PLACE)
    unmoved, _ = ascend(picture, Brighter(), still, boxes=PLACE)
    assert len({glance.boxes.tobytes() for glance in objective.glances}) > 1
    np.testing.assert_allclose(moved, unmoved, atol=0.01)


def test_every_glance_differs_and_stays_within_its_bounds(picture):
    objective = Brighter()
    ascend(picture, objective, dataclasses.replace(QUICK, zoom=1.5, turn=0.2, noise=0.1), boxes=PLACE)
    zooms, turns = ([getattr(glance, name) for glance in objective.glances] for name in ("zoom", "turn"))
    assert 1 / 1.5 <= min(zooms) < max(zooms) <= 1.5
    assert -0.2 <= min(turns) < 0 < max(turns) <= 0.2
    assert len({glance.seed for glance in objective.glances}) == len(objective.glances)


def test_without_places_the_objective_chooses_at_the_smallest_octave(picture):
    objective = Brighter()
    _, boxes = ascend(picture, objective, QUICK)
    (shape, count, sides) = objective.asked
    assert shape == objective.shapes[0]
    assert count == QUICK.places
    assert sides == (QUICK.sides[0] * min(shape), QUICK.sides[1] * min(shape))
    assert boxes[0, 0] == pytest.approx(5 * 140 / shape[1], rel=0.02)


def test_where_nothing_is_allowed_nothing_changes(picture):
    def right_half(size_wh):
        mask = np.zeros((size_wh[1], size_wh[0]), np.float32)
        mask[:, size_wh[0] // 2 :] = 1
        return mask

    wide = np.asarray([[20, 10, 120, 90]], np.float32)
    change, _ = ascend(picture, Brighter(), QUICK, boxes=wide, allowed=right_half)
    # two columns at the border may get a little from the smaller octave, and the mask of the last one takes it away
    assert not change[:, :50].any()
    assert change[:, 52:].any()


def test_the_strength_is_never_passed(picture):
    hard = dataclasses.replace(QUICK, strength=0.05, rate=0.5)
    change, _ = ascend(picture, Brighter(), hard, boxes=PLACE)
    assert np.abs(change).max() <= 0.05


def test_steps_are_as_large_for_a_faint_gradient_and_get_smaller_when_it_fades(picture):
    class Fading(Brighter):
        def __init__(self, scale, fade):
            super().__init__()
            self.scale, self.fade = scale, fade

        def __call__(self, picture, glance):
            score, gradient = super().__call__(picture, glance)
            return score, gradient * self.scale * self.fade ** len(self.glances)

    usual, faint, fading = (
        ascend(picture, Fading(*values), QUICK, boxes=PLACE)[0] for values in ((1, 1), (1e-6, 1), (1, 0.7))
    )
    np.testing.assert_allclose(faint, usual, rtol=1e-3, atol=1e-4)
    assert np.abs(fading).sum() < 0.8 * np.abs(usual).sum()


def test_more_total_variation_is_a_smoother_dream(picture):
    rough, smooth = (
        ascend(picture, Restless(), dataclasses.replace(QUICK, tv=tv), boxes=PLACE)[0] for tv in (0.0, 0.005)
    )
    assert np.abs(np.diff(smooth, axis=1)).mean() < np.abs(np.diff(rough, axis=1)).mean()


def test_the_same_seed_dreams_the_same(picture):
    first, again, other = (
        ascend(picture, Restless(), dataclasses.replace(QUICK, seed=seed), boxes=PLACE)[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"strength": 0.0}, {"jitter": -1.0}, {"zoom": 0.5}, {"size_px": 10}])
def test_what_is_no_dream_is_refused(wrong):
    with pytest.raises(UsageError):
        Dream(**wrong)
