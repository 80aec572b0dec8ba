"""What a question is made of: texts, pictures, regions of the index and directions, each with a weight."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ranking import combine
from amogus_search.core.types import Pixels
from amogus_search.ports import Embedder

SHORT = 3
"""Texts of so many words or fewer are put into sentences; longer ones are sentences already."""


_ARTICLES = ("a", "an", "the")


@dataclass(frozen=True)
class Text:
    """A query term in words; `literal`: embedded as it is, never within an embedder's templates."""

    text: str
    literal: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """A query term that is a picture from outside the index: (h, w, 3) uint8 RGB, upright."""

    pixels: Pixels


@dataclass(frozen=True)
class Region:
    """A query term that the index holds: the crop id of a finding, or the sha256 of an image. Needs no model."""

    id: str


@dataclass(frozen=True, eq=False)
class Direction:
    """A query term that is a vector already, as of a concept: (d,) float32, unit length. Needs no model."""

    name: str
    vector: NDArray[np.float32]


Term: TypeAlias = Text | Picture | Region | Direction


@dataclass(frozen=True)
class Weighted:
    """A term that counts more or less than the others; every term is brought to unit length first."""

    term: Term
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"the weight {self.weight} is not a positive number; what to take away is for `minus`")


class Regions(Protocol):
    """What knows the vectors of an index' regions."""

    def region_vector(self, region: str) -> NDArray[np.float32]:
        """(d,) vector of a finding by its crop id, or of an image by its sha256."""
        ...


def weighted(terms: Iterable[Term | Weighted]) -> tuple[Weighted, ...]:
    """The same terms, each with its weight; 1 where none is given."""
    return tuple(term if isinstance(term, Weighted) else Weighted(term) for term in terms)


def needs_embedder(term: Term) -> bool:
    """Whether the term must be embedded first."""
    return isinstance(term, Text | Picture)


def sum_of(
    index: Regions, embedder: Embedder | None, plus: Iterable[Weighted], minus: Iterable[Weighted]
) -> NDArray[np.float32]:
    """(d,) unit vector of the terms to add minus those to take away, each of unit length times its weight.

    Raises:
        UsageError: the terms cancel each other out, or a region is unknown.
        ValueError: a term needs an embedder and there is none.
    """
    added, taken = tuple(plus), tuple(minus)
    rows = [vector_of(index, embedder, one.term) for one in (*added, *taken)]
    return combine(rows, [one.weight for one in added] + [-one.weight for one in taken])


def vector_of(index: Regions, embedder: Embedder | None, term: Term) -> NDArray[np.float32]:
    """(d,) vector of one term."""
    if isinstance(term, Region):
        return index.region_vector(term.id)
    if isinstance(term, Direction):
        return term.vector
    if embedder is None:
        raise ValueError("this query needs an embedder")
    if isinstance(term, Picture):
        return np.asarray(embedder.embed_images([term.pixels])[0])
    texts = prompts(embedder, term)
    vectors = embedder.embed_texts(texts)
    return combine(vectors, [1.0] * len(texts))


def prompts(embedder: Embedder, term: Text) -> tuple[str, ...]:
    """The texts whose mean direction stands for a term: itself, or each of the embedder's templates around it.

    An embedder with an open vocabulary learnt from captions, and a bare noun is none; averaging some ("a photo of
    a {}.", ...) is steadier. It names them as `templates`; one with a word list of its own has none.
    """
    templates = getattr(embedder, "templates", ())
    words = term.text.split()
    if words[:1] and words[0].lower() in _ARTICLES:  # the templates have their own
        words = words[1:]
    if term.literal or not templates or not 1 <= len(words) <= SHORT:
        return (term.text,)
    return tuple(template.replace("{}", " ".join(words)) for template in templates)
