"""Decoding in processes that may die: a bad file costs its worker and nothing else.

Plain subprocesses, not `multiprocessing`: that would import the user's main script again, which breaks
notebooks and scripts without a main guard.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from amogus_search.core.types import DecodedImage, FileEntry, FileStat, SkippedImage
from amogus_search.errors import AmogusError, DecodeError
from amogus_search.settings import DECODE, DecodeSettings
from amogus_search.sources import wire
from amogus_search.sources.decode import decoder_versions, hash_file
from amogus_search.sources.process import DecodeProcess

_Result = DecodedImage | SkippedImage


class DecodePool:
    """Decodes files in worker processes, in order, reading ahead of whoever takes the pictures.

    Args:
        settings: limits of one file and of the reading ahead.
        max_side: longest side of the pixels wanted; None for full size.

    A context manager; workers start with the first file and are killed at the end.
    """

    def __init__(self, settings: DecodeSettings = DECODE, max_side: int | None = None) -> None:
        self._settings = settings
        self._max_side = max_side
        self._threads = ThreadPoolExecutor(max(1, settings.workers), thread_name_prefix="amogus-decode")
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._idle: list[DecodeProcess] = []
        self._all: set[DecodeProcess] = set()
        self._budgets: set[_Budget] = set()
        self._closed = False

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers, also those at work. Safe to call twice."""
        with self._lock:
            self._closed = True
            workers, budgets = list(self._all), list(self._budgets)
        for budget in budgets:
            budget.open_wide()
        for worker in workers:
            worker.signal_kill()  # only that: a thread may still be reading from it
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in workers:
            self._bury(worker)

    def decode(self, entries: Iterator[FileEntry]) -> Iterator[_Result]:
        """One result an entry, in the same order; the stat of each is that of the moment it was read.

        Raises:
            AmogusError: no worker can be started at all.
        """
        budget = _Budget(self._settings.read_ahead_bytes)
        with self._lock:
            self._budgets.add(budget)
        window: deque[Future[_Result]] = deque()
        most = max(1, self._settings.read_ahead, self._settings.workers)
        try:
            for number, entry in enumerate(entries):
                if len(window) == most:
                    yield _next_result(window, budget)
                window.append(self._threads.submit(self._one, entry, number, budget))
            while window:
                yield _next_result(window, budget)
        finally:
            budget.open_wide()
            for future in window:
                future.cancel()
            with self._lock:
                self._budgets.discard(budget)

    @property
    def version(self) -> str:
        """The decoders and the limits, as far as they decide what is skipped."""
        settings = self._settings
        return f"{decoder_versions()} px={settings.max_pixels} b={settings.max_bytes} s={settings.timeout_s:g}"

    def digest(self, entry: FileEntry) -> tuple[str, FileStat]:
        """The sha256 of a file's bytes, and its stat as it was read; nothing is decoded.

        Raises:
            DecodeError: it cannot be read.
        """
        return hash_file(entry.path)

    def _one(self, entry: FileEntry, number: int, budget: _Budget) -> _Result:
        if entry.problem is not None:
            return SkippedImage(entry, *entry.problem)
        result = self._attempt(entry)
        if isinstance(result, SkippedImage) and result.reason in ("decoder_crash", "changed_while_reading"):
            with self._alone:  # a second chance: the first death may have been a neighbour's, or the system's doing
                result = self._attempt(entry, fresh=True)
        if isinstance(result, SkippedImage):
            return _with_digest(result)
        # Not within `_alone`: whoever is next in line may be waiting for that, and the budget for whoever is next.
        worker, answer = result
        budget.take(number, answer.nbytes)
        pixels = worker.pixels(*answer.size_wh)
        self._give_back(worker)
        stamped = dataclasses.replace(entry, stat=answer.stat)
        return DecodedImage(stamped, pixels, answer.full_wh, answer.sha256, answer.format)

    def _attempt(self, entry: FileEntry, *, fresh: bool = False) -> SkippedImage | tuple[DecodeProcess, wire.Answer]:
        """The process that has the pixels, and what it said; nobody else gets it until it is given back.

        Args:
            entry: the file.
            fresh: by a process that was started for it, of which nothing else can be the death.
        """
        worker = self._take(fresh=fresh)
        try:
            answer = worker.ask(entry.path, self._max_side, self._settings)
        except wire.PeerSilentError:
            self._bury(worker)
            return SkippedImage(entry, "timeout", f"no picture after {self._settings.timeout_s:g} s")
        except wire.PeerGoneError:
            return SkippedImage(entry, "decoder_crash", self._bury(worker))
        if isinstance(answer, wire.Refusal):
            self._give_back(worker, tired=answer.reason == "out_of_memory")
            return SkippedImage(entry, answer.reason, answer.detail, answer.sha256)
        return worker, answer

    def _take(self, *, fresh: bool) -> DecodeProcess:
        while True:
            with self._lock:
                if self._closed:
                    raise AmogusError("the decoding processes were closed")
                idle = self._idle.pop() if self._idle else None
            if idle is None:
                break
            if idle.is_alive and not fresh:
                return idle
            self._bury(idle)  # it died over nothing; or makes room for the fresh one
            if fresh:
                break
        worker = DecodeProcess(self._settings)
        with self._lock:
            self._all.add(worker)
            closed = self._closed
        if closed:
            self._bury(worker)
            raise AmogusError("the decoding processes were closed")
        return worker

    def _give_back(self, worker: DecodeProcess, *, tired: bool = False) -> None:
        if tired:
            self._bury(worker)
            return
        with self._lock:
            if not self._closed:
                self._idle.append(worker)

    def _bury(self, worker: DecodeProcess) -> str:
        with self._lock:
            self._all.discard(worker)
        return worker.kill()


class _Budget:
    """Bytes of pixels that wait to be taken; whoever is next in line never waits, so it cannot lock up."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._next = 0
        self._open = False
        self._changed = threading.Condition()

    def take(self, number: int, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._open or number == self._next or self._used + size <= self._limit)
            self._used += size

    def give_back(self, size: int) -> None:
        """The next result in line was taken."""
        with self._changed:
            self._used -= size
            self._next += 1
            self._changed.notify_all()

    def open_wide(self) -> None:
        """Nobody takes results any more: let all who wait finish."""
        with self._changed:
            self._open = True
            self._changed.notify_all()


def _with_digest(skipped: SkippedImage) -> SkippedImage:
    """With the digest that the worker died over or did not get to say: the content is to be known again."""
    if skipped.sha256 or skipped.reason not in ("decoder_crash", "timeout"):
        return skipped
    try:
        return dataclasses.replace(skipped, sha256=hash_file(skipped.entry.path)[0])
    except DecodeError:
        return skipped


def _next_result(window: deque[Future[_Result]], budget: _Budget) -> _Result:
    result = window.popleft().result()
    budget.give_back(result.pixels.nbytes if isinstance(result, DecodedImage) else 0)
    return result
