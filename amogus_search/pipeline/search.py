"""The verb "search": one question to an index, made of a ranking, bounds, conditions and, perhaps, query terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Hit
from amogus_search.core.where import Column, Value, compile_where
from amogus_search.errors import UsageError
from amogus_search.pipeline import arrange, terms
from amogus_search.pipeline.terms import Direction as Direction
from amogus_search.pipeline.terms import Picture as Picture
from amogus_search.pipeline.terms import Region as Region
from amogus_search.pipeline.terms import Term as Term
from amogus_search.pipeline.terms import Text as Text
from amogus_search.pipeline.terms import Weighted as Weighted
from amogus_search.ports import Embedder
from amogus_search.settings import SEARCH

By: TypeAlias = Literal["amogusness", "similarity", "mixed"]


EVERYTHING = Threshold()


@dataclass(frozen=True, eq=False)
class Query:
    """One question.

    plus, minus: what a hit should be like, and what not, each of weight 1 unless it is `Weighted`; without any, nothing
                 is compared
    by:          what hits are ranked by; None: similarity if there are terms, else amogusness; mixed: by both
    limit:       how many hits; None: all
    diverse:     trade between relevance (1) and difference (0) of the hits; None: by relevance alone
    fold:        hits that show the same picture are one
    least:       lowest similarity of a hit to the terms
    regions:     findings rather than images by their best one
    threshold:   what a finding must reach; without bounds the best are given, however good
    where:       an expression of `core.where` over the index' columns; empty for none
    """

    plus: tuple[Term | Weighted, ...] = ()
    minus: tuple[Term | Weighted, ...] = ()
    by: By | None = None
    limit: int | None = 20
    diverse: float | None = None
    fold: bool = False
    least: float | None = None
    regions: bool = False
    threshold: Threshold = EVERYTHING
    where: str = ""

    @property
    def terms(self) -> tuple[Term, ...]:
        """All of them, what to add first."""
        return tuple(one.term for one in terms.weighted((*self.plus, *self.minus)))

    @property
    def needs_embedder(self) -> bool:
        """Whether a term must be embedded; regions of the index and directions have their vectors already."""
        return any(terms.needs_embedder(term) for term in self.terms)


class Searchable(Protocol):
    """What searching needs of an index."""

    def columns(self) -> Mapping[str, Column]:
        """What an expression may name."""
        ...

    def best_images(
        self,
        n: int | None,
        *,
        min_amogusness: float | None,
        min_confidence: float | None,
        where_sql: str,
        params: Sequence[Value],
    ) -> list[Hit]:
        """Images by their best finding."""
        ...

    def best_regions(
        self,
        n: int | None,
        *,
        min_amogusness: float | None,
        min_confidence: float | None,
        where_sql: str,
        params: Sequence[Value],
    ) -> list[Hit]:
        """Findings, best first."""
        ...

    def similar(
        self,
        vector: NDArray[np.float32],
        n: int | None,
        *,
        kind: Literal["image", "detection", "both"],
        by_image: bool,
        min_similarity: float | None,
        min_amogusness: float | None,
        min_confidence: float | None,
        where_sql: str,
        params: Sequence[Value],
    ) -> list[Hit]:
        """Regions by their similarity to a vector."""
        ...

    def region_vector(self, region: str) -> NDArray[np.float32]:
        """(d,) vector of a finding by its crop id, or of an image by its sha256."""
        ...


def search(index: Searchable, embedder: Embedder | None, query: Query) -> list[Hit]:
    """The hits of a query, best first.

    What is not ranked by the score that finds it is ranked among candidates: the 20 times `limit`, and at least 500,
    most similar (without terms: most amogus-like) ones, or all that have the lowest similarity where one is given.

    Args:
        index: open for reading.
        embedder: the index' own; may be None for a query that does not need one.
        query: the question.

    Raises:
        UsageError: the expression cannot be read, a region is unknown, the terms cancel each other out, or
            similarity to nothing is asked for.
    """
    if not query.terms and (query.by in ("similarity", "mixed") or query.least is not None):
        raise UsageError("there is nothing to be similar to", "give a text, --image or --plus, or leave out --by")
    find = _finder(index, embedder, query)
    pool = _pool(query)
    while True:
        candidates = find(pool)
        hits = _arranged(index, query, candidates)
        # Folding may have left too few.
        if pool is None or len(hits) == query.limit or len(candidates) < pool:
            # A hit that may stay as it is keeps its findings for when they are looked at.
            return [hit if hit.rank == rank else replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1)]
        pool *= 4


def _pool(query: Query) -> int | None:
    """How many candidates are ranked; None: all."""
    is_second_thought = bool(query.terms) and query.by in ("amogusness", "mixed")
    if is_second_thought and query.least is not None:
        return SEARCH.pool_most
    if query.limit is None:
        return None
    if is_second_thought or query.fold or query.diverse is not None:
        return max(SEARCH.pool_factor * query.limit, SEARCH.pool_least)
    return query.limit


def _finder(index: Searchable, embedder: Embedder | None, query: Query) -> Callable[[int | None], list[Hit]]:
    """What gives so many candidates, best first."""
    where_sql, params = compile_where(query.where, index.columns()) if query.where else ("", ())
    conditions: dict[str, Any] = {
        "min_amogusness": query.threshold.min_amogusness,
        "min_confidence": query.threshold.min_confidence,
        "where_sql": where_sql,
        "params": params,
    }
    if not query.terms:
        best = index.best_regions if query.regions else index.best_images
        return lambda n: best(n, **conditions)
    vector = query_vector(index, embedder, query)
    kind: Literal["detection", "both"] = "detection" if query.regions else "both"
    by_image = not query.regions
    return lambda n: index.similar(vector, n, kind=kind, by_image=by_image, min_similarity=query.least, **conditions)


def _arranged(index: Searchable, query: Query, candidates: Sequence[Hit]) -> list[Hit]:
    """The candidates ranked by what the query says, folded and spread, at most as many as it wants."""
    hits = list(candidates)
    if query.terms and query.by == "amogusness":
        hits = arrange.by_amogusness(hits)
    if query.terms and query.by == "mixed":
        hits = arrange.by_both(hits)
    if query.fold:
        hits = arrange.folded(hits, index, regions=query.regions)
    if query.diverse is not None:
        return arrange.diversified(hits, index, query.diverse, query.limit)
    return hits[: query.limit]


def query_vector(index: Searchable, embedder: Embedder | None, query: Query) -> NDArray[np.float32]:
    """(d,) unit vector of the query's terms: those to add minus those to take away, by their weights."""
    return terms.sum_of(index, embedder, terms.weighted(query.plus), terms.weighted(query.minus))


def unknown_words(embedder: Embedder, query: Query) -> tuple[str, ...]:
    """Words of the query's texts that the embedder never saw, each once."""
    texts = [term.text for term in query.terms if isinstance(term, Text)]
    return tuple(dict.fromkeys(word for text in texts for word in embedder.unknown_words(text)))
