"""What a count says about a share: bounds that hold for small samples."""

from __future__ import annotations

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
