import numpy as np
import pytest

from amogus_search.core.metrics import (
    average_precision,
    false_findings,
    keypoint_accuracy,
    match,
    poisson_interval,
    pool,
    recall_at,
)


def boxes(*rows):
    return np.asarray(rows, np.float32).reshape(-1, 4)


def scores(*values):
    return np.asarray(values, np.float32)


ONE, TWO, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (70, 70, 80, 80)


def test_each_true_box_is_taken_once_by_the_best_finding():
    taken = match(boxes(ONE, ONE), scores(0.5, 0.9), boxes(ONE), 0.5)
    assert taken.tolist() == [-1, 0]


def test_perfect_findings_have_an_average_precision_of_one_and_no_findings_zero():
    assert average_precision(pool([(boxes(ONE, TWO), scores(0.9, 0.8), boxes(ONE, TWO))])) == pytest.approx(1)
    assert average_precision(pool([(boxes(), scores(), boxes(ONE))])) == 0


def test_average_precision_falls_when_a_false_finding_ranks_above_the_real_one():
    above = pool([(boxes(ONE, FAR), scores(0.5, 0.9), boxes(ONE))])
    below = pool([(boxes(ONE, FAR), scores(0.9, 0.5), boxes(ONE))])
    assert average_precision(above) == pytest.approx(0.5)
    assert average_precision(below) == pytest.approx(1)


def test_half_found_gives_half_the_area():
    matches = pool([(boxes(ONE), scores(0.9), boxes(ONE, TWO))])
    assert average_precision(matches) == pytest.approx(51 / 101)


def test_recall_and_false_findings_depend_on_the_threshold():
    matches = pool([(boxes(ONE, TWO, FAR), scores(0.9, 0.3, 0.6), boxes(ONE, TWO))])
    assert recall_at(matches, 0.5) == 0.5
    assert recall_at(matches, 0.2) == 1
    assert false_findings(matches, 0.5) == 1
    assert false_findings(matches, 0.7) == 0


def test_pck_counts_visible_points_only():
    truth = np.asarray([[[0, 0, 1], [10, 10, 0]]], np.float32)
    found = truth + np.asarray([[[0.5, 0, 0], [90, 0, 0]]], np.float32)
    assert keypoint_accuracy(found, truth, scores(10), 0.1) == 1
    assert keypoint_accuracy(found, truth, scores(4), 0.1) == 0


def test_the_poisson_interval_agrees_with_the_exact_tables():
    """Exact 95 % bounds: 0 -> (0, 3.69), 5 -> (1.62, 11.67)."""
    assert poisson_interval(0, 1) == pytest.approx((0, 3.69), abs=0.08)
    assert poisson_interval(5, 1) == pytest.approx((1.62, 11.67), abs=0.03)
