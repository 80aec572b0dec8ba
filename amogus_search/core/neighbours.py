"""Which earlier rows lie nearest to each row, for more rows than all their pairs fit into memory. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors

_LEAST_SPREAD = 1e-3
"""Of the largest variance of any axis: what varies less counts as varying this much, so that noise stays noise."""
_ENOUGH = 20_000
_ROWS, _COLUMNS = 1024, 8192
"""Of one product: 32 MB."""
_FIRST = 256
"""Columns of the first product, which are sorted; of later ones, only what is better."""
_FEW = 8
"""A block is merged place by place if no more than one in so many of its products can matter."""


@dataclass(frozen=True, eq=False)
class Spread:
    """A map to vectors in which every way of differing counts the same (whitening).

    An embedder's vectors of ordinary pictures lie in a narrow cone, where strangers are nearly as similar as copies.
    Without what all have in common, and with every axis at its own scale, copies stand out.

    centre: (d,) float64; axes: (d, d) float64, or None where the vectors do not differ and stay as they are
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64] | None

    @classmethod
    def of(cls, vectors: NDArray[np.floating[Any]]) -> Spread:
        """The map that (n, d) vectors ask for; taken from at most 20,000 of them, evenly chosen."""
        some = np.asarray(vectors[:: max(1, len(vectors) // _ENOUGH)], np.float64)
        if len(some) < 2:
            return cls(np.zeros(vectors.shape[1]), None)
        centre = some.mean(axis=0)
        spreads, axes = np.linalg.eigh((some - centre).T @ (some - centre) / len(some))
        if not spreads[-1] > 0:
            return cls(centre, None)
        return cls(centre, axes / np.sqrt(np.maximum(spreads, 0) + _LEAST_SPREAD * spreads[-1]))

    def apply(self, vectors: NDArray[np.floating[Any]]) -> Vectors:
        """(n, d) float32 unit vectors."""
        if self.axes is None:
            return np.asarray(vectors, np.float32)
        found = np.empty(vectors.shape, np.float32)
        for start in range(0, len(vectors), _COLUMNS):
            rows = (np.asarray(vectors[start : start + _COLUMNS], np.float64) - self.centre) @ self.axes
            found[start : start + _COLUMNS] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return found


def nearest(
    queries: Vectors, vectors: NDArray[np.floating[Any]], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(q, count) rows most similar to each query, most similar first, and their products; -1 where there are no more.

    Args:
        queries: (q, d) float32.
        vectors: (n, d) float32 or float16; looked at by blocks.
        count: how many for each.
    """
    best = np.full((len(queries), count), -np.inf, np.float32)
    rows = np.full((len(queries), count), -1, np.int64)
    for left in range(0, len(vectors) if len(queries) else 0, _COLUMNS):
        products = queries @ np.asarray(vectors[left : left + _COLUMNS], np.float32).T
        best, rows = _merged(best, rows, products, np.arange(left, left + products.shape[1]))
    return rows, best


def nearest_before(
    vectors: NDArray[np.floating[Any]], count: int, told: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.int32]:
    """(n, count) the rows before each row that are most similar to it, nearest first; -1 where there are no more.

    Exact, by blocks: memory grows with n, time with its square. Ties go to the earlier row.

    Args:
        vectors: (n, d) float32 or float16 unit rows.
        count: how many for each.
        told: how many rows are done, of how many.
    """
    found = np.full((len(vectors), count), -1, np.int32)
    for start in range(0, len(vectors), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(vectors)))
        found[rows] = _nearest_of(vectors, rows, np.arange(rows[-1]), count)
        told(int(rows[-1]) + 1, len(vectors))
    return found


@dataclass(frozen=True, eq=False)
class Lists:
    """Rows in lists of what lies close together.

    of_row: (n,) the list of each row
    order:  (lists, lists) all lists by their distance from each, itself first
    """

    of_row: NDArray[np.int64]
    order: NDArray[np.int64]

    @classmethod
    def around(cls, centres: Vectors, vectors: NDArray[np.floating[Any]]) -> Lists:
        """Each of (n, d) rows in the list of the nearest of (lists, d) centres."""
        of_row = np.empty(len(vectors), np.int64)
        squares = (centres * centres).sum(axis=1)
        for start in range(0, len(vectors), _COLUMNS):
            products = np.asarray(vectors[start : start + _COLUMNS], np.float32) @ centres.T
            of_row[start : start + _COLUMNS] = np.argmin(squares - 2 * products, axis=1)
        between = squares[None] - 2 * (centres @ centres.T)
        np.fill_diagonal(between, -np.inf)
        return cls(of_row, np.argsort(between, axis=1, kind="stable"))


def nearest_before_in_lists(
    vectors: NDArray[np.floating[Any]],
    lists: Lists,
    most: int,
    count: int,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.int32]:
    """What `nearest_before` gives, but of the rows in the lists next to each row's own alone.

    Time grows with n, not with its square.

    Args:
        vectors: (n, d) float32 or float16 unit rows.
        lists: where they lie, in whatever space.
        most: as many of the nearest lists are looked at as hold about so many rows.
        count: how many for each.
        told: how many rows are done, of how many.
    """
    found = np.full((len(vectors), count), -1, np.int32)
    by_list = np.argsort(lists.of_row, kind="stable")
    sizes = np.bincount(lists.of_row, minlength=len(lists.order))
    members = np.split(by_list, np.cumsum(sizes)[:-1])
    done = 0
    for own, order in zip(members, lists.order, strict=True):
        if not len(own):
            continue
        enough = int(np.searchsorted(np.cumsum(sizes[order]), most)) + 1
        pool = np.sort(np.concatenate([members[one] for one in order[:enough]]))
        for start in range(0, len(own), _ROWS):
            rows = own[start : start + _ROWS]
            found[rows] = _nearest_of(vectors, rows, pool[pool < rows[-1]], count)
            done += len(rows)
            told(done, len(vectors))
    return found


def _nearest_of(
    vectors: NDArray[np.floating[Any]], rows: NDArray[np.int64], pool: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """(r, count) the nearest of the rows of a pool that come before each row; both rising."""
    block = np.asarray(vectors[rows], np.float32)
    best = np.full((len(rows), count), -np.inf, np.float32)
    names = np.full((len(rows), count), -1, np.int64)
    left, width = 0, _FIRST
    while left < len(pool):
        some = pool[left : left + width]
        left, width = left + width, min(2 * width, _COLUMNS)  # few of twice as many are better than what there is
        products = block @ np.asarray(vectors[some], np.float32).T
        if some[-1] >= rows[0]:  # only what comes before a row
            products[some[None] >= rows[:, None]] = -np.inf
        best, names = _merged(best, names, products, some)
    names[np.isneginf(best)] = -1
    return names


def _merged(
    best: NDArray[np.float32], rows: NDArray[np.int64], products: NDArray[np.float32], names: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The best of what there was and of these products, whose columns are called by rising names above all before."""
    count = best.shape[1]
    matter = products > best[:, -1:]
    if products.shape[1] > count and np.count_nonzero(matter) * _FEW > products.size:
        picked = np.argpartition(-products, count - 1, axis=1)[:, :count]
        values = np.concatenate([best, np.take_along_axis(products, picked, axis=1)], axis=1)
        called = np.concatenate([rows, names[picked]], axis=1)
        order = np.lexsort((called, -values), axis=1)[:, :count]
        return np.take_along_axis(values, order, axis=1), np.take_along_axis(called, order, axis=1)
    places = np.flatnonzero(matter)  # ten times as quick as np.nonzero
    if not len(places):
        return best, rows
    changed, columns = np.divmod(places, products.shape[1])
    which = np.concatenate([np.repeat(np.arange(len(best)), count), changed])
    value = np.concatenate([best.ravel(), products[changed, columns]])
    called = np.concatenate([rows.ravel(), names[columns]])
    order = np.lexsort((called, -value, which))
    # Of each row, which now stand together, the first ones.
    starts = np.searchsorted(which[order], np.arange(len(best)))
    kept = order[starts[:, None] + np.arange(count)]
    return value[kept], called[kept]
