"""The verb "search": one question to an index, made of a ranking, bounds, conditions and, perhaps, query terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ranking import order_hits
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Hit
from amogus_search.core.where import Column, Value, compile_where
from amogus_search.errors import UsageError
from amogus_search.pipeline import terms
from amogus_search.pipeline.terms import Direction as Direction
from amogus_search.pipeline.terms import Picture as Picture
from amogus_search.pipeline.terms import Region as Region
from amogus_search.pipeline.terms import Term as Term
from amogus_search.pipeline.terms import Text as Text
from amogus_search.pipeline.terms import Weighted as Weighted
from amogus_search.ports import Embedder

By: TypeAlias = Literal["amogusness", "similarity"]


EVERYTHING = Threshold()


@dataclass(frozen=True, eq=False)
class Query:
    """One question.

    plus, minus: what a hit should be like, and what not, each of weight 1 unless it is `Weighted`; without any, nothing
                 is compared
    by:          what hits are ranked by; None: similarity if there are terms, else amogusness
    limit:       how many hits; None: all
    regions:     findings rather than images by their best one
    threshold:   what a finding must reach; without bounds the best are given, however good
    where:       an expression of `core.where` over the index' columns; empty for none
    """

    plus: tuple[Term | Weighted, ...] = ()
    minus: tuple[Term | Weighted, ...] = ()
    by: By | None = None
    limit: int | None = 20
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

    Ranking by amogusness with terms takes the most similar `limit` hits and puts the most amogus-like of them first.

    Args:
        index: open for reading.
        embedder: the index' own; may be None for a query that does not need one.
        query: the question.

    Raises:
        UsageError: the expression cannot be read, a region is unknown, the terms cancel each other out, or the
            query is ranked by similarity to nothing.
    """
    if query.by == "similarity" and not query.terms:
        raise UsageError("there is nothing to be similar to", "give a text, --image or --plus, or leave out --by")
    where_sql, params = compile_where(query.where, index.columns()) if query.where else ("", ())
    least = query.threshold
    if not query.terms:
        rank = index.best_regions if query.regions else index.best_images
        return rank(
            query.limit,
            min_amogusness=least.min_amogusness,
            min_confidence=least.min_confidence,
            where_sql=where_sql,
            params=params,
        )
    hits = index.similar(
        query_vector(index, embedder, query),
        query.limit,
        kind="detection" if query.regions else "both",
        by_image=not query.regions,
        min_amogusness=least.min_amogusness,
        min_confidence=least.min_confidence,
        where_sql=where_sql,
        params=params,
    )
    return order_hits(map(_by_amogusness, hits)) if query.by == "amogusness" else hits


def query_vector(index: Searchable, embedder: Embedder | None, query: Query) -> NDArray[np.float32]:
    """(d,) unit vector of the query's terms: those to add minus those to take away, by their weights."""
    return terms.sum_of(index, embedder, terms.weighted(query.plus), terms.weighted(query.minus))


def unknown_words(embedder: Embedder, query: Query) -> tuple[str, ...]:
    """Words of the query's texts that the embedder never saw, each once."""
    texts = [term.text for term in query.terms if isinstance(term, Text)]
    return tuple(dict.fromkeys(word for text in texts for word in embedder.unknown_words(text)))


def _by_amogusness(hit: Hit) -> Hit:
    """The same hit scored by its finding, or by its image's best one; confidence where there is no calibration."""
    if not len(hit.detections):
        return replace(hit, score=0.0, by="amogusness")
    known, row = hit.scores.amogusness, hit.detection
    uncalibrated = bool(np.isnan(known).all())
    scores = hit.detections.confidence.astype(np.float64) if uncalibrated else known
    score = float(scores.max() if row is None else scores[row])
    return replace(hit, score=score, by="confidence" if uncalibrated else "amogusness")
