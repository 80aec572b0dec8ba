"""How long the most amogus-like of very many findings take, and by which way the database gets there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from amogus_search.errors import AmogusError
from amogus_search.evaluation.made_index import FINDINGS, REGIONS, fill, make_index
from amogus_search.evaluation.made_vectors import Cloud, MadeVectors
from amogus_search.ports import Embedder
from amogus_search.store.index import Index
from amogus_search.store.ways import ways_of

_TURNS = 7


def rank(folder: Path, findings: int, hits: int = 20) -> list[dict[str, Any]]:
    """One row of values for each ranking: what, findings, first_ms, median_ms, sorts and scans, and the way (a text).

    Args:
        folder: where the index is made.
        findings: how many, nine a picture.
        hits: how many are asked for.
    """
    make_index(folder)
    fill(folder, None, -(-findings // FINDINGS) * REGIONS)
    with Index.open(folder) as index:
        questions: dict[str, Callable[[], object]] = {
            "best regions": lambda: index.best_regions(hits),
            "best images": lambda: index.best_images(hits),
            "best images of amogusness >= 0.5": lambda: index.best_images(hits, min_amogusness=0.5),
        }
        return [_ranked(index, what, findings, ask) for what, ask in questions.items()]


def ask_program(
    folder: Path, embedder: Embedder, regions: int, *, questions: Sequence[Sequence[str]] = ((), ("red amogus",))
) -> list[dict[str, Any]]:
    """One row of values for each question to `amogus query` as a process of its own: what, regions, median_s, worst_s.

    Args:
        folder: where the index is made.
        embedder: the embedded one, which the program will load.
        regions: how many.
        questions: words of the command line.
    """
    make_index(folder, embedder.name, embedder.fingerprint)
    fill(folder, MadeVectors(Cloud(embedder.dimension)).chunks(regions), regions)
    with Index.open(folder, "w") as index:
        index.publish()
    return [_program(folder, words, regions) for words in questions]


def _ranked(index: Index, what: str, findings: int, ask: Callable[[], object]) -> dict[str, Any]:
    milliseconds = []
    for _ in range(_TURNS):
        started = time.perf_counter()
        ask()
        milliseconds.append((time.perf_counter() - started) * 1000)
    ways = ways_of(index, ask)
    return {
        "what": what,
        "findings": findings,
        "first_ms": round(milliseconds[0], 2),
        "median_ms": round(median(milliseconds), 2),
        "sorts_all": any("TEMP B-TREE FOR ORDER BY" in step for step in ways),
        "scans": any(step.startswith("SCAN") and " USING " not in step for step in ways),
        "way": "; ".join(ways),
    }


def _program(folder: Path, words: Sequence[str], regions: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "amogus_search", "query", *words, "--index", str(folder), "--format", "json"]
    seconds = []
    for _ in range(_TURNS):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False, env={**os.environ})
        seconds.append(time.perf_counter() - started)
        if done.returncode:
            raise AmogusError(f"{' '.join(command[2:])} failed: {done.stderr.decode(errors='replace')[-500:]}")
    what = f"amogus query {' '.join(words)}".strip()
    return {
        "what": what,
        "regions": regions,
        "median_s": round(median(seconds), 3),
        "worst_s": round(max(seconds), 3),
    }
