"""Which earlier rows lie nearest to each row, for more rows than all their pairs fit into memory. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors

_LEAST_SPREAD = 1e-3
"""Of the largest variance of any axis: what varies less counts as varying this much, so that noise stays noise."""
_ROWS, _COLUMNS = 1024, 8192
"""Of one product: 32 MB."""


def spread_out(vectors: NDArray[np.floating[Any]]) -> Vectors:
    """(n, d) unit vectors in which every way of differing counts the same (whitened).

    An embedder's vectors of ordinary pictures lie in a narrow cone, where strangers are nearly as similar as copies.
    Without what all have in common, and with every axis at its own scale, copies stand out.

    Args:
        vectors: (n, d) float16 or float32; the variances are taken from at most 20,000 of them, evenly chosen.
    """
    if len(vectors) < 2:
        return np.asarray(vectors, np.float32)
    some = np.asarray(vectors[:: max(1, len(vectors) // 20_000)], np.float64)
    centre = some.mean(axis=0)
    spreads, axes = np.linalg.eigh((some - centre).T @ (some - centre) / len(some))
    if not spreads[-1] > 0:
        return np.asarray(vectors, np.float32)
    scaled = axes / np.sqrt(np.maximum(spreads, 0) + _LEAST_SPREAD * spreads[-1])
    found = np.empty(vectors.shape, np.float32)
    for start in range(0, len(vectors), _COLUMNS):
        rows = (np.asarray(vectors[start : start + _COLUMNS], np.float64) - centre) @ scaled
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        found[start : start + _COLUMNS] = rows / np.maximum(lengths, 1e-12)
    return found


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
