"""FAISS files as a cache of the catalogue's vectors: named by generation, pointed to by a row, never trusted.

A generation is two files: the search structure, and the ids of the regions in its rows (little-endian int64). Files
that are missing or do not have the recorded digests are as good as none: readers use the generation before it, or the
catalogue itself. `publishing` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import IndexStateError
from amogus_search.store import digests, durable, liveness, resident, rows, vectors
from amogus_search.store.catalog import Catalog

KEPT = 2
"""Generations on disk: the newest, and the one that a reader may be just opening."""
_GLOB = "vectors-*"


@dataclass(frozen=True, eq=False)
class Generation:
    """One row of `generations`.

    count:    regions in it; the first `detection_rows` are findings, the others whole images
    newest:   the largest id of `vectors` when it was built; larger ones are not in it
    settings: how it was built and is searched: `structure`, `is_exact`, `search`, `budget`, `measured`, ...
    """

    number: int
    file: str
    sha256: str
    count: int
    detection_rows: int
    newest: int
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, row: rows.Row) -> Generation:
        """From a row that was checked."""
        number, file, sha256, count, detection_rows, newest, settings, _ = row
        return cls(number, file, sha256, count, detection_rows, newest, json.loads(settings))

    @property
    def ids_file(self) -> str:
        """The file of the regions' ids."""
        return str(Path(self.file).with_suffix(".ids"))

    def digests(self) -> tuple[tuple[str, str], ...]:
        """(file name, sha256) of all its files."""
        return (Path(self.file).name, self.sha256), (Path(self.ids_file).name, str(self.settings.get("ids_sha256")))

    def opened(self, folder: Path) -> tuple[bytes | Path, bytes | Path] | None:
        """Structure and ids as `digests.read_checked` gives them; None if either is not as it was written."""
        structure, ids = (digests.read_checked(folder / name, sha256) for name, sha256 in self.digests())
        return None if structure is None or ids is None else (structure, ids)

    def is_whole(self, folder: Path) -> bool:
        """Whether all files have their digests, every byte read."""
        return all(digests.digest(folder / name) == sha256 for name, sha256 in self.digests())


def generations(catalog: Catalog) -> list[Generation]:
    """All undamaged pointers, newest first."""
    found = catalog.rows(f"SELECT {rows.COLUMNS['generations']}, checksum FROM generations ORDER BY generation DESC")
    return [Generation.of(row[:-1]) for row in found if rows.is_whole(row)]


def put(catalog: Catalog, generation: Generation) -> None:
    """Store or replace the pointer."""
    settings = json.dumps(dict(generation.settings), sort_keys=True)
    row = (generation.number, generation.file, generation.sha256, generation.count)
    more = (generation.detection_rows, generation.newest, settings, b"")
    catalog.run(rows.insert("generations", "INSERT OR REPLACE"), rows.sealed((*row, *more)))


def forget_all(catalog: Catalog) -> None:
    """Make every search file stale, in the caller's transaction: for changes that give other vectors to old ids."""
    catalog.run("DELETE FROM generations")
    liveness.compute(catalog)


def forget(catalog: Catalog, *, kept: set[int]) -> None:
    """Drop all pointers but these."""
    for (number,) in catalog.rows("SELECT generation FROM generations"):
        if number not in kept:
            catalog.run("DELETE FROM generations WHERE generation = ?", (number,))
    liveness.forget_before(catalog, min(kept, default=0))


def remove_unused_files(folder: Path, catalog: Catalog) -> None:
    """Delete the search files that no generation points to."""
    used = {Path(name).stem for (name,) in catalog.rows("SELECT file FROM generations")}
    for path in sorted(folder.glob(_GLOB)):
        if path.name.split(".")[0] not in used:
            durable.discard(path)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A generation ready to be asked.

    regions: (count,) int64, the id of each row
    """

    generation: Generation
    structure: vectors.SearchStructure
    regions: NDArray[np.int64]

    def ids(self, rows_found: list[int]) -> list[int]:
        """The ids of a few rows."""
        return list(map(self.regions.item, rows_found))


class LoadedGeneration:
    """The newest generation that can be used, kept open until there is a newer one."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._folder = folder
        self._catalog = catalog
        self._loaded: Loaded | None = None

    def current(self, dimension: int) -> Loaded | None:
        """None: every vector must be looked at in the catalogue.

        Raises:
            MissingExtraError: there is a generation, and FAISS is not installed.
        """
        for generation in generations(self._catalog):
            if self._loaded is not None and self._loaded.generation.digests() == generation.digests():
                return Loaded(generation, self._loaded.structure, self._loaded.regions)
            loaded = _load(self._folder, generation, dimension)
            if loaded is not None:
                self._loaded = loaded
                return loaded
        return None


def _load(folder: Path, generation: Generation, dimension: int) -> Loaded | None:
    opened = generation.opened(folder)
    if opened is None:
        return None
    regions = region_ids(opened[1])
    if len(regions) != generation.count:
        return None
    again = _reader_of(opened[0], generation.settings)
    with suppress(IndexStateError):
        return Loaded(generation, vectors.opened(opened[0], generation.count, dimension, again), regions)
    return None


def _reader_of(source: bytes | Path, settings: Mapping[str, Any]) -> vectors.Again:
    """What reads a mapped file into memory; nothing of one that is to stay on the disk, or was written to since."""
    if isinstance(source, bytes) or settings.get("budget", {}).get("mapped"):
        return vectors.never
    seen = digests.looks(source)

    def again() -> NDArray[np.uint8] | None:
        found = resident.in_large_pages(source)
        return found if seen is not None and digests.looks(source) == seen else None

    return again


def region_ids(source: bytes | Path) -> NDArray[np.int64]:
    """(count,) ids in the rows of an ids file, which the caller has found to be as it was written."""
    if isinstance(source, bytes):
        return np.frombuffer(source, "<i8").astype(np.int64, copy=False)
    # A plain view of it: indexing a memmap costs ten times as long.
    return np.asarray(np.memmap(source, "<i8", mode="r")).astype(np.int64, copy=False)
