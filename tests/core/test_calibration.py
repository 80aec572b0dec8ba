from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amogus_search import weights as embedded
from amogus_search.core.calibration import Calibration, Curve, fit_curve, logistic, uncalibrated
from amogus_search.core.types import Detections

PARTS = ("visor", "legs", "red")


def findings(confidence, evidence=None, margin=None):
    n = len(confidence)
    found = Detections.make(np.tile([0, 0, 10, 10], (n, 1)), confidence)
    found = found.with_evidence(np.zeros((n, 3)) if evidence is None else evidence, PARTS)
    return found if margin is None else found.with_margin(margin)


def calibration(background=(0.0, 0.1, 0.2, 0.4)):
    curve = Curve(-1.0, 0.9, 0.5, {"visor": 0.8, "legs": 0.6, "red": 0.2})
    return Calibration(curve, replace(curve, margin=0.0), np.sort(np.asarray(background, float)))


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 1))
def test_one_more_part_never_lowers_the_score(confidence, evidence, part, more):
    better = list(evidence)
    better[part] = max(better[part], more)
    scores = calibration().amogusness(findings([confidence, confidence], [evidence, better]))
    assert scores[1] >= scores[0]


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_surer_detector_never_lowers_the_score(a, b):
    scores = calibration().amogusness(findings(sorted([a, b])))
    assert scores[1] >= scores[0]


def test_rarity_counts_background_photos_and_says_where_the_sample_ends():
    rarity, at_least = calibration().rarity(np.asarray([0.05, 0.4, 0.9]))
    assert rarity.tolist() == [4 / 3, 4.0, 4.0]
    assert at_least.tolist() == [False, False, True]


@pytest.mark.parametrize("amogusness", [0.05, 0.15, 0.4, 0.9])
def test_the_bounds_of_rarity_hold_what_was_read_off(amogusness):
    one = calibration(np.r_[np.zeros(190), np.linspace(0.1, 0.5, 10)])
    (rarity,), (at_least,) = one.rarity(np.asarray([amogusness]))
    low, high = one.rarity_interval(amogusness)
    assert 1 <= low <= rarity
    assert rarity <= high or at_least
    assert np.isinf(high) == at_least


def test_where_the_sample_ends_rarity_is_bounded_from_below_only():
    """None in 300 photos: 1 in 81 at least, by the rule of three (97.5 %, one-sided)."""
    low, high = calibration(np.zeros(300)).rarity_interval(0.5)
    assert low == pytest.approx(300 / 3.69, rel=0.01)
    assert np.isinf(high)


def test_a_finding_that_no_verifier_saw_uses_the_curve_without_it():
    scored = calibration().amogusness(findings([0.5, 0.5], margin=[np.nan, 4.0]))
    assert scored[1] > scored[0]


def test_a_calibration_survives_json_and_its_id_changes_with_any_number():
    one = calibration()
    again = Calibration.from_dict(one.to_dict())
    assert again.id == one.id
    assert again.score(findings([0.3, 0.8])).amogusness.tolist() == one.score(findings([0.3, 0.8])).amogusness.tolist()
    assert replace(one, background=np.asarray([0.0, 0.1])).id != one.id


def test_without_a_calibration_there_are_no_scores():
    assert np.isnan(uncalibrated(findings([0.9])).amogusness).all()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_fitting_recovers_the_curve_that_made_the_sample(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(6000, 2)) * [2.0, 1.0]
    truth = logistic(-0.5 + table @ [1.2, 0.7])
    weights = fit_curve(table, rng.random(6000) < truth, np.ones(6000), ridge=1e-4)
    assert np.abs(weights - [-0.5, 1.2, 0.7]).max() < 0.25


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.floats(0, 1))
def test_whatever_it_is_fitted_on_more_parts_never_lower_a_score(seed, columns, noise):
    """Also where a part speaks against in the sample, or is constant, or is the twin of another."""
    rng = np.random.default_rng(seed)
    table = rng.random((80, columns))
    table[:, 0] = table[:, -1] if seed % 3 else 0.5
    correct = logistic((table - 0.5) @ rng.normal(size=columns) * 4) > rng.random(80) * noise
    weights = fit_curve(table, correct, rng.random(80) + 0.1)
    assert np.isfinite(weights).all()
    assert (weights[1:] >= 0).all()


@pytest.mark.parametrize("name", embedded.names("calibration"))
def test_the_shipped_calibration_never_lowers_a_score_for_one_more_part(name):
    shipped = embedded.calibration(name)
    for curve in (shipped.with_margin, shipped.without_margin):
        assert min(curve.confidence, curve.margin, *curve.parts.values()) >= 0


def test_a_feature_that_speaks_against_is_given_no_weight_rather_than_a_negative_one():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(500, 1))
    assert fit_curve(table, table[:, 0] < 0, np.ones(500))[1] == 0
