"""Ctrl-C, SIGTERM and a closed terminal: the first asks for a stop after the batch at hand, the second stops now."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopRequest:
    """A context manager that turns the first signal into an answer to `wanted()`.

    Args:
        quiet: do not say that a signal was heard.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._heard = False
        self._before: dict[int, Any] = {}

    def wanted(self) -> bool:
        """Whether somebody asked for a stop."""
        return self._heard

    def __enter__(self) -> StopRequest:
        for number in SIGNALS:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:  # as under nohup
                continue
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard:
            raise KeyboardInterrupt
        self._heard = True
        if not self._quiet:
            with suppress(OSError):  # nobody may be there to read it
                print("stopping: what is done so far is kept (again to stop at once)", file=sys.stderr, flush=True)
