"""Search by similarity on made vectors: the whole way of a query, the structure alone, and what others take.

The index is a real one: rows with checksums in its catalogue, a structure planned, trained, tuned and published by
the same code as any. Queries are vectors of the same cloud that are in no index. All is compared on the same queries,
in the same process, one query at a time. What asks the index, and raw FAISS, take turns, so that whatever else the
machine does meets them alike; and each has another query at its turn than the one before it, so that none finds what it
needs in the processor's caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Hit, Vectors
from amogus_search.evaluation.made_index import fill, make_index
from amogus_search.evaluation.made_vectors import MadeVectors
from amogus_search.evaluation.other_search import Other, others
from amogus_search.evaluation.processes import peak_bytes, reset_peak
from amogus_search.settings import SearchBudget
from amogus_search.store.index import Index
from amogus_search.store.opened import OpenedStructure
from amogus_search.store.tuning import Truth
from amogus_search.store.vectors import STAYS_AFTER

_TOP = 10
_WARM = STAYS_AFTER + 8
_FIRST = slice(4, 24)
"""Questions that a new process is timed with: after those that open files, before it is taken for one that stays."""
Ask = Callable[[NDArray[np.float32]], NDArray[np.int64]]
_RAW = "raw FAISS"
_NO_ROWS = np.zeros(0, np.int64)
Told = Callable[[str, int, int], object]


@dataclass(frozen=True)
class SearchSettings:
    """What is measured.

    rows:    regions, of which nine in ten are findings
    queries: how many are asked
    budget:  of the index
    against: libraries to compare with, see `other_search`
    """

    rows: int
    queries: int = 200
    budget: SearchBudget = SearchBudget()  # noqa: RUF009 - it cannot be changed
    against: tuple[str, ...] = ("hnswlib", "usearch")


def run(
    folder: Path, made: MadeVectors, settings: SearchSettings, told: Told = lambda stage, done, total: None
) -> list[dict[str, Any]]:
    """One row of values for each way to search.

    Keys: what, structure, build_seconds, peak_mb (resident memory while it was built), recall (of the ten nearest; None
    for whole answers, which are made of the same regions), median_ms and p95_ms (one query), ratio (of the medians, to
    raw FAISS with the same file), note.

    Args:
        folder: where the index is made.
        made: the vectors.
        settings: how many of them.
        told: is told how far it is.
    """
    truth = Truth(made.queries(settings.queries), np.full(settings.queries, -1, np.int64))
    make_index(folder)
    fill(folder, _seen(made, settings.rows, truth, told), settings.rows)
    with Index.open(folder, "w") as index:
        index.set_search_budget(settings.budget)
        reset_peak()
        started = time.perf_counter()
        index.publish()
        built = {"build_seconds": round(time.perf_counter() - started, 1), "peak_mb": _megabytes(peak_bytes())}
    with Index.open(folder) as index:
        rows = list(_own(index, truth, built))
    rows.extend(_compared(other, made, settings, truth, told) for other in others(settings.against))
    raw = next(row["median_ms"] for row in rows if row["what"] == _RAW)
    return [{**row, "ratio": round(row["median_ms"] / raw, 2) if row["median_ms"] else None} for row in rows]


def as_stored(chunk: Vectors) -> Vectors:
    """Unit vectors as an index gives them back: through float16."""
    short = chunk.astype(np.float16).astype(np.float32)
    return np.asarray(short / np.linalg.norm(short, axis=1, keepdims=True), np.float32)


def _seen(made: MadeVectors, rows: int, truth: Truth, told: Told) -> Iterator[Vectors]:
    done = 0
    for chunk in made.chunks(rows):
        truth.see(as_stored(chunk))
        yield chunk
        done += len(chunk)
        told("filling", done, rows)


def _given(made: MadeVectors, rows: int, name: str, told: Told) -> Iterator[Vectors]:
    done = 0
    for chunk in made.chunks(rows):
        told(f"building {name}", done, rows)
        yield as_stored(chunk)
        done += len(chunk)


def _own(index: Index, truth: Truth, built: dict[str, Any]) -> Iterator[dict[str, Any]]:
    state = index.search_state()
    structure = {"structure": state["structure"]}
    first = _times(truth, lambda query: index.search_vectors(query, _TOP), _FIRST)
    opened = OpenedStructure(index.folder)
    proposed = opened.candidate_count(_TOP)
    whole, alone = "amogus, whole query", "amogus, structure alone"
    hits, looked = "amogus, ten hits", "amogus, ten hits and their findings"
    ways: dict[str, Ask] = {
        whole: lambda query: index.search_vectors(query, _TOP)[0] - 1,
        hits: lambda query: _no_rows(index.similar(query, _TOP)),
        looked: lambda query: _looked_at(index.similar(query, _TOP)),
        alone: lambda query: opened.candidates(query, _TOP) - 1,
        _RAW: opened.raw(_TOP, minus=1),
    }
    said = f"said {state['recall']} and {state['ms']} ms when built; {state.get('search') or ''}"
    notes = {
        whole: f"ids and checked similarities; in a new process {median(first):.3f} ms; {said}",
        hits: "with paths and scores; findings are read, not looked at",
        looked: "all findings of ten pictures, each row checked",
        alone: f"{proposed} candidates, which the catalogue's rows decide among",
        _RAW: "the same file, read into memory",
    }
    for name, measured in _in_turn(truth, ways, {alone: proposed}).items():
        more = built if name == whole else _NOT_BUILT
        recall = {"recall": None} if name in (hits, looked) else {}
        yield {"what": name, **structure, **more, **measured, **recall, "note": notes[name]}


def _no_rows(hits: Sequence[Hit]) -> NDArray[np.int64]:
    return _NO_ROWS


def _looked_at(hits: Sequence[Hit]) -> NDArray[np.int64]:
    for hit in hits:
        len(hit.detections)
    return _NO_ROWS


_NOT_BUILT = {"build_seconds": None, "peak_mb": None}


def _compared(other: Other, made: MadeVectors, settings: SearchSettings, truth: Truth, told: Told) -> dict[str, Any]:
    if not other.is_installed:
        empty = dict.fromkeys(("structure", "build_seconds", "peak_mb", "recall", "median_ms", "p95_ms"))
        return {"what": other.name, **empty, "note": "not installed"}
    reset_peak()
    started = time.perf_counter()
    other.build(_given(made, settings.rows, other.name, told), settings.rows, made.cloud.dimension)
    seconds = time.perf_counter() - started
    built = {"build_seconds": round(seconds, 1), "peak_mb": _megabytes(peak_bytes())}
    best: dict[str, Any] = {}
    for effort in other.efforts:
        other.set_effort(effort)
        best = {**_asked(truth, lambda query: other.search(query, _TOP)), "note": f"effort {effort}"}
        if best["recall"] >= settings.budget.recall:
            break
    return {"what": other.name, "structure": other.structure, **built, **best}


def _asked(truth: Truth, ask: Ask) -> dict[str, Any]:
    """Recall and milliseconds of all queries, one at a time."""
    return _in_turn(truth, {"": ask}, {})[""]


def _in_turn(truth: Truth, ways: Mapping[str, Ask], tops: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The same for several ways to ask, which take turns; `tops` says how many rows some give, if not ten."""
    count = len(truth.queries)
    found = {name: np.full((count, tops.get(name, _TOP)), -1, np.int64) for name in ways}
    milliseconds: dict[str, list[float]] = {name: [] for name in ways}
    for query in islice(cycle(truth.queries), _WARM):
        for ask in ways.values():
            ask(query)
    for turn in range(count):
        for place, (name, ask) in enumerate(ways.items()):
            row = (turn + place * count // len(ways)) % count
            started = time.perf_counter()
            rows = ask(truth.queries[row])
            milliseconds[name].append((time.perf_counter() - started) * 1000)
            found[name][row, : len(rows)] = rows[: found[name].shape[1]]
    return {name: _measured(truth, found[name], sorted(milliseconds[name])) for name in ways}


def _measured(truth: Truth, found: NDArray[np.int64], times: Sequence[float]) -> dict[str, Any]:
    return {
        "recall": round(float(truth.recalls(found)[-1]), 4),
        "median_ms": round(median(times), 3),
        "p95_ms": round(times[int(len(times) * 0.95)], 3),
    }


def _times(truth: Truth, ask: Callable[[NDArray[np.float32]], object], measured: slice) -> list[float]:
    """Milliseconds of some of the first questions, those before them asked too."""
    found = []
    for query in truth.queries[: measured.stop]:
        started = time.perf_counter()
        ask(query)
        found.append((time.perf_counter() - started) * 1000)
    return found[measured] or found


def _megabytes(count: int | None) -> int | None:
    return None if count is None else round(count / 1e6)
