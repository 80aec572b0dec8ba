"""Indexing in a process of its own, with a look at its memory now and then; what `benchmark_index` starts.

Only the standard library is imported before the process is bound to its cores.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Index as the words say and print what was seen; the words are one JSON object (see `benchmark_index`)."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    if order["cores"]:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: order["cores"]])
    from amogus_search.indexing import Choice, Run, index_paths

    sampler = Sampler(order["every"])
    choice = Choice(order["detector"], order["embedder"], order["profile"])
    report = index_paths(order["paths"], order["index"], choice, Run(progress=sampler))
    sampler.sample(report.indexed)
    sys.stdout.write(
        json.dumps({"indexed": report.indexed, "seconds": report.seconds, "samples": sampler.samples}) + "\n"
    )


class Sampler:
    """Progress that notes, at every so manieth picture, (pictures done, seconds, bytes of resident memory)."""

    def __init__(self, every: int) -> None:
        self._every, self._next = every, 0
        self._began: float | None = None
        self.samples: list[tuple[int, float, int]] = []

    def __call__(self, stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        """Take a sample if it is time for one."""
        if stage == "indexing" and done >= self._next:
            self._next = done + self._every
            self.sample(done)

    def sample(self, done: int) -> None:
        """Take one."""
        now = time.perf_counter()
        self._began = self._began or now
        self.samples.append((done, now - self._began, memory_of_all()))


def memory_of_all() -> int:
    """Resident bytes of this process and of those it started; what they share counts for each of them. 0: not told."""
    return sum(_resident(pid) for pid in (os.getpid(), *_children()))


def _children() -> list[int]:
    lists = Path("/proc/self/task").glob("*/children")
    return [int(pid) for one in lists for pid in one.read_text(encoding="ascii").split()]


def _resident(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
