"""A direction that tells two sets of unit vectors apart, and how well it does on vectors that it was not made of.

The decision is one number: the cosine with the direction, against a threshold. So a direction ranks an index as any
query vector does. Pure functions of arrays; the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors

Method: TypeAlias = Literal["difference", "probe"]

_STEPS = 50
_SETTLED = 1e-9
_L2 = 0.002
"""Weight of the squared length against the mean loss, for vectors brought to a root mean square length of one."""


@dataclass(frozen=True, eq=False)
class Direction:
    """unit: (d,) float64 of length one; threshold: the cosine above which a vector is called positive."""

    unit: NDArray[np.float64]
    threshold: float

    def margins(self, vectors: Vectors) -> NDArray[np.float64]:
        """(n,) how far above the threshold each (n, d) row lies; row by row, so that no row depends on its company."""
        return np.asarray([float(row @ self.unit) for row in np.asarray(vectors, np.float64)]) - self.threshold


def mean_difference(vectors: Vectors, positive: NDArray[np.bool_]) -> Direction:
    """From the mean of the negatives to that of the positives; the threshold lies half-way.

    Args:
        vectors: (n, d) unit rows.
        positive: (n,) which of them are; both kinds must occur.

    Raises:
        ValueError: a kind is missing, or the two means are the same.
    """
    rows = _checked(vectors, positive)
    high, low = rows[positive].mean(axis=0), rows[~positive].mean(axis=0)
    unit = _unit(high - low)
    return Direction(unit, float((high + low) @ unit / 2))


def logistic_probe(vectors: Vectors, positive: NDArray[np.bool_]) -> Direction:
    """Logistic regression with a penalty on the squared length; each kind counts the same however many there are.

    Newton's method from zero. The penalty makes the optimum unique, and the steps are halved until they help.
    Arguments and errors as for `mean_difference`.
    """
    rows = _checked(vectors, positive)
    centre = (rows[positive].mean(axis=0) + rows[~positive].mean(axis=0)) / 2
    spread = float(np.sqrt(np.square(rows - centre).sum(axis=1).mean())) or 1.0
    table = np.column_stack([(rows - centre) / spread, np.ones(len(rows))])
    weight = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())
    found = _newton(table, positive.astype(np.float64), weight)
    length = float(np.linalg.norm(found[:-1]))
    unit = _unit(found[:-1])
    return Direction(unit, float(centre @ unit - found[-1] * spread / length))


METHODS: dict[Method, Callable[[Vectors, NDArray[np.bool_]], Direction]] = {
    "difference": mean_difference,
    "probe": logistic_probe,
}
"""By the names that people use, simplest first."""


def folds(groups: Sequence[str], positive: NDArray[np.bool_], count: int, seed: int) -> NDArray[np.int64]:
    """(n,) a fold for each row; rows of one group share theirs, and each kind is spread evenly over all.

    Args:
        groups: n names; what must not be on both sides, such as pictures of the same content.
        positive: (n,) the kinds; a group with both counts as positive.
        count: of folds.
        seed: another one, another partition; the order of the rows does not matter.
    """
    kinds = dict.fromkeys(groups, False)
    for name, kind in zip(groups, positive.tolist(), strict=True):
        kinds[name] = kinds[name] or kind
    place: dict[str, int] = {}
    for wanted in (True, False):
        members = sorted((name for name, kind in kinds.items() if kind == wanted), key=lambda one: _draw(one, seed))
        place |= {name: at % count for at, name in enumerate(members)}
    return np.asarray([place[name] for name in groups], np.int64)


def held_out_margins(
    vectors: Vectors, positive: NDArray[np.bool_], fold: NDArray[np.int64], method: Method
) -> NDArray[np.float64]:
    """(n,) margin of each row by the direction that was made of all other folds.

    Raises:
        ValueError: without some fold, a kind is missing.
    """
    margins = np.zeros(len(vectors))
    for one in np.unique(fold):
        aside = fold == one
        margins[aside] = METHODS[method](vectors[~aside], positive[~aside]).margins(vectors[aside])
    return margins


def _newton(
    table: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(d + 1,) the optimum; the last number is the offset, which is not penalised."""
    ridge = np.full(table.shape[1], _L2)
    ridge[-1] = 1e-9
    found = np.zeros(table.shape[1])
    loss = _loss(table, target, weight, ridge, found)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(table @ found, -500, 500)))
        slope = table.T @ (weight * (chance - target)) + ridge * found
        curve = (table * (weight * chance * (1 - chance))[:, None]).T @ table + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        share = 1.0
        while share > 1e-6:
            next_loss = _loss(table, target, weight, ridge, found - share * step)
            if next_loss <= loss + 1e-15:
                break
            share /= 2
        if share <= 1e-6:
            break
        found, before, loss = found - share * step, loss, next_loss
        if before - loss < _SETTLED:
            break
    return found


def _loss(
    table: NDArray[np.float64],
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    ridge: NDArray[np.float64],
    found: NDArray[np.float64],
) -> float:
    logits = table @ found
    losses = np.logaddexp(0, logits) - target * logits
    return float(weight @ losses + (ridge * found * found).sum() / 2)


def _checked(vectors: Vectors, positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or positive.shape != (len(rows),) or not positive.any() or positive.all():
        raise ValueError(f"vectors of shape {rows.shape} with {int(positive.sum())} positives cannot be told apart")
    return rows


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    if not length > 1e-9:
        raise ValueError("the two sets are the same: there is no direction from one to the other")
    return np.asarray(vector / length)


def _draw(name: str, seed: int) -> str:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).hexdigest()
