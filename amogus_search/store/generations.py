"""FAISS files as a cache of the catalogue's vectors: made in one piece, named by generation, never trusted.

A row of `generations` is the pointer to a file. A file that is missing or does not have the recorded digest is
as good as none: readers use the one before it, or the catalogue itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amogus_search.core.types import Vectors
from amogus_search.errors import AmogusError, IndexStateError
from amogus_search.store import rows, vectors
from amogus_search.store.catalog import Catalog

KEPT = 2
"""Generations on disk: the newest, and the one that a reader may be just opening."""
_GLOB = "vectors-*.faiss"
_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class Generation:
    """One row of `generations`.

    count:          vectors in the file; the first `detection_rows` are those of findings, the others of whole images
    newest:         the largest id of `vectors` when it was built; larger ones are not in it
    regions:        (count,) int64, id of each row of the file
    """

    number: int
    file: str
    sha256: str
    count: int
    detection_rows: int
    newest: int
    regions: np.ndarray

    @classmethod
    def of(cls, row: rows.Row) -> Generation:
        """From a row that was checked."""
        number, file, sha256, count, detection_rows, newest, _, regions = row
        return cls(number, file, sha256, count, detection_rows, newest, np.frombuffer(regions, "<i8"))

    def read(self, folder: Path) -> bytes | None:
        """The file's bytes; None if it is missing or not as it was written."""
        try:
            data = (folder / Path(self.file).name).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == self.sha256 else None


def generations(catalog: Catalog) -> list[Generation]:
    """All undamaged pointers, newest first."""
    found = catalog.rows(f"SELECT {rows.COLUMNS['generations']}, checksum FROM generations ORDER BY generation DESC")
    return [Generation.of(row[:-1]) for row in found if rows.is_whole(row)]


def publish(folder: Path, catalog: Catalog) -> bool:
    """Make a new generation unless the newest one is whole and complete; whether one was made.

    Raises:
        IndexStateError: a vector's row is damaged; nothing was changed.
        AmogusError: there is no room for the file.
    """
    total, newest = catalog.rows("SELECT count(*), coalesce(max(id), 0) FROM vectors")[0]
    if not total or _is_current(folder, catalog, total, newest):
        return False
    structure = vectors.structure_for(total)
    regions: list[int] = []
    data = vectors.build(_canonical(catalog, regions), int(catalog.get_meta("dimension")), structure)
    number = catalog.number("SELECT max(generation) FROM generations") + 1
    file = f"vectors-{number:06d}.faiss"
    _write_durably(folder / file, data)
    detections = catalog.number("SELECT count(*) FROM vectors WHERE kind = 'detection'")
    settings = json.dumps({"faiss": vectors.require().__version__, "structure": structure}, sort_keys=True)
    digest = hashlib.sha256(data).hexdigest()
    usable = [generation.number for generation in generations(catalog) if generation.read(folder) is not None]
    blob = np.asarray(regions, "<i8").tobytes()
    with catalog.transaction():
        row = (number, file, digest, total, detections, newest, settings, blob)
        catalog.run(rows.insert("generations"), rows.sealed(row))
        _forget(catalog, kept={number, *usable[: KEPT - 1]})
    remove_unused_files(folder, catalog)
    return True


def remove_unused_files(folder: Path, catalog: Catalog) -> None:
    """Delete the search files that no generation points to."""
    used = {name for (name,) in catalog.rows("SELECT file FROM generations")}
    for path in folder.glob(_GLOB):
        if path.name not in used:
            path.unlink(missing_ok=True)


def _forget(catalog: Catalog, *, kept: set[int]) -> None:
    for (number,) in catalog.rows("SELECT generation FROM generations"):
        if number not in kept:
            catalog.run("DELETE FROM generations WHERE generation = ?", (number,))


def _is_current(folder: Path, catalog: Catalog, total: int, newest: int) -> bool:
    for generation in generations(catalog)[:1]:
        complete = (generation.count, generation.newest) == (total, newest)
        return complete and generation.read(folder) is not None
    return False


def _canonical(catalog: Catalog, regions: list[int]) -> Iterator[Vectors]:
    """All vectors by kind, content and place in chunks, each row checked; their ids are appended to `regions`."""
    sql = f"SELECT {rows.COLUMNS['vectors']}, checksum, id FROM vectors ORDER BY kind, sha256, ordinal"
    blobs: list[bytes] = []
    for row in catalog.stream(sql):
        blobs.append(rows.checked("vectors", row[:-1])[3])
        regions.append(row[-1])
        if len(blobs) == _CHUNK:
            yield rows.unit_vectors(blobs)
            blobs = []
    if blobs:
        yield rows.unit_vectors(blobs)


def _write_durably(path: Path, data: bytes) -> None:
    """The file is there whole under its name, also after a power cut, or it is not there."""
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise AmogusError(
            f"cannot write {len(data)} bytes of search structure to {path}: {error.strerror}",
            "free some space and run it again: what was committed is kept",
        ) from error


class LoadedGeneration:
    """The newest generation that can be used, kept in memory until there is a newer one."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._folder = folder
        self._catalog = catalog
        self._generation: Generation | None = None
        self._structure: vectors.SearchStructure | None = None

    def current(self, dimension: int) -> tuple[Generation, vectors.SearchStructure] | None:
        """None: every vector must be looked at in the catalogue.

        Raises:
            MissingExtraError: there is a generation, and FAISS is not installed.
        """
        for generation in generations(self._catalog):
            if self._generation is None or generation.sha256 != self._generation.sha256:
                self._load(generation, dimension)
            if self._structure is not None and self._generation and self._generation.sha256 == generation.sha256:
                # Equal bytes may belong to other ids, after a repair.
                return generation, self._structure
        return None

    def _load(self, generation: Generation, dimension: int) -> None:
        data = generation.read(self._folder)
        if data is None or len(generation.regions) != generation.count:
            return
        with suppress(IndexStateError):
            self._structure = vectors.SearchStructure(data, generation.count, dimension)
            self._generation = generation
