"""How good and how quick searching is, by regions that nothing was trained on: what `amogus status` says of it.

Half of the questions that people ask are texts, and a text is about 0.3 similar to what it describes. The best answers
to such a question lie scattered, so that it needs a closer look than a region's own neighbours do; it is tuned and
measured by itself, with held-out regions that were led astray as far.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.settings import STRUCTURE
from amogus_search.store.catalog import Catalog
from amogus_search.store.generations import Generation
from amogus_search.store.plan import SCANNED_BYTES_PER_MS, Plan
from amogus_search.store.proposals import TOP
from amogus_search.store.searching import Kind, Searcher
from amogus_search.store.tuning import Asked, Truth, far_from, tune

_TIMED = 32
"""Queries that an exact structure is timed with."""
_BLOCK = 16_384
_MOST_RECALL = 0.999
_MOST_CANDIDATES = 64 * TOP
_LOOKUP_MS = 0.012
"""One row of the catalogue, found, checked and compared."""
_GRAPH_ROWS = 32
"""Neighbours of a place in a graph, all of which are compared."""
_KINDS: tuple[Kind, ...] = ("detection", "image")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Queries with their true neighbours.

    near:    regions
    far:     as far from all regions as texts are
    regions: (n,) the id of each row
    """

    near: Truth
    far: Truth
    regions: NDArray[np.int64]

    @classmethod
    def of(cls, queries: Vectors, own: NDArray[np.int64], regions: NDArray[np.int64]) -> HeldOut:
        """From held-out regions (m, d) and their row numbers (m,)."""
        far = far_from(queries[::2], np.random.default_rng(STRUCTURE.seed))
        return cls(Truth(queries, own), Truth(far, np.full(len(far), -1, np.int64)), regions)

    def see(self, chunk: Vectors) -> None:
        """The next (n, d) rows."""
        self.near.see(chunk)
        self.far.see(chunk)

    def tuned(self, structure: Asked, recall: float, plan: Plan) -> dict[str, float | int]:
        """How to ask a structure that holds all rows, and was built by this plan: values for `proposals`."""
        most = _MOST_CANDIDATES if plan.compresses else 4 * TOP
        at_once = len(self.regions) / structure.lists if structure.lists else _GRAPH_ROWS
        step = at_once * plan.memory_bytes / len(self.regions) / SCANNED_BYTES_PER_MS / _LOOKUP_MS
        least = min(recall, _MOST_RECALL)
        near, far = (tune(structure, some, least, most=most, step_cost=step) for some in (self.near, self.far))
        return {
            "effort": near.effort,
            "candidates": near.candidates,
            "near_from": self.near.usual_best(),
            "far_effort": max(far.effort, near.effort),
            "far_candidates": max(far.candidates, near.candidates),
        }


def measured(folder: Path, catalog: Catalog, generation: Generation, queries: HeldOut) -> dict[str, Any]:
    """Recall and milliseconds of the whole way from a query to checked similarities, and of comparing with all."""
    searcher = Searcher(folder, catalog)
    is_exact = bool(generation.settings["is_exact"])
    searcher.search(queries.near.queries[0], TOP + 1, _KINDS)  # opens the files
    recall, milliseconds = _asked(searcher, queries.near, queries.regions, _TIMED if is_exact else None)
    values: dict[str, Any] = {
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "ms": milliseconds,
        "recall": 1.0 if is_exact else recall,
    }
    if not is_exact:
        values["far_recall"], values["far_ms"] = _asked(searcher, queries.far, queries.regions, None)
        values["queries"] = len(queries.near.queries)
        values["exact_ms"] = round(_exact_milliseconds(queries.near.queries[0], len(queries.regions)), 3)
    return values


def _asked(searcher: Searcher, truth: Truth, regions: NDArray[np.int64], limit: int | None) -> tuple[float, float]:
    """(recall, median milliseconds); the recall means nothing for an exact structure, whose truth was not taken."""
    found = np.full((len(truth.queries), TOP + 1), -1, np.int64)
    milliseconds = []
    for row, query in enumerate(truth.queries[:limit]):
        started = time.perf_counter()
        near = searcher.search(query, TOP + 1, _KINDS)
        milliseconds.append((time.perf_counter() - started) * 1000)
        found[row, : len(near)] = [region[-1] for region in near]
    return round(float(truth.named(regions).recalls(found)[-1]), 4), round(median(milliseconds), 3)


def _exact_milliseconds(query: NDArray[np.float32], count: int) -> float:
    """About what comparing one query with so many vectors in memory takes, by a block of them."""
    block = np.tile(query, (min(count, _BLOCK), 1))
    times = []
    for _ in range(3):
        started = time.perf_counter()
        block @ query
        times.append((time.perf_counter() - started) * 1000)
    return median(times) * count / len(block)
