"""Answers without repetition: hits that show the same picture folded into one, and hits that differ from each other.

Pure functions of arrays. Both walk down a ranked list from its best row and keep to its order in case of a tie.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amogus_search.core.types import Vectors


@dataclass(frozen=True, eq=False)
class Folding:
    """Which rows stay, and for how many others each of them stands.

    kept:  (k,) rows, rising
    exact: (k,) others of the same content
    near:  (k,) others that only look the same
    """

    kept: NDArray[np.int64]
    exact: NDArray[np.int64]
    near: NDArray[np.int64]


def fold_duplicates(
    contents: Sequence[Hashable], pictures: Sequence[Hashable], looks: Sequence[Vectors], least: float
) -> Folding:
    """Every row is folded into the first kept one that shows the same; near duplicates of those are not followed.

    Args:
        contents: of n ranked rows, best first; rows of equal content are exact duplicates.
        pictures: which picture each is of; different contents of one picture are never duplicates.
        looks: tables of (n, d) unit vectors; near duplicates are similar in all of them.
        least: the cosine from which two rows look the same.
    """
    kept: list[int] = []
    exact: list[int] = []
    near: list[int] = []
    places: dict[Hashable, int] = {}
    for row, content in enumerate(contents):
        place = places.get(content)
        if place is not None:
            exact[place] += 1
            continue
        place = _like(row, kept, pictures, looks, least)
        if place is None:
            places[content] = len(kept)
            kept.append(row)
            exact.append(0)
            near.append(0)
        else:
            near[place] += 1
    return Folding(*(np.asarray(values, np.int64) for values in (kept, exact, near)))


def _like(
    row: int, kept: Sequence[int], pictures: Sequence[Hashable], looks: Sequence[Vectors], least: float
) -> int | None:
    """The place of the first kept row that is a near duplicate."""
    if not kept or not looks:
        return None
    alike = np.all([table[kept] @ table[row] >= least for table in looks], axis=0)
    places: list[int] = np.flatnonzero(alike).tolist()
    return next((place for place in places if pictures[kept[place]] != pictures[row]), None)


def diverse_order(scores: ArrayLike, vectors: Vectors, trade: float, limit: int | None = None) -> NDArray[np.int64]:
    """Rows by maximal marginal relevance: each next one is good, and unlike those before it.

    J. Carbonell and J. Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
    Summaries", SIGIR 1998: the next row is the one with the largest `trade * relevance - (1 - trade) * redundancy`,
    the redundancy being its largest similarity to a row taken already. Both are brought to 0..1 first, since scores
    and cosines of crops have different ranges: relevance between the lowest and the highest score, redundancy
    between the lowest cosine with the best row and 1.

    Args:
        scores: (n,) finite, falling.
        vectors: (n, d) unit vectors.
        trade: 1 keeps the order of the scores, 0 looks only for differences.
        limit: how many rows; None: all.
    """
    values = np.asarray(scores, np.float64)
    n = len(values)
    relevance = _scaled(values, float(values.min()), float(values.max())) if n else values
    floor = float((vectors @ vectors[0]).min()) if n else 0.0
    redundancy, taken = np.zeros(n), np.zeros(n, bool)
    rows: list[int] = []
    for _ in range(n if limit is None else min(n, limit)):
        worth = np.where(taken, -np.inf, trade * relevance - (1 - trade) * redundancy)
        row = int(np.argmax(worth)) if rows else 0
        rows.append(row)
        taken[row] = True
        cosines = np.asarray(vectors @ vectors[row], np.float64)
        redundancy = np.maximum(redundancy, _scaled(cosines, floor, 1.0))
    return np.asarray(rows, np.int64)


def _scaled(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    if not high > low:
        return np.ones_like(values)
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))
