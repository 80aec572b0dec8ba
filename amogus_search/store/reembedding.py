"""Exchanging the vectors of an index for those of another embedder, without losing an answer on the way.

The new ones are gathered in a file of their own (`staging`), so that the index answers with its old vectors until
all of them are there. One transaction then changes vectors and identity together; whatever is killed before it
goes on from that file, and after it the file is only a leftover.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amogus_search.core.motif import Motif
from amogus_search.core.ranking import WHOLE_IMAGE
from amogus_search.core.types import Detections, FileEntry, ImageFindings
from amogus_search.errors import AmogusError, IndexStateError
from amogus_search.store import folder as index_folder
from amogus_search.store import generations, rows, staging
from amogus_search.store.catalog import CATALOG_NAME, Catalog
from amogus_search.store.folder import Writer
from amogus_search.store.staging import Staging, StagingDamagedError

_LIVE_CONTENTS = (
    "SELECT c.sha256, c.detections, min(f.path) AS first FROM contents c JOIN files f ON f.sha256 = c.sha256 "
    "WHERE f.state = 'indexed' GROUP BY c.sha256 ORDER BY first"
)


@dataclass(frozen=True)
class Stand:
    """How far a re-embedding is, in pictures of different content and in regions (wholes and findings).

    embedder: the name of the new one
    """

    embedder: str
    done: int
    total: int
    done_regions: int
    total_regions: int


@dataclass(frozen=True)
class Forgotten:
    """What has no place in the index any more, for want of new vectors.

    files:   paths that are new to the next run
    removed: how many contents of removed files, which would have been known if they had come back
    """

    files: tuple[bytes, ...]
    removed: int


class Reembedding:
    """The writer role of an index, for exchanging its vectors; made by `Reembedding.open`. A context manager."""

    def __init__(self, folder: Path, writer: Writer, identity: Mapping[str, object]) -> None:
        self.folder = folder
        self._writer = writer
        self._catalog = catalog = writer.catalog
        self._identity = dict(identity)
        self._names = catalog.read_motif()[1:]
        self._staging = Staging.open(folder, identity)

    @classmethod
    def open(cls, folder: Path, before: Mapping[str, object], identity: Mapping[str, object]) -> Reembedding:
        """Begin, or go on with what was begun for the same identity; what was begun for another one is given up.

        Args:
            folder: the index folder.
            before: what its identity must be now.
            identity: what it shall be.

        Raises: as `Index.open`.
        """
        writer = index_folder.open_to_write(folder, create=False, identity=before, motif=Motif("none"))
        try:
            exchange = cls(folder, writer, identity)
            writer.begin()
            return exchange
        except BaseException:
            writer.close()
            raise

    def close(self) -> None:
        """Close the files and give up the writer role; what is staged is kept."""
        try:
            self._staging.close()
        finally:
            self._writer.close()

    def __enter__(self) -> Reembedding:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def stand(self) -> Stand:
        """How far it is."""
        return _stand(self._catalog, self._staging)

    def pending(self) -> Iterator[tuple[str, list[FileEntry]]]:
        """Contents of live files that have no new vectors yet, each with all of its files, in the order of paths."""
        for sha256, detections, _ in self._catalog.rows(_LIVE_CONTENTS):
            if self._staging.regions(sha256) != detections + 1:
                sql = "SELECT path, root FROM files WHERE sha256 = ? AND state = 'indexed' ORDER BY path"
                yield sha256, [FileEntry(path, root, None) for path, root in self._catalog.rows(sql, (sha256,))]

    def detections(self, sha256: str) -> Detections:
        """The stored findings of a content, in their order; each row is checked."""
        sql = f"SELECT {rows.COLUMNS['detections']}, checksum FROM detections WHERE sha256 = ? ORDER BY ordinal"
        found = [rows.checked("detections", row) for row in self._catalog.rows(sql, (sha256,))]
        return rows.detections_of(found, *self._names)

    def write(self, pictures: Sequence[ImageFindings]) -> None:
        """Keep the new vectors of these pictures: all of them or, if the process dies on the way, none.

        Raises:
            ValueError: a vector is missing, zero or not finite, or of another length than those before.
        """
        self._staging.write(pictures)

    def switch(self) -> Forgotten:
        """Give the index its new vectors and its new identity, in one transaction.

        Contents without new vectors are dropped with all that the models said of them: their files are new to the
        next run. Search structures of the old vectors are dropped, and their ids are never used again.

        Raises:
            AmogusError: the new vectors are damaged; they were thrown away, and the index is as it was.
        """
        try:
            with self._catalog.transaction():
                forgotten = self._exchange()
        except StagingDamagedError as error:
            self._remove_staging()
            raise AmogusError(
                f"the new vectors of {self.folder} were damaged before they were complete, and are thrown away",
                "run the same command again; the index has its old vectors",
            ) from error
        self._remove_staging()
        generations.remove_unused_files(self.folder, self._catalog)
        return forgotten

    def _exchange(self) -> Forgotten:
        last = self._catalog.number("SELECT max(id) FROM vectors")
        last = max(last, self._catalog.number("SELECT max(newest) FROM generations"))
        self._catalog.run("DELETE FROM vectors")
        self._catalog.set_meta("dimension", self._staging.dimension)
        self._catalog.set_meta("identity", self._identity)
        without = []
        for (sha256,) in self._catalog.rows("SELECT sha256 FROM contents ORDER BY sha256"):
            count = self._insert(sha256, last)
            last += count
            if not count:
                without.append(sha256)
        forgotten = _forget(self._catalog, without)
        generations.forget_all(self._catalog)
        return forgotten

    def _insert(self, sha256: str, last: int) -> int:
        """Store the new vectors of a content under the ids after `last`; how many there are, 0 if it has none."""
        sql = f"SELECT {rows.COLUMNS['contents']}, checksum FROM contents WHERE sha256 = ?"
        content = rows.checked("contents", self._catalog.rows(sql, (sha256,))[0])
        detections, blobs = content[4], self._staging.vectors(sha256)
        if len(blobs) != detections + 1:
            return 0
        places = [("image", WHOLE_IMAGE), *(("detection", ordinal) for ordinal in range(detections))]
        sealed = [
            (last + number, *rows.sealed((kind, sha256, ordinal, blob)))
            for number, ((kind, ordinal), blob) in enumerate(zip(places, blobs, strict=True), 1)
        ]
        insert = f"INSERT INTO vectors (id, {rows.COLUMNS['vectors']}, checksum) VALUES (?, ?, ?, ?, ?, ?)"
        self._catalog.run_many(insert, sealed)
        if content[5] != len(blobs):  # the index had no embedder before
            row = rows.sealed((*content[:5], len(blobs)))
            self._catalog.run(rows.insert("contents", "INSERT OR REPLACE"), row)
        return len(blobs)

    def _remove_staging(self) -> None:
        self._staging.close()
        staging.remove(self.folder)


def unfinished(folder: Path, identity: Mapping[str, object]) -> Stand | None:
    """How far a re-embedding is that was begun and not finished; None if there is none.

    Args:
        folder: an index folder.
        identity: that of the index: what is staged for it is the leftover of a finished one.
    """
    begun = Staging.peek(folder)
    if begun is None:
        return None
    try:
        catalog = Catalog(folder / CATALOG_NAME, write=False)
        try:
            return None if begun.identity == dict(identity) else _stand(catalog, begun)
        finally:
            catalog.close()
    except IndexStateError:
        return None  # whoever goes on with it begins anew
    finally:
        begun.close()


def give_up(folder: Path) -> None:
    """Throw away what was begun; the caller holds the writer role."""
    staging.remove(folder)


def _stand(catalog: Catalog, begun: Staging) -> Stand:
    done = regions = total = all_regions = 0
    for sha256, detections, _ in catalog.stream(_LIVE_CONTENTS):
        total, all_regions = total + 1, all_regions + detections + 1
        if begun.regions(sha256) == detections + 1:
            done, regions = done + 1, regions + detections + 1
    return Stand(str(begun.identity.get("embedder", "")), done, total, regions, all_regions)


def _forget(catalog: Catalog, sha256s: Sequence[str]) -> Forgotten:
    files: list[bytes] = []
    removed = 0
    for sha256 in sha256s:
        live = catalog.rows("SELECT path FROM files WHERE sha256 = ? AND state = 'indexed'", (sha256,))
        files += [path for (path,) in live]
        removed += not live
        catalog.run("DELETE FROM files WHERE sha256 = ? AND state != 'skipped'", (sha256,))
        catalog.run("DELETE FROM scores WHERE detection IN (SELECT id FROM detections WHERE sha256 = ?)", (sha256,))
        for table in ("detections", "contents"):
            catalog.run(f"DELETE FROM {table} WHERE sha256 = ?", (sha256,))
    return Forgotten(tuple(sorted(files)), removed)
