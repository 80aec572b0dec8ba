"""From the options of `query` and `export` to a question, and the index that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from amogus_search.cli.parameters import QueryOptions, Thresholds, index_folder
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.asking import Asker, ReadImage
    from amogus_search.core.types import Hit
    from amogus_search.pipeline.search import Query, Term, Weighted
    from amogus_search.store.index import Index


@contextmanager
def opened_index(given: Path | None) -> Iterator[Index]:
    """The index to ask, open for reading; without one, the error has the command that makes it."""
    from amogus_search.store.index import Index

    with Index.open(index_folder(given)) as index:
        yield index


@contextmanager
def image_reader() -> Iterator[ReadImage]:
    """Decodes single pictures; see `amogus_search.asking.image_reader`."""
    from amogus_search.asking import image_reader as reader

    with reader() as read:
        yield read


def answer(asker: Asker, query: Query, say: Callable[[str], None]) -> list[Hit]:
    """The hits; loads the index' own embedder only if the question needs it.

    Args:
        asker: of the open index.
        query: what to look for.
        say: takes notes for the user, such as words that the embedder does not know.
    """
    words = asker.unknown_words(query)
    if words:
        say(
            f"the embedder of this index never saw {', '.join(map(repr, words))}; for any words at all, make an "
            "index with --embedder open_clip:ViT-B-32/laion2b_s34b_b79k"
        )
    hits = asker.ask(query)
    for hit in hits:
        len(hit.detections)  # a damaged row is found before anything of the answer is shown
    if not hits:
        say(_why_empty(asker.index, query))
    return hits


def question(
    asker: Asker,
    texts: Sequence[str] | None,
    options: QueryOptions,
    thresholds: Thresholds,
    *,
    limit: int | None = 20,
    regions: bool = False,
) -> Query:
    """The question that the options mean; `limit` and `regions` are what counts where the options leave it open.

    Raises:
        UsageError: --image names nothing that can be read, a weight or a box cannot, or there is no such concept.
    """
    from amogus_search.core.thresholds import Threshold
    from amogus_search.pipeline.search import Query

    plus: list[Term | Weighted] = [asker.words(text) for text in texts or () if text]
    plus += _images(asker, options)
    plus += [asker.weighted(word) for word in options.plus or ()]
    return Query(
        plus=tuple(plus),
        minus=tuple(asker.weighted(word) for word in options.minus or ()),
        by=options.by,
        diverse=options.diverse,
        fold=options.fold_duplicates,
        least=options.min_similarity,
        limit=options.limit if options.limit is not None else limit,
        regions=options.regions if options.regions is not None else regions,
        threshold=thresholds.resolved(Threshold()),
        where=options.where or "",
    )


def _images(asker: Asker, options: QueryOptions) -> list[Term]:
    from amogus_search.asking import parsed_box

    if options.image is None:
        if options.box is not None:
            raise UsageError("--box has no picture", "say which: --image FILE --box x1,y1,x2,y2")
        return []
    term = asker.picture(options.image, None if options.box is None else parsed_box(options.box))
    if term is None:
        raise UsageError(
            f"there is no picture {options.image}",
            "--image takes a file, the crop id of a finding, or the sha256 of a picture",
        )
    return [term]


def _why_empty(index: Index, query: Query) -> str:
    if not index.counts()["indexed"]:
        return f"the index {index.folder} has no pictures; add some: amogus index PATH"
    if (
        query.where
        or query.least is not None
        or query.threshold.min_amogusness is not None
        or query.threshold.min_confidence is not None
    ):
        return "nothing fits these conditions"
    return "nothing found"
