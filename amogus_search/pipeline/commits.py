"""Writing to an index in a thread of its own, one batch at a time, while the next one is put together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from amogus_search.core.types import FileEntry, ImageFindings, SkippedImage
from amogus_search.pipeline.index_ports import IndexStore


@dataclass
class Batch:
    """What waits for the next commit."""

    added: list[ImageFindings] = field(default_factory=list)
    attached: list[tuple[FileEntry, str]] = field(default_factory=list)
    skipped: list[SkippedImage] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.added) + len(self.attached) + len(self.skipped)


class InTurns:
    """An index that several threads use: one at a time, so that none sees half of another's transaction."""

    def __init__(self, index: IndexStore) -> None:
        self._index = index
        self._turn = threading.Lock()

    def has_content(self, sha256: str) -> bool:
        """See `IndexStore.has_content`."""
        with self._turn:
            return self._index.has_content(sha256)

    def write(self, batch: Batch, skip_tag: str) -> None:
        """Store a batch, in one transaction."""
        with self._turn:
            self._index.write(added=batch.added, attached=batch.attached, skipped=batch.skipped, skip_tag=skip_tag)

    def in_flight(self) -> Mapping[bytes, int]:
        """See `IndexStore.in_flight`."""
        with self._turn:
            return self._index.in_flight()

    def set_in_flight(self, paths: Sequence[bytes]) -> None:
        """See `IndexStore.set_in_flight`."""
        with self._turn:
            self._index.set_in_flight(paths)

    def keep_in_flight(self, deaths: Mapping[bytes, int]) -> None:
        """See `IndexStore.keep_in_flight`."""
        with self._turn:
            self._index.keep_in_flight(deaths)

    def remove(self, paths: Sequence[bytes]) -> None:
        """Store that files are gone, in one transaction."""
        with self._turn:
            self._index.write(removed=paths)


class Writer:
    """Writes batches in their order, each in one transaction, of which one at most is under way.

    Args:
        write: stores one batch, all of it or nothing; called in the writer's thread only.
        written: told of every batch that is durable, in the thread of whoever calls `settle` or `hand_over`.
    """

    def __init__(self, write: Callable[[Batch], None], written: Callable[[Batch], None]) -> None:
        self._write, self._written = write, written
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="amogus-writer")
        self._under_way: tuple[Batch, Future[None]] | None = None

    def hand_over(self, batch: Batch) -> None:
        """Begin to write a batch, once the one before is durable.

        Raises:
            BaseException: what the writing of the one before raised; see `settle`.
        """
        self.settle()
        self._under_way = batch, self._thread.submit(self._write, batch)

    def settle(self) -> None:
        """Wait until everything handed over is durable.

        Raises:
            BaseException: what writing it raised; nothing of that batch was stored then.
        """
        if self._under_way is None:
            return
        batch, future = self._under_way
        error = future.exception()
        self._under_way = None
        if error is not None:
            raise error
        self._written(batch)

    def close(self) -> None:
        """Let the batch under way become durable, and end the thread."""
        self._thread.shutdown(wait=True)
