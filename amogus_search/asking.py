"""What people's words mean to an index: texts, picture files and boxes of them, crop ids, concepts, and weights.

| word | means |
|---|---|
| `concept:NAME` | the direction of a concept (`concept_folders`) |
| 16 hex digits | the finding of this crop id |
| 64 hex digits | the indexed picture of this sha256 |
| `FILE`, `FILE#x1,y1,x2,y2` | a picture, or a box of it in pixels of the upright picture |
| `NUMBER:WORD` | any of these, or a text, counted so often |
| anything else | a text |
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from amogus_search.concept_folders import PREFIX, load_concept
from amogus_search.core.cropping import crop, scale_boxes
from amogus_search.core.types import DecodedImage, FileEntry, Hit, Pixels, SkippedImage
from amogus_search.errors import AmogusError, DecodeError, UsageError
from amogus_search.pipeline.search import Direction, Picture, Query, Region, Term, Text, Weighted, search, unknown_words
from amogus_search.settings import CROPS
from amogus_search.store.index import Index

if TYPE_CHECKING:
    from amogus_search.ports import Embedder
    from amogus_search.sources.workers import DecodePool

Box: TypeAlias = Sequence[float]
"""x1, y1, x2, y2 in pixels of the upright picture, x2/y2 exclusive."""
ReadImage: TypeAlias = Callable[[bytes], DecodedImage]

_REGION = re.compile("[0-9a-f]{16}|[0-9a-f]{64}")
_WEIGHT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*:(.*)", re.DOTALL)
_BOXED = re.compile(r"(.+)#([-+.\deE]+(?:\s*,\s*[-+.\deE]+){3})", re.DOTALL)


@contextmanager
def image_reader(max_side: int | None = None) -> Iterator[ReadImage]:
    """Decodes single pictures, each by its path; a picture that cannot be read raises `DecodeError`.

    Args:
        max_side: they may be made smaller, to no less than this longer side in pixels; None: as they are.
    """
    with ExitStack() as used:

        @cache
        def pool() -> DecodePool:
            from amogus_search.sources.workers import DecodePool  # few questions name a picture

            return used.enter_context(DecodePool(max_side=max_side))

        def read(path: bytes) -> DecodedImage:
            (result,) = pool().decode(iter([FileEntry(path=path, root=path, stat=None)]))
            if isinstance(result, SkippedImage):
                raise DecodeError(result.reason, result.detail)
            return result

        yield read


class Asker:
    """An open index with what its questions need: a decoder, and its own embedder, loaded when first needed.

    Args:
        index: open.
        read: decodes the pictures that questions name; see `image_reader`.
        literal: texts are embedded as they are, and never within the embedder's templates.
        embedder: gives the one that made the index' vectors; None: it is loaded by its name.
    """

    def __init__(
        self,
        index: Index,
        read: ReadImage,
        *,
        literal: bool = False,
        embedder: Callable[[], Embedder] | None = None,
    ) -> None:
        self.index = index
        self._read = read
        self._literal = literal
        self._load = embedder

    @cached_property
    def embedder(self) -> Embedder:
        """The one that made the index' vectors."""
        if self._load is not None:
            return self._load()
        from amogus_search.index_embedder import own_embedder

        return own_embedder(self.index)

    def ask(self, query: Query) -> list[Hit]:
        """The hits, best first; the errors are those of `pipeline.search.search`."""
        return search(self.index, self.embedder if query.needs_embedder else None, query)

    def unknown_words(self, query: Query) -> tuple[str, ...]:
        """Words of the query's texts that the embedder never saw."""
        return unknown_words(self.embedder, query) if query.needs_embedder else ()

    def words(self, text: str) -> Term:
        """A concept, or a text; whatever files there are."""
        if text.startswith(PREFIX):
            return Direction(text, load_concept(text.removeprefix(PREFIX), self.embedder))
        return Text(text, literal=self._literal)

    def weighted(self, word: str) -> Weighted:
        """What a word means, and how often it counts; a text that itself begins like `2:` is written `1:2:`.

        Raises:
            UsageError: the weight is not a positive number; or as for `words` and `picture`.
        """
        match = _WEIGHT.fullmatch(word)
        weight, rest = (float(match[1]), match[2].strip()) if match else (1.0, word)
        if not (math.isfinite(weight) and weight > 0):
            raise UsageError(f"the weight of {word!r} is not above zero", "what to take away is for --minus")
        if not rest:
            raise UsageError(f"there is nothing after the weight in {word!r}", "write it as 0.5:trash can")
        return Weighted(self.picture(rest) or self.words(rest), weight)

    def picture(self, word: str, box: Box | None = None) -> Term | None:
        """The region or picture that a word means; None: it is no picture.

        Args:
            word: a crop id, a sha256, or the path of a picture, in the index or not, perhaps with `#x1,y1,x2,y2`.
            box: the same as such an ending; cut out with the context that crops of findings have.

        Raises:
            UsageError: the box cannot be read, is empty or outside, or is given twice or for a crop id.
            AmogusError: there is such a file, but it cannot be read as a picture.
        """
        if _REGION.fullmatch(word):
            if box is not None:
                raise UsageError("a crop id or a sha256 has no box", "leave out --box, or give the file")
            return Region(word)
        boxed = None if os.path.isfile(os.fsencode(word)) else _BOXED.fullmatch(word)
        if boxed is not None:
            if box is not None:
                raise UsageError("the box is given twice", "leave out --box, or the end of the file name")
            word, box = boxed[1], parsed_box(boxed[2])
        path = os.path.abspath(os.fsencode(word))
        if not os.path.isfile(path):
            return None
        return self._file(path, word, box)

    def _file(self, path: bytes, word: str, box: Box | None) -> Term:
        known = self.index.known_file(path)
        if box is None and known is not None and known.sha256 is not None and known.reason is None:
            return Region(known.sha256)
        try:
            image = self._read(path)
        except DecodeError as error:
            raise AmogusError(
                f"{word} cannot be read: {error.reason}: {error.detail}", "give another picture"
            ) from error
        return Picture(image.pixels if box is None else cut_box(image, box))


