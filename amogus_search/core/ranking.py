"""Which finding comes before which, and the arithmetic of query vectors. Pure functions of arrays.

The order is total, so that the same data gives the same answer on every machine: score first, best first
(a score that is not a number comes last), then the path's bytes, then the finding's place in its image.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amogus_search.core.types import Hit, Vectors
from amogus_search.errors import UsageError

WHOLE_IMAGE = -1
"""The ordinal of a match with a whole image: it comes before the image's findings of the same score."""


def order(scores: ArrayLike, paths: Sequence[bytes], ordinals: ArrayLike) -> NDArray[np.int64]:
    """Row numbers, best first.

    Args:
        scores: (n,) floats; NaN comes last.
        paths: n paths, compared as bytes.
        ordinals: (n,) ints, the finding's place in its image, `WHOLE_IMAGE` for a whole one.

    Raises:
        ValueError: the three disagree in length.
    """
    values = np.asarray(scores, np.float64).reshape(-1)
    places = np.asarray(ordinals, np.int64).reshape(-1)
    if not len(values) == len(paths) == len(places):
        raise ValueError(f"{len(values)} scores, {len(paths)} paths and {len(places)} ordinals do not match")
    falling = np.where(np.isnan(values), np.inf, -values)
    rows = sorted(range(len(values)), key=lambda row: (falling[row], paths[row], places[row]))
    return np.asarray(rows, np.int64)


def fold(ordered_groups: Iterable[Hashable]) -> NDArray[np.int64]:
    """Places of the first (that is, best) row of every group in an ordered list, in that order.

    Ranking images by their best finding is `fold` over the image ids of the ordered findings.
    """
    seen: set[Hashable] = set()
    places = []
    for place, group in enumerate(ordered_groups):
        if group not in seen:
            seen.add(group)
            places.append(place)
    return np.asarray(places, np.int64)


def rank_images(
    scores: ArrayLike, paths: Sequence[bytes], ordinals: ArrayLike, limit: int | None = None
) -> NDArray[np.int64]:
    """Rows of each image's best finding, best image first, at most `limit`; arguments as for `order`."""
    rows = order(scores, paths, ordinals)
    return rows[fold(paths[row] for row in rows)][:limit]


def order_hits(hits: Iterable[Hit], limit: int | None = None) -> list[Hit]:
    """The same hits, best first and numbered from 1, at most `limit`."""
    given = list(hits)
    ordinals = [WHOLE_IMAGE if hit.detection is None else hit.detection for hit in given]
    rows = order([hit.score for hit in given], [hit.path for hit in given], ordinals)[:limit]
    return [replace(given[row], rank=rank) for rank, row in enumerate(rows, start=1)]


def fold_hits(hits: Iterable[Hit], limit: int | None = None) -> list[Hit]:
    """Images ranked by their best hit: `order_hits`, with one hit a path, numbered anew."""
    ordered = order_hits(hits)
    best = [ordered[place] for place in fold(hit.path for hit in ordered)][:limit]
    return [replace(hit, rank=rank) for rank, hit in enumerate(best, start=1)]


def combine(vectors: Vectors | Sequence[NDArray[np.float32]], weights: Sequence[float]) -> NDArray[np.float32]:
    """The unit vector of a weighted sum of query terms: "this, plus that, minus the other".

    Every term is brought to unit length first, so that a weight means the same for text and for image.

    Args:
        vectors: (n, d), one row a term, n >= 1.
        weights: n numbers, negative for `--minus`.

    Returns:
        (d,) float32 of unit length.

    Raises:
        UsageError: the terms cancel each other out, so nothing is left to search for.
        ValueError: there are no terms, they do not match the weights, or one is not finite or zero.
    """
    table = np.asarray(vectors, np.float64)
    factors = np.asarray(weights, np.float64)
    if table.ndim != 2 or not len(table) or factors.shape != (len(table),):
        raise ValueError(f"terms of shape {table.shape} do not match {factors.shape} weights")
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    if not (np.isfinite(table).all() and np.isfinite(factors).all() and (lengths > 0).all()):
        raise ValueError("a query term or its weight is zero or not finite")
    total = factors @ (table / lengths)
    length = float(np.linalg.norm(total))
    # Far below what two different texts leave over, far above float32 noise.
    if length <= 1e-4 * float(np.abs(factors).max()):
        raise UsageError("the query's terms cancel each other out", "leave out a --plus or a --minus")
    return np.asarray(total / length, np.float32)


def mixed_scores(amogusness: ArrayLike, similarities: ArrayLike) -> NDArray[np.float64]:
    """(n,) in [0, 1]: how amogus-like and how similar, in one number; larger in either is never lower.

    The product of amogusness, a probability, and the logistic of the similarity's z-score among the given rows. Raw
    cosines mean different things for every embedder and kind of question (0.3 is much for a text, little for a
    picture); by how much a row stands out among the candidates is comparable, and the logistic makes a share of it.
    Where all are equally similar that share is one half.

    Args:
        amogusness: (n,) in [0, 1]; NaN counts as 0.
        similarities: (n,) cosines of the same rows.
    """
    shares = np.nan_to_num(np.asarray(amogusness, np.float64))
    values = np.asarray(similarities, np.float64)
    spread = float(values.std()) if len(values) else 0.0
    # Below the rounding of a cosine of float32 vectors there is no difference to speak of.
    scores = (values - values.mean()) / spread if spread > 1e-6 else np.zeros_like(values)
    return np.asarray(shares / (1 + np.exp(-np.clip(scores, -30.0, 30.0))))
