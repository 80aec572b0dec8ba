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
        best, rows = _merged(best, rows, products, left)
    return rows, best


def nearest_before(
    vectors: Vectors, count: int, told: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.int32]:
    """(n, count) the rows before each row that are most similar to it, nearest first; -1 where there are no more.

    Exact, by blocks: memory grows with n, time with its square. Ties go to the earlier row.

    Args:
        vectors: (n, d) float32 unit rows.
        count: how many for each.
        told: how many rows are done, of how many.
    """
    found = np.full((len(vectors), count), -1, np.int32)
    for start in range(0, len(vectors), _ROWS):
        block = vectors[start : start + _ROWS]
        best = np.full((len(block), count), -np.inf, np.float32)
        rows = np.full((len(block), count), -1, np.int64)
        for left in range(0, start + len(block), _COLUMNS):
            right = min(left + _COLUMNS, start + len(block))
            products = block @ vectors[left:right].T
            if right > start:  # only what comes before a row
                products[np.arange(left, right)[None] >= np.arange(start, start + len(block))[:, None]] = -np.inf
            best, rows = _merged(best, rows, products, left)
        rows[np.isneginf(best)] = -1
        found[start : start + len(block)] = rows
        told(start + len(block), len(vectors))
    return found


def _merged(
    best: NDArray[np.float32], rows: NDArray[np.int64], products: NDArray[np.float32], left: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The best of what there was and of these products, whose first column is row `left`."""
    count = best.shape[1]
    if products.shape[1] > count:
        picked = np.argpartition(-products, count - 1, axis=1)[:, :count]
    else:
        picked = np.broadcast_to(np.arange(products.shape[1]), products.shape)
    values = np.concatenate([best, np.take_along_axis(products, picked, axis=1)], axis=1)
    names = np.concatenate([rows, picked + left], axis=1)
    order = np.lexsort((names, -values), axis=1)[:, :count]
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(names, order, axis=1)
