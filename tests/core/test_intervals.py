import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.intervals import proportion_interval


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
