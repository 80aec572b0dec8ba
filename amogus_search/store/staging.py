"""A file beside the catalogue for vectors that are not the index' own yet: one row a picture, each sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from amogus_search.core.types import ImageFindings
from amogus_search.errors import IndexStateError
from amogus_search.store import durable, rows
from amogus_search.store.catalog import Catalog
from amogus_search.store.sqlite_errors import is_damage

NAME = "reembedding.sqlite"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum BLOB NOT NULL)",
    # `vectors`: little-endian float16, the whole picture first, then its findings in the order of the catalogue
    "CREATE TABLE IF NOT EXISTS staged (sha256 TEXT PRIMARY KEY, regions INTEGER NOT NULL, vectors BLOB NOT NULL, "
    "checksum BLOB NOT NULL)",
)


class StagingDamagedError(Exception):
    """A staged row is not as it was written."""


class Staging:
    """The file, open; `open` and `peek` make it.

    identity: whose vectors they are
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.identity = catalog.read_identity()

    @classmethod
    def open(cls, folder: Path, identity: Mapping[str, object]) -> Staging:
        """The file for an identity: empty if there was none, or a damaged one, or one for another identity.

        Raises:
            IndexStateError: it cannot be made, or not be opened now: what is in it is kept then.
        """
        for _ in range(2):
            staging = _made(folder, identity)
            if staging is not None and staging.identity == dict(identity):
                return staging
            if staging is not None:
                staging.close()
            remove(folder)
        raise IndexStateError(f"cannot write in the index {folder}", "check the folder's permissions and its disk")

    @classmethod
    def peek(cls, folder: Path) -> Staging | None:
        """The file as it is, for reading; None if there is none that can be read."""
        if not (folder / NAME).is_file():
            return None
        try:
            return cls(Catalog(folder / NAME, write=False))
        except IndexStateError:
            return None

    def close(self) -> None:
        """Close the file; what is in it is kept."""
        self._catalog.close()

    @property
    def dimension(self) -> int | None:
        """How many numbers a vector has; None while there is none."""
        value = self._catalog.get_meta("dimension")
        return None if value is None else int(value)

    def regions(self, sha256: str) -> int:
        """How many vectors a content has; 0: it was not staged."""
        found = self._catalog.rows("SELECT regions FROM staged WHERE sha256 = ?", (sha256,))
        return int(found[0][0]) if found else 0

    def vectors(self, sha256: str) -> list[bytes]:
        """The vectors of a content, as the catalogue stores them; none if it was not staged.

        Raises:
            StagingDamagedError: a bit has changed since they were written.
        """
        try:
            found = self._catalog.rows("SELECT * FROM staged WHERE sha256 = ?", (sha256,))
            if not found:
                return []
            _, regions, blob = rows.checked("staged", found[0])
        except IndexStateError as error:
            raise StagingDamagedError from error
        width = len(blob) // regions
        return [blob[start : start + width] for start in range(0, len(blob), width)]

    def write(self, pictures: Sequence[ImageFindings]) -> None:
        """Keep the vectors of these pictures, in one transaction.

        Raises:
            ValueError: a vector is missing, zero or not finite, or of another length than those before.
        """
        values = [_staged(picture) for picture in pictures]
        lengths = {len(picture.image_vector) for picture in pictures if picture.image_vector is not None}
        with self._catalog.transaction():
            before = self.dimension
            lengths |= set() if before is None else {before}
            if len(lengths) > 1:
                raise ValueError(f"vectors have {sorted(lengths)} numbers")
            self._catalog.set_meta("dimension", next(iter(lengths), None))
            self._catalog.run_many("INSERT OR REPLACE INTO staged VALUES (?, ?, ?, ?)", values)


def remove(folder: Path) -> None:
    """Delete the file; the caller holds the writer role of the index."""
    for suffix in ("-wal", "-shm", "-journal", ""):
        durable.discard(folder / f"{NAME}{suffix}")


def _made(folder: Path, identity: Mapping[str, object]) -> Staging | None:
    """The file, given the identity if it has none; None if it is damaged."""
    catalog = None
    try:
        catalog = Catalog(folder / NAME, write=True)
        with catalog.transaction():
            for statement in _TABLES:
                catalog.run(statement)
            if not catalog.read_identity():
                catalog.set_meta("identity", dict(identity))
        catalog.get_meta("dimension")
        return Staging(catalog)
    except BaseException as error:
        if catalog is not None:
            catalog.close()
        if isinstance(error, IndexStateError) and is_damage(error):
            return None
        raise


def _staged(picture: ImageFindings) -> rows.Row:
    if picture.image_vector is None:
        raise ValueError(f"{picture.entry.path!r} has no vector")
    table = np.vstack([picture.image_vector[None], picture.detection_vectors.reshape(-1, len(picture.image_vector))])
    if len(table) != len(picture.detections) + 1:
        raise ValueError(f"{len(picture.detections)} findings have {len(table) - 1} vectors")
    with np.errstate(over="ignore"):
        stored = table.astype("<f2")
    # Asked of what is stored: float16 has a smaller range.
    if not np.isfinite(stored).all() or not stored.any(axis=1).all():
        raise ValueError(f"a vector of {picture.entry.path!r} is zero or not finite")
    return rows.sealed((picture.sha256, len(table), stored.tobytes()))
