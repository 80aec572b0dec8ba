import numpy as np

from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Detections, FindingScores

FOUND = Detections.make([[0, 0, 9, 9]] * 3, [0.2, 0.5, 0.9])


def scores(*amogusness):
    values = np.asarray(amogusness, np.float64)
    return FindingScores(values, values, np.zeros(len(values), bool))


def test_without_bounds_everything_counts():
    assert Threshold().passes(FOUND, scores(0.0, 0.1, np.nan)).all()


def test_every_bound_must_be_reached_and_reaching_it_exactly_is_enough():
    passing = Threshold(min_amogusness=0.5, min_confidence=0.5).passes(FOUND, scores(0.9, 0.5, 0.4))
    assert passing.tolist() == [False, True, False]


def test_a_finding_without_a_calibrated_score_is_judged_by_its_confidence_if_the_rule_says_so():
    unknown = scores(np.nan, np.nan, np.nan)
    assert not Threshold(min_amogusness=0.5).passes(FOUND, unknown).any()
    lenient = Threshold(min_amogusness=0.5, uncalibrated_confidence=0.4)
    assert lenient.passes(FOUND, unknown).tolist() == [False, True, True]
