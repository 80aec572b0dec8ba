"""How far a run is, on stderr: a bar on a terminal, a plain line every few seconds anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

EVERY_S = 5.0
"""Seconds between plain lines: rare enough for a log file, often enough to see that it lives."""
_FEW = 5
"""Items from which a time left is worth saying: the first ones wait for the models to be loaded."""


class ProgressDisplay:
    """Draws what a stage tells it; implements `pipeline.progress.Progress`. A context manager.

    Args:
        quiet: draw nothing; messages are left out too.
        stream: where to; by default stderr.
        clock: seconds, monotonic.
    """

    def __init__(
        self, *, quiet: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._clock = clock
        self._stage = ""
        self._started = self._last = clock()
        self._first_done = 0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressDisplay:
        if not self._quiet and self._stream.isatty():
            self._bar = _bar(self._stream)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        """Take note that so many are done; may be called as often as one likes."""
        if self._quiet:
            return
        if stage != self._stage:
            self._begin(stage, done)
        if message:
            self._say(message)
        note = f", {skipped} skipped" if skipped else ""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, description=f"{stage}{note}")
        elif self._clock() - self._last >= EVERY_S:
            self._last = self._clock()
            print(self._line(done, total) + note, file=self._stream, flush=True)

    def _begin(self, stage: str, done: int) -> None:
        self._stage, self._first_done = stage, done
        self._started = self._last = self._clock()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(stage, total=None)

    def _say(self, message: str) -> None:
        if self._bar is not None:
            self._bar.console.print(message, markup=False, highlight=False)
        else:
            print(message, file=self._stream, flush=True)

    def _line(self, done: int, total: int | None) -> str:
        seconds = self._clock() - self._started
        rate = (done - self._first_done) / seconds if seconds > 0 else 0.0
        of_all = f"{done}/{total}" if total is not None else str(done)
        is_steady = done - self._first_done >= _FEW and rate > 0
        left = f", {duration((total - done) / rate)} left" if total is not None and is_steady else ""
        return f"{self._stage}: {of_all}, {speed(rate)} a second{left}"


def speed(rate: float) -> str:
    """Two digits that count: `120`, `12`, `1.2`, `0.12`."""
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2f}"


def duration(seconds: float) -> str:
    """A time span for people: `45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _bar(stream: TextIO) -> Bar:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{speed(task.speed)}/s" if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    return Progress(*columns, console=Console(file=stream), transient=True)
