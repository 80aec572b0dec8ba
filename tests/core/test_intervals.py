import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.intervals import auc_interval, proportion_interval


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (3, 212, 0.0029, 0.0408),
    ],
)
def test_the_interval_agrees_with_the_exact_tables(count, total, low, high):
    """Quantiles of the beta distribution, from the usual tables."""
    assert proportion_interval(count, total) == pytest.approx((low, high), abs=1e-4)


def test_none_seen_is_the_rule_of_three():
    """The one-sided 97.5 % bound of 0 in n is about 3.69 / n."""
    assert proportion_interval(0, 1000)[1] == pytest.approx(3.69e-3, rel=0.01)


@given(st.integers(1, 400), st.data())
def test_the_interval_holds_what_was_seen_and_is_the_mirror_of_its_opposite(total, data):
    count = data.draw(st.integers(0, total))
    low, high = proportion_interval(count, total)
    assert 0 <= low <= count / total <= high <= 1
    assert proportion_interval(total - count, total) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    seen = rng.binomial(50, 0.04, 2000)
    bounds = {count: proportion_interval(int(count), 50) for count in np.unique(seen)}
    covered = np.mean([bounds[count][0] <= 0.04 <= bounds[count][1] for count in seen])
    assert covered >= 0.95


def test_nothing_looked_at_says_nothing():
    assert proportion_interval(0, 0) == (0.0, 1.0)


def test_more_than_all_is_refused():
    with pytest.raises(ValueError, match="no share"):
        proportion_interval(3, 2)


@pytest.mark.parametrize("area", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_an_area_lies_within_its_bounds_and_more_data_narrow_them(area):
    few, many = auc_interval(area, 10, 10), auc_interval(area, 1000, 1000)
    assert 0 <= few[0] <= many[0] <= area <= many[1] <= few[1] <= 1
    assert few[1] - few[0] > many[1] - many[0] > 0


def test_a_perfect_area_of_few_is_not_certain():
    assert auc_interval(1.0, 8, 8)[0] < 0.85
    assert auc_interval(0.7, 0, 9) == (0.0, 1.0)


def test_the_bounds_of_an_area_hold_as_often_as_they_say():
    """Drawn from two normal curves one apart, whose true area is 0.7602."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        high, low = rng.normal(1, 1, 20), rng.normal(0, 1, 30)
        bounds = auc_interval(float((high[:, None] > low).mean()), 20, 30)
        held.append(bounds[0] <= 0.7602 <= bounds[1])
    assert 0.92 < np.mean(held) <= 1
