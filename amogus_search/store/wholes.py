"""Whole pictures of an index, one after the other: their files, their sizes and their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.store import rows
from amogus_search.store.catalog import Catalog

if TYPE_CHECKING:
    from amogus_search.store.index import Index

_CHUNK = 500
_LIVE = "EXISTS (SELECT 1 FROM files f WHERE f.sha256 = v.sha256 AND f.state = 'indexed')"


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One live file of an index.

    path:     absolute, bytes
    sha256:   of its content
    full_wh:  upright, pixels
    size:     bytes
    modified: nanoseconds since the epoch
    inode:    device and number: two names of one file on disk have the same; None if it was not looked at
    """

    path: bytes
    sha256: str
    full_wh: tuple[int, int]
    size: int
    modified: int
    inode: tuple[int, int] | None


class Wholes:
    """What can be read of whole pictures through an open index."""

    def __init__(self, index: Index) -> None:
        self._catalog: Catalog = index._catalog

    def files(self) -> Iterator[PictureFile]:
        """Every live picture file, by path; each row is checked."""
        files = ", ".join(f"f.{name}" for name in rows.COLUMNS["files"].split(", "))
        contents = ", ".join(f"c.{name}" for name in rows.COLUMNS["contents"].split(", "))
        sql = (
            f"SELECT {files}, f.checksum, {contents}, c.checksum FROM files f JOIN contents c ON c.sha256 = f.sha256 "
            "WHERE f.state = 'indexed' ORDER BY f.path"
        )
        split = files.count(",") + 2
        for row in self._catalog.stream(sql):
            yield _picture_file(rows.checked("files", row[:split]), rows.checked("contents", row[split:]))

    def vectors(self) -> Iterator[tuple[list[str], Vectors]]:
        """The sha256 of live contents and the (n, d) unit vectors of their whole images, some hundreds at a time."""
        sql = f"SELECT {rows.COLUMNS['vectors']}, checksum FROM vectors v WHERE v.kind = 'image' AND {_LIVE}"
        waiting: list[rows.Row] = []
        for row in self._catalog.stream(f"{sql} ORDER BY sha256"):
            waiting.append(rows.checked("vectors", row))
            if len(waiting) == _CHUNK:
                yield _parted(waiting)
                waiting = []
        if waiting:
            yield _parted(waiting)

    def table(self, sha256s: Sequence[str]) -> NDArray[np.float16] | None:
        """(n, d) vectors of the whole images of these contents, in their order; zero for one that has none.

        Half as wide as elsewhere: as they are stored. None for an index without vectors.
        """
        row_of = {sha256: row for row, sha256 in enumerate(sha256s)}
        found: NDArray[np.float16] | None = None
        for names, vectors in self.vectors():
            if found is None:
                found = np.zeros((len(sha256s), vectors.shape[1]), np.float16)
            wanted = [place for place, name in enumerate(names) if name in row_of]
            found[[row_of[names[place]] for place in wanted]] = vectors[wanted]
        return found

    def crops(self, sha256s: Iterable[str]) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
        """The content, crop id and (4,) box of every finding of these contents, by content and confidence."""
        names = list(dict.fromkeys(sha256s))
        for start in range(0, len(names), _CHUNK):
            some = names[start : start + _CHUNK]
            sql = f"SELECT {rows.COLUMNS['detections']}, checksum FROM detections WHERE sha256 IN "
            for row in self._catalog.stream(f"{sql} ({', '.join('?' * len(some))}) ORDER BY sha256, ordinal", some):
                values = rows.checked("detections", row)
                yield values[0], values[9], np.asarray(values[2:6], np.float32)

    def contents_of_crops(self, crop_ids: Iterable[str]) -> dict[str, str]:
        """The sha256 of the content that each known crop id was cut from."""
        ids, found = list(dict.fromkeys(crop_ids)), dict[str, str]()
        for start in range(0, len(ids), _CHUNK):
            some = ids[start : start + _CHUNK]
            marks = ", ".join("?" * len(some))
            found.update(self._catalog.rows(f"SELECT crop_id, sha256 FROM detections WHERE crop_id IN ({marks})", some))
        return found


def _picture_file(file: rows.Row, content: rows.Row) -> PictureFile:
    stat = rows.stat_of(file[2:7])
    size, modified, inode = (stat.size, stat.mtime_ns, (stat.dev, stat.ino)) if stat else (0, 0, None)
    return PictureFile(file[0], content[0], (content[1], content[2]), size, modified, inode)


def _parted(found: list[rows.Row]) -> tuple[list[str], Vectors]:
    return [row[1] for row in found], rows.unit_vectors([row[3] for row in found])
