"""Work that a thread of its own does ahead of whoever takes the results, bounded in number and in bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
_T_contra = TypeVar("_T_contra", contravariant=True)
_PATIENCE_S = 5.0
"""So long the end waits for the thread; one that waits for something else ends when that does."""


class Put(Protocol[_T_contra]):
    """Hands over one result; waits while as many lie ahead as may."""

    def __call__(self, item: _T_contra, size: int = 0) -> None:
        """Hand over.

        Args:
            item: the next result.
            size: bytes it holds until it is taken.
        """
        ...


class Ahead(Generic[T]):
    """The results of `produce`, in its order, while it goes on in a thread; a context manager.

    An error of `produce` is raised where the results are taken, behind the results that came before it. At the end
    of the `with` block whatever was not taken is dropped, and `produce` finds its next `put` refused.

    Args:
        produce: called once, in the thread, with the function that hands over a result.
        most: so many results may lie ahead.
        most_bytes: and so many bytes, but always one result.
    """

    def __init__(self, produce: Callable[[Put[T]], None], *, most: int, most_bytes: int) -> None:
        self._produce = produce
        self._most, self._most_bytes = most, most_bytes
        self._ready: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._ended = self._abandoned = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        # A daemon: a process that was told to end does not wait for a file that does not answer.
        self._thread = threading.Thread(target=self._work, name="amogus-ahead", daemon=True)

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._abandoned = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join(_PATIENCE_S)

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._ended)
                if not self._ready:
                    break
                item, size = self._ready.popleft()
                self._bytes -= size
                self._changed.notify_all()
            yield item
            del item  # what is taken is no longer held here while the next one is waited for
        if self._error is not None:
            raise self._error

    def _put(self, item: T, size: int = 0) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._has_room(size))
            if self._abandoned:
                raise _AbandonedError
            self._ready.append((item, size))
            self._bytes += size
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._ready or (len(self._ready) < self._most and self._bytes + size <= self._most_bytes)

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            self._produce(self._put)
        except _AbandonedError:
            pass
        except BaseException as raised:  # noqa: BLE001 - it belongs to whoever takes the results
            error = raised
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()


class _AbandonedError(Exception):
    """Nobody takes results any more."""
