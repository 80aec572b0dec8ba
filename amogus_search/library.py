"""An index as Python programs use it: what `store.index` holds, and questions in words.

from amogus_search import Index

with Index.open("index/default") as index:
    found = index.query("red crewmate", minus="person", n=5)
    print(found)
    found.to_pandas()
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.asking import Asker, Box, ReadImage, as_image, cut_box, image_reader, pixels_of
from amogus_search.core.paths import display_path
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import DecodedImage
from amogus_search.errors import UsageError
from amogus_search.pipeline.search import By, Picture, Query, Term, Weighted
from amogus_search.results import QueryResult
from amogus_search.settings import SEARCH
from amogus_search.store.index import Index as StoredIndex

if TYPE_CHECKING:
    from amogus_search.ports import Embedder

Word: TypeAlias = str | Term | Weighted
Image: TypeAlias = str | os.PathLike[str] | NDArray[np.uint8]
"""A path, the crop id of a finding, or (h, w, 3) uint8 RGB."""
_THUMBNAIL_PX = 640


class Index(StoredIndex):
    """An open index; made by `Index.open`, closed by `close` or at the end of a `with` block."""

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder that made the vectors, loaded when it is first needed."""
        from amogus_search.index_embedder import own_embedder

        return own_embedder(self)

    def query(
        self,
        *texts: str,
        image: Image | None = None,
        box: Box | None = None,
        plus: Word | Iterable[Word] = (),
        minus: Word | Iterable[Word] = (),
        by: By | None = None,
        n: int | None = 20,
        regions: bool = False,
        where: str = "",
        diverse: bool | float = False,
        fold_duplicates: bool = False,
        min_similarity: float | None = None,
        min_amogusness: float | None = None,
        min_confidence: float | None = None,
        literal: bool = False,
    ) -> QueryResult:
        """What `amogus query` answers; without texts, image, plus and minus the most amogus-like.

            index.query("red crewmate", n=5, where="folder = holiday and legs > 0.8")
            index.query(image="bin.jpg", box=(10, 20, 90, 140), by="mixed")
            index.query("king", plus="woman", minus="man")

        Args:
            texts: what to look for, in words, or `concept:NAME`; several are added up.
            image: a picture from outside or inside the index, a crop id, or pixels.
            box: only this part of the image: x1, y1, x2, y2 in pixels.
            plus, minus: words as for `--plus` and `--minus` ("0.5:trash can"), or terms of `pipeline.search`.
            by: amogusness, similarity, or mixed; by default similarity if there is something to compare with.
            n: how many hits; None: all.
            regions: findings rather than images by their best region.
            where: conditions; see `store.columns` for what may be compared.
            diverse: hits unlike each other; a number is the trade between relevance (1) and difference (0).
            fold_duplicates: copies of a picture, exact or near, are shown once.
            min_similarity, min_amogusness, min_confidence: what a hit must reach.
            literal: short texts are not put into the embedder's templates.

        Raises:
            UsageError: a word, the box or the expression cannot be read, or there is nothing to be similar to.
            IdentityMismatchError: the embedder of the index is another one by now.
        """
        asker = Asker(self, _read_one, literal=literal, embedder=lambda: self.embedder)
        added: list[Term | Weighted] = [asker.words(text) for text in texts]
        if image is not None:
            added.append(_pictured(asker, image, box))
        elif box is not None:
            raise UsageError("a box needs its picture", "give image= with it")
        query = Query(
            plus=(*added, *(_term(asker, word) for word in _each(plus))),
            minus=tuple(_term(asker, word) for word in _each(minus)),
            by=by,
            limit=_limit(n),
            diverse=_trade(diverse),
            fold=fold_duplicates,
            least=min_similarity,
            regions=regions,
            threshold=Threshold(min_amogusness, min_confidence),
            where=where,
        )
        return QueryResult(tuple(asker.ask(query)), query, self.evidence_names, thumbnail_reader)


@contextmanager
def thumbnail_reader() -> Iterator[ReadImage]:
    """Decodes pictures no larger than notebooks show them."""
    with image_reader(max_side=_THUMBNAIL_PX) as read:
        yield read


def _read_one(path: bytes) -> DecodedImage:
    with image_reader() as read:
        return read(path)


def _limit(n: int | None) -> int | None:
    if n is not None and n < 1:
        raise UsageError(f"n is {n}", "ask for one hit or more, or None for all")
    return n


def _trade(diverse: bool | float) -> float | None:
    if isinstance(diverse, bool):
        return SEARCH.diversity if diverse else None
    if not 0 <= diverse <= 1:
        raise UsageError(f"diverse is {diverse}", "give a number from 0 to 1, or True")
    return float(diverse)


def _each(words: Word | Iterable[Word]) -> Iterable[Word]:
    return (words,) if isinstance(words, str | Term | Weighted) else words


def _term(asker: Asker, word: Word) -> Term | Weighted:
    return asker.weighted(word) if isinstance(word, str) else word


def _pictured(asker: Asker, image: Image, box: Box | None) -> Term:
    if isinstance(image, np.ndarray):
        return Picture(pixels_of(image) if box is None else cut_box(as_image(image), box))
    word = os.fspath(image)
    term = asker.picture(word, box)
    if term is None:
        raise UsageError(
            f"there is no picture {display_path(os.fsencode(word))}", "give a file, a crop id or an array of pixels"
        )
    return term
