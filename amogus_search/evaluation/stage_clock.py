"""The command line in a process of its own, with clocks on parts of it; what `benchmark_unchanged` starts.

Only the standard library and the clocks are imported here, so that the start of the program is measured as it is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from amogus_search.evaluation.stage_times import StageTimes

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


def main() -> int:
    """Run `amogus` with the words behind the first, which names the file that the seconds are written to."""
    times = StageTimes()
    program = import_module("amogus_search.cli.main")
    indexing, index_paths = import_module("amogus_search.indexing"), "index_paths"
    begun: list[float] = []
    function = getattr(indexing, index_paths)

    def noted(*positional: Any, **named: Any) -> Any:
        begun.append(time.monotonic())
        return function(*positional, **named)

    setattr(indexing, index_paths, noted)
    with times.on(STAGES):
        code: int = program.main(sys.argv[2:])
    seconds = {stage: times.seconds(stage) for stage in STAGES}
    ends = {"begun": begun[0] if begun else None, "ended": time.monotonic(), "stages": seconds}
    Path(sys.argv[1]).write_text(json.dumps(ends))
    return code
