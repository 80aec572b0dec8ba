"""Thumbnails of an index' pictures, read from their files when they are wanted, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import FileEntry, Pixels, SkippedImage
from amogus_search.pipeline.copies import OUTLINE_PX, outline, thumbnail
from amogus_search.ports import Decoder
from amogus_search.store.wholes import PictureFile

CHANGED = "changed"
"""The reason for a file whose content is not the one that the index saw; others are `core.types.SKIP_REASONS`."""
KEPT = 4000
"""Thumbnails in memory: 110 MB. Outlines are a kilobyte each, and all of them stay."""


@dataclass(frozen=True)
class Unread:
    """A file whose pixels could not be had."""

    path: bytes
    reason: str
    detail: str


class Thumbnails:
    """Thumbnails and outlines by row of a list of files.

    A file that cannot be read, or is not what the index saw, has none, and is noted in `unread` once.
    """

    def __init__(self, files: Sequence[PictureFile], decoder: Decoder, kept: int = KEPT) -> None:
        self._files, self._decoder, self._most = files, decoder, kept
        self._thumbs: OrderedDict[int, Pixels] = OrderedDict()
        self._outlines: NDArray[np.uint8] = np.zeros((len(files), OUTLINE_PX, OUTLINE_PX), np.uint8)
        self._has_outline = np.zeros(len(files), bool)
        self._bad: set[int] = set()
        self.unread: list[Unread] = []

    def read_outlines(self, rows: Sequence[int]) -> Iterator[int]:
        """Read the pictures of these rows; yields how many are done."""
        for done, (row, thumb) in enumerate(self._read(rows), start=1):
            if thumb is not None:
                self._outlines[row] = outline(thumb)
                self._has_outline[row] = True
                self._keep(row, thumb)
            yield done

    def outlines(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(..., 32, 32) outlines of (...) rows, and (...) which of them were read."""
        return self._outlines[rows], self._has_outline[rows]

    def read_ahead(self, rows: Iterable[int]) -> None:
        """Read the pictures of these rows that are not in memory, all in one go."""
        missing = [row for row in sorted(set(rows)) if row not in self._thumbs and row not in self._bad]
        for row, thumb in self._read(missing):
            if thumb is not None:
                self._keep(row, thumb)

    def get(self, row: int) -> Pixels | None:
        """(96, 96, 3) thumbnail of a row; None if its file cannot be read."""
        if row not in self._thumbs:
            self.read_ahead([row])
        found = self._thumbs.get(row)
        if found is not None:
            self._thumbs.move_to_end(row)
        return found

    def _keep(self, row: int, thumb: Pixels) -> None:
        self._thumbs[row] = thumb
        self._thumbs.move_to_end(row)
        while len(self._thumbs) > self._most:
            self._thumbs.popitem(last=False)

    def _read(self, rows: Sequence[int]) -> Iterator[tuple[int, Pixels | None]]:
        entries = (FileEntry(self._files[row].path, self._files[row].path, None) for row in rows)
        for row, result in zip(rows, self._decoder.decode(entries), strict=True):
            if isinstance(result, SkippedImage):
                self._refuse(row, result.reason, result.detail)
                yield row, None
            elif result.sha256 != self._files[row].sha256:
                self._refuse(row, CHANGED, "its content is not the one that was indexed")
                yield row, None
            else:
                yield row, thumbnail(result.pixels)

    def _refuse(self, row: int, reason: str, detail: str) -> None:
        if row not in self._bad:
            self._bad.add(row)
            self.unread.append(Unread(self._files[row].path, reason, detail))
