"""What a count says about a share: bounds that hold for small samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_HALVINGS = 60
"""Of the interval [0, 1]: down to the resolution of a float."""


def proportion_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact bounds of a share of which `count` in `total` were seen; (0, 1) if nothing was looked at.

    The shares at which so many or more, and so many or fewer, would be seen with a chance of half of what the
    confidence leaves. Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial" (Biometrika 26, 1934). Solved by halving, since NumPy has no inverse of the beta function.

    Raises:
        ValueError: the count is not from 0 to the total.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is no share")
    tail = (1 - confidence) / 2
    # What comes `count` times or more often is what does not come `total - count + 1` times or more often elsewhere.
    low = 1 - _upper(total - count, total, tail) if count else 0.0
    return low, _upper(count, total, tail)


def auc_interval(area: float, positive: int, negative: int, z: float = 1.959964) -> tuple[float, float]:
    """Bounds of an area under the ROC curve that hold for small samples, also where it is 1; (0, 1) without data.

    The areas whose own standard error reaches what was seen. Source: Newcombe, "Confidence intervals for an effect size
    measure based on the Mann-Whitney statistic. Part 2" (Statistics in Medicine 25, 2006), method 5; the variance is
    that of Hanley and McNeil with both samples taken to be of their mean size.

    Args:
        area: as measured, 0 to 1.
        positive, negative: how many of each there were.
        z: of the normal distribution; the default is for 95 %.
    """
    if not positive or not negative:
        return 0.0, 1.0
    pairs, others = positive * negative, (positive + negative) / 2 - 1

    def reaches(true: float) -> bool:
        spread = true * (1 - true) * (1 + others * (1 - true) / (2 - true) + others * true / (1 + true)) / pairs
        return bool(abs(area - true) <= z * spread**0.5)

    return _edge(reaches, area, 0.0), _edge(reaches, area, 1.0)


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where, on the way from a number for which something holds to one for which it does not, it ceases to hold."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _upper(count: int, total: int, tail: float) -> float:
    """The share at which `count` or fewer of `total` are seen with a chance of `tail`."""
    if count == total:
        return 1.0
    ways = _log_ways(count, total)
    low, high = count / total, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_most(ways, total, middle) > tail:
            low = middle
        else:
            high = middle
    return high


def _log_ways(count: int, total: int) -> NDArray[np.float64]:
    """Logarithms of the numbers of ways to choose 0, 1 ... `count` of `total`."""
    factorials = np.concatenate([np.zeros(1), np.cumsum(np.log(np.arange(1, total + 1)))])
    chosen = np.arange(count + 1)
    return np.asarray(factorials[total] - factorials[chosen] - factorials[total - chosen])


def _at_most(log_ways: NDArray[np.float64], total: int, share: float) -> float:
    """Chance of less than `len(log_ways)` in `total` draws."""
    if not 0 < share < 1:
        return float(share <= 0)
    chosen = np.arange(len(log_ways))
    return float(np.exp(log_ways + chosen * np.log(share) + (total - chosen) * np.log1p(-share)).sum())
