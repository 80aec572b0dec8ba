"""How hard a search structure must look to be as good as was asked: found out with held-out regions as queries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.store.proposals import TOP

_KNOWN = 64
"""Neighbours that are kept of a query: ten, and those that are as similar as the tenth."""
_TIE = 1e-6
_USUAL = 0.02
"""Share of queries that may be taken for far ones without need, and be asked twice."""
_FAR = 0.3
_MARGIN = 0.4
"""Share of the misses that were allowed which is kept in reserve: 128 queries tell a recall to about 0.01."""


class Asked(Protocol):
    """What is tuned; see `vectors.SearchStructure`."""

    @property
    def lists(self) -> int:
        """Lists of an inverted file."""
        ...

    @property
    def knob(self) -> str | None:
        """What can be turned."""
        ...

    def search(
        self, queries: NDArray[np.float32], k: int, *, effort: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row numbers and values."""
        ...


@dataclass(frozen=True)
class Tuned:
    """How to ask a structure for ten results.

    effort:     the value of its knob; 0 where there is none
    candidates: rows to look up, the ten among them
    recall:     share of the true ten of the held-out queries that are among the candidates
    """

    effort: int
    candidates: int
    recall: float


class Truth:
    """The exact neighbours of some rows, found while all rows pass by.

    Args:
        queries: (m, d) unit vectors, which are themselves rows.
        own: (m,) their row numbers; a row is no neighbour of itself.
    """

    def __init__(self, queries: Vectors, own: NDArray[np.int64]) -> None:
        self.queries, self.own = queries, own
        self.rows = np.full((len(queries), _KNOWN), -1, np.int64)
        self._best = np.full((len(queries), _KNOWN), -np.inf, np.float32)
        self._seen = 0

    def see(self, chunk: Vectors) -> None:
        """The next (n, d) rows."""
        products = self.queries @ chunk.T
        places = self.own - self._seen
        here = np.flatnonzero((places >= 0) & (places < len(chunk)))
        products[here, places[here]] = -np.inf
        rows = np.broadcast_to(np.arange(self._seen, self._seen + len(chunk)), products.shape)
        self._seen += len(chunk)
        if len(chunk) > _KNOWN:
            best = np.argpartition(-products, _KNOWN, axis=1)[:, :_KNOWN]
            products, rows = np.take_along_axis(products, best, 1), np.take_along_axis(rows, best, 1)
        both, names = np.hstack([self._best, products]), np.hstack([self.rows, rows])
        order = np.argsort(-both, axis=1, kind="stable")[:, :_KNOWN]
        self._best, self.rows = np.take_along_axis(both, order, 1), np.take_along_axis(names, order, 1)

    def usual_best(self) -> float:
        """How similar the nearest region of nearly any of these queries is at least."""
        return float(np.quantile(self._best[:, 0], _USUAL)) - _TIE if self._seen > 1 else -1.0

    def named(self, names: NDArray[np.int64]) -> Truth:
        """The same with rows called by (n,) names instead of numbers."""
        other = Truth(self.queries, names[self.own])
        other.rows = np.where(self.rows < 0, -1, names[self.rows])
        other._best, other._seen = self._best, self._seen
        return other

    def recalls(self, found: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k,) share of the true ten among the first 1, 2, ... k rows found for each query.

        What is as similar as the tenth is as good as it; queries with more of that than are known do not count.
        """
        wanted = min(TOP, self._seen - 1)
        least = self._best[:, max(wanted - 1, 0), None] - _TIE
        good = (self._best >= least) & (self.rows >= 0)
        useful = ~good.all(axis=1) if self._seen > _KNOWN else np.ones(len(found), bool)
        if wanted <= 0 or not useful.any():
            return np.ones(found.shape[1])
        is_hit = ((found[:, :, None] == self.rows[:, None, :]) & good[:, None, :]).any(axis=2)
        return np.asarray(np.minimum(np.cumsum(is_hit[useful], axis=1), wanted).mean(axis=0) / wanted)


def far_from(queries: Vectors, random: np.random.Generator) -> Vectors:
    """Queries that are about as similar to these (m, d) as a text is to its picture: most of them points nowhere."""
    elsewhere = random.standard_normal(queries.shape)
    elsewhere /= np.linalg.norm(elsewhere, axis=1, keepdims=True)
    rows = _FAR * queries + np.sqrt(1 - _FAR**2) * elsewhere
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def tune(structure: Asked, truth: Truth, recall: float, *, most: int, step_cost: float) -> Tuned:
    """The cheapest effort and number of candidates that reach a recall; the most of both if nothing does.

    More effort finds better candidates, so that fewer of them have to be looked up. No clock has a say in it.

    Args:
        structure: holds all rows that `truth` has seen.
        truth: of the held-out queries.
        recall: wanted, a little less than 1 at most.
        most: candidates that are worth trying.
        step_cost: what one more of effort costs, in candidates looked up.
    """
    wanted = recall + _MARGIN * (1 - recall)
    nearest, chosen, cheapest = Tuned(0, most, 0.0), None, math.inf
    for effort in _efforts(structure):
        if effort * step_cost + TOP >= cheapest:
            break
        found, _ = structure.search(truth.queries, most + 1, effort=effort)
        reached = truth.recalls(found)
        if reached[-1] > nearest.recall:
            nearest = Tuned(effort, most, float(reached[-1]))
        if reached[-1] < wanted:
            continue
        fewest = max(int(np.argmax(reached >= wanted)), TOP)  # without the query, which finds itself first
        if effort * step_cost + fewest < cheapest:
            chosen, cheapest = Tuned(effort, fewest, float(reached[fewest])), effort * step_cost + fewest
    return chosen or nearest


def _efforts(structure: Asked) -> Iterator[int]:
    """Values of the knob, each about a third more than the one before."""
    if structure.knob is None:
        yield 0
        return
    most = structure.lists or 4096
    effort = 1 if structure.lists else TOP
    while effort < most:
        yield effort
        effort = max(effort + 1, effort * 4 // 3)
    yield most
