"""Making a generation of search files: planned from how much there is, trained, filled, tuned, measured, pointed to.

Nothing is held as a whole: the catalogue's rows pass by in canonical order, once for an exact structure, and for one
that is trained a second time for its sample. The same rows and budget give the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.errors import AmogusError, IndexStateError
from amogus_search.settings import STRUCTURE, SearchBudget
from amogus_search.store import digests, durable, generations, liveness, rows, vectors
from amogus_search.store.catalog import Catalog
from amogus_search.store.generations import Generation
from amogus_search.store.measuring import HeldOut, measured
from amogus_search.store.plan import Plan, kept_directions, plan, tail_limit
from amogus_search.store.sqlite_errors import DAMAGED_HINT

_CHUNK = 16_384
_LOOKUP = 500
_SELECT = f"SELECT {rows.COLUMNS['vectors']}, checksum, id FROM vectors v"
_ORDER = "ORDER BY kind, sha256, ordinal"


def budget_of(catalog: Catalog) -> SearchBudget:
    """What searching this index may cost, as it was last said."""
    return SearchBudget(**(catalog.get_meta("search_budget") or {}))


def set_budget(catalog: Catalog, budget: SearchBudget) -> None:
    """Remember it; the next `publish` builds anew if that changes the structure or what is expected of it."""
    if budget != budget_of(catalog):
        catalog.set_meta("search_budget", asdict(budget))


def publish(folder: Path, catalog: Catalog) -> bool:
    """Make a new generation unless the newest one is whole and near enough to what is committed; whether one was made.

    Raises:
        IndexStateError: a vector's row is damaged; nothing was changed.
        UsageError: FAISS cannot make the structure that was asked for by name.
        AmogusError: there is no room for the file.
    """
    dimension, budget = catalog.get_meta("dimension"), budget_of(catalog)
    if dimension is None or _is_current(folder, catalog, dimension, budget):
        return False
    live = liveness.counts(catalog, -1, -1)[0]
    if not live:
        return False
    started = time.monotonic()
    number = liveness.newest_number(catalog) + 1
    made = _Making(folder, catalog, plan(live, dimension, budget), budget, number)
    generation, held_out = made.make()
    usable = [old.number for old in generations.generations(catalog) if old.opened(folder) is not None]
    with catalog.transaction():
        generations.put(catalog, generation)
        generations.forget(catalog, kept={number, *usable[: generations.KEPT - 1]})
    generations.remove_unused_files(folder, catalog)
    values = measured(folder, catalog, generation, held_out)
    values["seconds"] = round(time.monotonic() - started, 1)
    with catalog.transaction():
        generations.put(catalog, replace(generation, settings={**generation.settings, "measured": values}))
    return True


def _is_current(folder: Path, catalog: Catalog, dimension: int, budget: SearchBudget) -> bool:
    """Whether the newest generation holds nearly all live regions, and not too many others."""
    found = generations.generations(catalog)[:1]
    if not found or found[0].settings.get("budget") != asdict(budget):
        return False
    newest = found[0]
    live, outside = liveness.counts(catalog, newest.number, newest.newest)
    gone = newest.count - (live - outside)
    if newest.settings["is_exact"]:  # costs so little that it is kept canonical
        near_enough = not outside and not gone
    else:
        is_still_right = not plan(live, dimension, budget).is_exact or budget.structure is not None
        few_outside = outside <= tail_limit(newest.count, dimension, budget)
        near_enough = is_still_right and few_outside and gone <= STRUCTURE.deleted_share * newest.count
    return near_enough and newest.opened(folder) is not None


@dataclass
class _Making:
    """One generation on its way into its files."""

    folder: Path
    catalog: Catalog
    plan: Plan
    budget: SearchBudget
    number: int

    def make(self) -> tuple[Generation, HeldOut]:
        """The generation, its files durably there, and the held-out queries with their neighbours."""
        dimension = int(self.catalog.get_meta("dimension"))
        regions, detection_rows = self._regions()
        held_out, trained_on = _drawn(len(regions), self.plan.training_rows)
        queries = HeldOut.of(self._some(regions[held_out]), held_out, regions)
        if trained_on is not None:
            sample = self._some(regions[trained_on])
            if self.plan.compresses:
                self.plan = plan(len(regions), dimension, self.budget, kept_directions(sample))
        builder = vectors.Builder(self.plan.structure, dimension)
        if trained_on is not None:
            builder.train(sample)
            del sample
        self._fill(builder, queries)
        file = self.folder / f"vectors-{self.number:06d}.faiss"
        sha256 = _write_durably(file, builder.write, self.plan.memory_bytes)
        ids = regions.astype("<i8")
        ids_file = file.with_suffix(".ids")
        ids_sha256 = _write_durably(ids_file, lambda part: durable.put_bytes(part, ids.data), ids.nbytes)
        settings = self._settings(builder, queries) | {"ids_sha256": ids_sha256}
        newest = self.catalog.number("SELECT max(id) FROM vectors")
        made = Generation(self.number, file.name, sha256, len(regions), detection_rows, newest, settings)
        return made, queries

    def _settings(self, builder: vectors.Builder, queries: HeldOut) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "faiss": vectors.require().__version__,
            "structure": self.plan.structure,
            "is_exact": self.plan.is_exact,
            "budget": asdict(self.budget),
            "search": {},
        }
        if not self.plan.is_exact:
            settings["search"] = queries.tuned(builder.structure(), self.budget.recall, self.plan)
            settings["trained_on"] = self.plan.training_rows
        return settings

    def _regions(self) -> tuple[NDArray[np.int64], int]:
        """Ids of all live regions in canonical order, and how many of them are findings."""
        sql = f"SELECT v.id FROM vectors v WHERE {liveness.IS_LIVE} {_ORDER}"
        found = np.fromiter((key for (key,) in self.catalog.stream(sql)), np.int64)
        dead = "SELECT count(*) FROM vectors v WHERE v.kind = 'detection' AND " + liveness.IS_LIVE
        return found, self.catalog.number(dead)

    def _some(self, ids: NDArray[np.int64]) -> Vectors:
        """(n, d) unit vectors of these ids, in their order, each row checked."""
        vectors_of = np.empty((len(ids), int(self.catalog.get_meta("dimension"))), np.float32)
        for start in range(0, len(ids), _LOOKUP):
            some = ids[start : start + _LOOKUP].tolist()
            found = self.catalog.rows(f"{_SELECT} WHERE v.id IN ({', '.join('?' * len(some))})", some)
            blobs = {row[-1]: rows.checked("vectors", row[:-1])[3] for row in found}
            vectors_of[start : start + len(some)] = rows.unit_vectors([blobs[key] for key in some])
        return vectors_of

    def _fill(self, builder: vectors.Builder, queries: HeldOut) -> None:
        """Put all regions into the structure, which works on one chunk while the next one is read."""

        def take(chunk: Vectors) -> None:
            builder.add(chunk)
            if not self.plan.is_exact:
                queries.see(chunk)

        seen = 0
        with ThreadPoolExecutor(1) as worker:
            before: Future[None] | None = None
            for ids, chunk in self._canonical():
                if not np.array_equal(ids, queries.regions[seen : seen + len(ids)]):
                    raise IndexStateError("the index is damaged: its tables do not agree on its regions", DAMAGED_HINT)
                seen += len(ids)
                if before is not None:
                    before.result()
                before = worker.submit(take, chunk)
            if before is not None:
                before.result()

    def _canonical(self) -> Iterator[tuple[list[int], Vectors]]:
        """All live regions by kind, content and place in chunks of ids and vectors, each row checked."""
        ids: list[int] = []
        blobs: list[bytes] = []
        for row in self.catalog.stream(f"{_SELECT} WHERE {liveness.IS_LIVE} {_ORDER}"):
            blobs.append(rows.checked("vectors", row[:-1])[3])
            ids.append(row[-1])
            if len(blobs) == _CHUNK:
                yield ids, rows.unit_vectors(blobs)
                ids, blobs = [], []
        if blobs:
            yield ids, rows.unit_vectors(blobs)


def _drawn(count: int, training_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Row numbers of the held-out queries and of the training sample, both sorted, without a common one."""
    random = np.random.default_rng(STRUCTURE.seed)
    queries = min(STRUCTURE.queries, count) if training_rows == 0 else min(STRUCTURE.queries, count - training_rows)
    picked = random.choice(count, queries + training_rows, replace=False)
    held_out = np.sort(picked[:queries])
    return held_out, np.sort(picked[queries:]) if training_rows else None


def _write_durably(path: Path, write: Callable[[Path], object], expected_bytes: int) -> str:
    """The file's sha256; it is there whole under its name, also after a power cut, or it is not there."""
    try:
        sha256 = durable.write(path, write)
        digests.note(path, sha256)
    except OSError as error:
        if path.is_dir():
            raise AmogusError(
                f"{path} is a folder, where a file of the index belongs", "move it away, and run it again"
            ) from error
        raise AmogusError(
            f"cannot write about {expected_bytes} bytes of search structure to {path}: {error.strerror or error}"
            f"{durable.room_left(path.parent)}",
            "free some space and run it again: what was committed is kept",
        ) from error
    return sha256