def parsed_box(text: str) -> tuple[float, float, float, float]:
    """Four numbers with commas between them.

    Raises:
        UsageError: it is something else.
    """
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{text!r} is no box", "write four numbers: x1,y1,x2,y2, in pixels of the picture") from None
    return x1, y1, x2, y2


def pixels_of(picture: np.ndarray) -> Pixels:
    """The same pixels, if they are (h, w, 3) uint8 and not none.

    Raises:
        UsageError: they are something else.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise UsageError(
            f"{picture.dtype}{picture.shape} is no picture", "give (height, width, 3) uint8, red green blue, upright"
        )
    return picture


def as_image(picture: np.ndarray, name: bytes = b"") -> DecodedImage:
    """Pixels that come from no file, as a decoder would give them; errors as for `pixels_of`."""
    pixels = pixels_of(picture)
    digest = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
    full_wh = (pixels.shape[1], pixels.shape[0])
    return DecodedImage(FileEntry(path=name, root=name, stat=None), pixels, full_wh, digest, "array")


def cut_box(image: DecodedImage, box: Box) -> Pixels:
    """(h, w, 3) uint8: the pixels of a box with the context that crops of findings have, so that both compare.

    Raises:
        UsageError: the box is empty, not finite, or not within the picture.
    """
    x1, y1, x2, y2 = box
    width, height = image.full_wh
    if not (x1 < x2 and y1 < y2 and all(map(math.isfinite, box))):
        raise UsageError(f"the box {_shown(box)} is empty", "write x1,y1,x2,y2 with x1 < x2 and y1 < y2")
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        raise UsageError(
            f"the box {_shown(box)} is outside the picture of {width} x {height} pixels",
            "boxes are x1,y1,x2,y2 in pixels of the upright picture, from the top left",
        )
    inside = (max(x1, 0), max(y1, 0), min(x2, width), min(y2, height))
    decoded_h, decoded_w = image.pixels.shape[:2]
    return crop(image.pixels, scale_boxes(inside, image.full_wh, (decoded_w, decoded_h)), CROPS.pad_ratio)


def _shown(box: Box) -> str:
    return ",".join(f"{value:g}" for value in box)
