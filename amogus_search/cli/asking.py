"""From the options of `query` and `export` to a question, and the index that answers it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from amogus_search.cli.parameters import QueryOptions, Thresholds, index_folder
from amogus_search.errors import AmogusError, DecodeError, UsageError

if TYPE_CHECKING:
    from amogus_search.core.types import DecodedImage, Hit
    from amogus_search.pipeline.search import Query, Term
    from amogus_search.store.index import Index

_CROP_ID = re.compile("[0-9a-f]{16}")
ReadImage = Callable[[bytes], "DecodedImage"]


@contextmanager
def opened_index(given: Path | None) -> Iterator[Index]:
    """The index to ask, open for reading; without one, the error has the command that makes it."""
    from amogus_search.store.index import Index

    with Index.open(index_folder(given)) as index:
        yield index


@contextmanager
def image_reader() -> Iterator[ReadImage]:
    """Decodes single pictures, each by its path; a picture that cannot be read raises `DecodeError`."""
    from amogus_search.core.types import FileEntry, SkippedImage
    from amogus_search.sources.workers import DecodePool

    with DecodePool() as pool:

        def read(path: bytes) -> DecodedImage:
            (result,) = pool.decode(iter([FileEntry(path=path, root=path, stat=None)]))
            if isinstance(result, SkippedImage):
                raise DecodeError(result.reason, result.detail)
            return result

        yield read


def answer(index: Index, query: Query, say: Callable[[str], None]) -> list[Hit]:
    """The hits; loads the index' own embedder only if the question needs it.

    Args:
        index: open.
        query: what to look for.
        say: takes notes for the user, such as words that the embedder does not know.
    """
    from amogus_search.indexing import own_embedder
    from amogus_search.pipeline.search import search, unknown_words

    embedder = own_embedder(index) if query.needs_embedder else None
    if embedder is not None:
        words = unknown_words(embedder, query)
        if words:
            say(
                f"the embedder of this index never saw {', '.join(map(repr, words))}; for any words at all, make an "
                "index with --embedder open_clip:ViT-B-32/laion2b_s34b_b79k"
            )
    hits = search(index, embedder, query)
    if not hits:
        say(_why_empty(index, query))
    return hits


def question(
    index: Index,
    text: str | None,
    options: QueryOptions,
    thresholds: Thresholds,
    read: ReadImage,
    *,
    limit: int | None = 20,
    regions: bool = False,
) -> Query:
    """The question that the options mean; `limit` and `regions` are what counts where the options leave it open.

    Raises:
        UsageError: --image names nothing that can be read.
    """
    from amogus_search.core.thresholds import Threshold
    from amogus_search.pipeline.search import Query, Text

    plus: list[Term] = [Text(text)] if text else []
    if options.image is not None:
        term = _picture(index, options.image, read)
        if term is None:
            raise UsageError(
                f"there is no picture {options.image}", "--image takes a file, or the crop id of a finding"
            )
        plus.append(term)
    plus += [_picture(index, word, read) or Text(word) for word in options.plus or ()]
    return Query(
        plus=tuple(plus),
        minus=tuple(_picture(index, word, read) or Text(word) for word in options.minus or ()),
        by=options.by,
        limit=options.limit if options.limit is not None else limit,
        regions=options.regions if options.regions is not None else regions,
        threshold=thresholds.resolved(Threshold()),
        where=options.where or "",
    )


def _picture(index: Index, word: str, read: ReadImage) -> Term | None:
    """The region or picture that a word means: a crop id, an indexed picture, any other picture; None: it is a text."""
    from amogus_search.pipeline.search import Picture, Region

    if _CROP_ID.fullmatch(word):
        return Region(word)
    path = os.path.abspath(os.fsencode(word))
    if not os.path.isfile(path):
        return None
    known = index.known_file(path)
    if known is not None and known.sha256 is not None and known.reason is None:
        return Region(known.sha256)
    try:
        return Picture(read(path).pixels)
    except DecodeError as error:
        raise AmogusError(f"{word} cannot be read: {error.reason}: {error.detail}", "give another picture") from error


def _why_empty(index: Index, query: Query) -> str:
    if not index.counts()["indexed"]:
        return f"the index {index.folder} has no pictures; add some: amogus index PATH"
    if query.where or query.threshold.min_amogusness is not None or query.threshold.min_confidence is not None:
        return "nothing fits these conditions"
    return "nothing found"
