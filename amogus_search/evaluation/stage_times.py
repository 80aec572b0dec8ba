"""Clocks put on parts of the running program and taken off again: what takes how long, in which thread.

Nothing is built into the program for them: as long as none is put on, measuring costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import GeneratorType
from typing import Any

_WITHIN = "+"
"""Begins the name of a stage that is told apart by the stage it happens in."""


@dataclass
class Times:
    """What a stage took in one thread: wall seconds, seconds of that thread's processor time, how often it ran."""

    wall: float = 0.0
    cpu: float = 0.0
    count: int = 0


class StageTimes:
    """Times by thread and stage, each without those of the stages inside it.

    `table` maps (name of the thread, stage) to its times. A stage called "+name" is counted as "outer: name", where
    `outer` is the stage it happens in.
    """

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], Times] = defaultdict(Times)
        self._lock = threading.Lock()
        self._local = threading.local()

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Count what happens inside to a stage."""
        inside: list[str] = self._inside()
        self._turn()
        inside.append(f"{inside[-1]}: {stage[1:]}" if stage.startswith(_WITHIN) and inside else stage.lstrip(_WITHIN))
        try:
            yield
        finally:
            self._turn(ends=True)
            inside.pop()

    @contextmanager
    def on(self, stages: Mapping[str, Sequence[tuple[Any, str] | str]]) -> Iterator[None]:
        """Clocks on functions for as long as the block runs.

        Args:
            stages: stage -> functions it is made of, as (owner, name) or "module:name" or "module:class.name"; of a
                generator function, the steps are counted, and not the time in between.
        """
        with ExitStack() as off:
            for stage, places in stages.items():
                for place in places:
                    owner, name = _found(place) if isinstance(place, str) else place
                    off.callback(_put_back(owner, name))
                    setattr(owner, name, _like(owner, name, self._counted(stage, getattr(owner, name))))
            yield

    def seconds(self, stage: str) -> float:
        """Wall seconds of a stage in all threads."""
        return sum(times.wall for (_, name), times in self.table.items() if name == stage)

    def _inside(self) -> list[str]:
        inside: list[str] | None = getattr(self._local, "inside", None)
        if inside is None:
            inside = self._local.inside = []
            self._local.since = (time.perf_counter(), time.thread_time())
        return inside

    def _turn(self, *, ends: bool = False) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        if self._local.inside:
            key = (threading.current_thread().name, self._local.inside[-1])
            with self._lock:
                times = self.table[key]
                times.wall += wall - self._local.since[0]
                times.cpu += cpu - self._local.since[1]
                times.count += ends
        self._local.since = (wall, cpu)

    def _counted(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*positional: Any, **named: Any) -> Any:
            with self.running(stage):
                result = function(*positional, **named)
            return self._stepped(stage, result) if isinstance(result, GeneratorType) else result

        return counted

    def _stepped(self, stage: str, steps: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.running(stage):
                try:
                    step = next(steps)
                except StopIteration:
                    return
            yield step


def _found(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    return owner, name


def _like(owner: Any, name: str, counted: Callable[..., Any]) -> Any:
    """A class method is bound already, and must not be handed its class a second time."""
    return staticmethod(counted) if isinstance(vars(owner).get(name), classmethod) else counted


def _put_back(owner: Any, name: str) -> Callable[[], None]:
    own = vars(owner).get(name)
    return (lambda: delattr(owner, name)) if own is None else (lambda: setattr(owner, name, own))
