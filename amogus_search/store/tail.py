"""Regions that no search structure holds yet: their vectors in memory, each row checked once, compared in one product.

What is too much for memory is read again for every query, in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.store import liveness, rows
from amogus_search.store.catalog import Catalog

CACHED_BYTES = 256_000_000
"""Vectors that are kept in memory; about what a process with a small search structure takes anyway."""
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Block:
    """Some regions.

    ids:      (n,) int64, of `vectors`
    is_image: (n,) bool, whole images
    vectors:  (n, d) float32, unit length
    """

    ids: NDArray[np.int64]
    is_image: NDArray[np.bool_]
    vectors: Vectors


class Tail:
    """The regions outside one generation (or all, for none), followed as more are committed.

    Args:
        catalog: where they are.
        generation, newest: what the generation is called, and its newest id; -1 and -1 without one.
    """

    def __init__(self, catalog: Catalog, generation: int, newest: int) -> None:
        self._catalog = catalog
        self.generation, self.newest = generation, newest
        self._revived = 0
        self._blocks: list[Block] = []
        self._bytes = 0
        self._last = -1
        self._is_complete = True

    def follow(self) -> None:
        """Read what was committed since the last time.

        Raises:
            IndexStateError: a row of it is damaged.
        """
        revived = liveness.revived_count(self._catalog, self.generation)
        if revived != self._revived:
            # They come before what was read already.
            self._revived, self._blocks, self._bytes, self._last = revived, [], 0, -1
        self._is_complete = True
        for block in self._read(self._last):
            if self._bytes + block.vectors.nbytes > CACHED_BYTES:
                self._is_complete = False
                break
            self._blocks.append(block)
            self._bytes += block.vectors.nbytes
            self._last = max(self._last, int(block.ids[-1]))
        if len(self._blocks) > 1 and self._is_complete:
            self._blocks = [_joined(self._blocks)]

    def blocks(self) -> Iterator[Block]:
        """All of them, those in memory first."""
        yield from self._blocks
        if not self._is_complete:
            yield from self._read(self._last)

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self._blocks and self._is_complete

    def __len__(self) -> int:
        """How many are in memory."""
        return sum(len(block.ids) for block in self._blocks)

    def _read(self, after: int) -> Iterator[Block]:
        found: list[rows.Row] = []
        for sql, values in liveness.tail_queries(self.generation, self.newest, after):
            for row in self._catalog.stream(sql, values):
                rows.checked("vectors", row[:-1])
                found.append(row)
                if len(found) == _BLOCK:
                    yield _block(found)
                    found = []
        if found:
            yield _block(found)


def _block(found: list[rows.Row]) -> Block:
    ids = np.asarray([row[-1] for row in found], np.int64)
    is_image = np.asarray([row[0] == "image" for row in found], bool)
    return Block(ids, is_image, rows.unit_vectors([row[3] for row in found]))


def _joined(blocks: list[Block]) -> Block:
    return Block(
        np.concatenate([block.ids for block in blocks]),
        np.concatenate([block.is_image for block in blocks]),
        np.concatenate([block.vectors for block in blocks]),
    )
