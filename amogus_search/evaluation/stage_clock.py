"""The command line in a process of its own, with clocks on parts of it; what `benchmark_unchanged` starts.

Only the standard library is imported here, so that the start of the program is measured as it is without a clock.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

STAGES: Mapping[str, tuple[str, ...]] = {
    "models": ("amogus_search.finder:Finder.load", "amogus_search.registry:load_embedder"),
    "opening": ("amogus_search.store.index:Index.open",),
    "known files": ("amogus_search.store.index:Index.known_files",),
    "scan": ("amogus_search.sources.folder:FolderSource.scan",),
    "compare": ("amogus_search.pipeline.index:compare", "amogus_search.pipeline.index:guarded"),
    "counting": ("amogus_search.pipeline.index_run:Run.take_stock",),
    "publish check": ("amogus_search.store.index:Index.publish",),
    "search state": ("amogus_search.store.index:Index.search_state",),
}
"""What is told apart -> the functions it is made of; one inside another is counted as the inner one only."""


class StageClock:
    """Seconds by stage, each without those of the stages inside it."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._inside: list[str] = []
        self._since = time.monotonic()

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Count what happens inside to a stage."""
        self._turn()
        self._inside.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._inside.pop()

    def _turn(self) -> None:
        now = time.monotonic()
        if self._inside:
            self.seconds[self._inside[-1]] += now - self._since
        self._since = now

    def put_on(self, stage: str, place: str) -> None:
        """Have a function of the program counted; `place` is module:name or module:class.name."""
        module, _, name = place.partition(":")
        owner: Any = import_module(module)
        *classes, name = name.split(".")
        for part in classes:
            owner = getattr(owner, part)
        # A class method is bound already, and must not be handed its class a second time.
        bound = bool(classes) and isinstance(vars(owner)[name], classmethod)
        counted = self._counted(stage, getattr(owner, name))
        setattr(owner, name, staticmethod(counted) if bound else counted)

    def _counted(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*positional: Any, **named: Any) -> Any:
            with self.running(stage):
                result = function(*positional, **named)
            return self._stepped(stage, result) if isinstance(result, Generator) else result

        return counted

    def _stepped(self, stage: str, steps: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.running(stage):
                try:
                    step = next(steps)
                except StopIteration:
                    return
            yield step


def main() -> int:
    """Run `amogus` with the words behind the first, which names the file that the seconds are written to."""
    clock = StageClock()
    program = import_module("amogus_search.cli.main")
    indexing, index_paths = import_module("amogus_search.indexing"), "index_paths"
    for stage, places in STAGES.items():
        for place in places:
            clock.put_on(stage, place)
    begun: list[float] = []
    function = getattr(indexing, index_paths)

    def noted(*positional: Any, **named: Any) -> Any:
        begun.append(time.monotonic())
        return function(*positional, **named)

    setattr(indexing, index_paths, noted)
    code: int = program.main(sys.argv[2:])
    ends = {"begun": begun[0] if begun else None, "ended": time.monotonic(), "stages": clock.seconds}
    Path(sys.argv[1]).write_text(json.dumps(ends))
    return code
