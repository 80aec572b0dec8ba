"""The names that contents go by: what a scan compares with, and what it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from amogus_search.core.types import FileEntry, FileStat, SkippedImage
from amogus_search.store import liveness, rows
from amogus_search.store.catalog import Catalog

_ALL = f"SELECT {rows.COLUMNS['files']}, checksum FROM files"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as the index remembers it.

    stat:   when it was last looked at; None if it could not be
    sha256: of its content; None if it was never read
    reason: why it was skipped, one of `core.types.SKIP_REASONS`; None for an indexed file
    tag:    versions of the decoders that could not read it; "" for an indexed file
    """

    stat: FileStat | None
    sha256: str | None
    reason: str | None
    tag: str = ""


def known_files(catalog: Catalog, under: Sequence[bytes] | None = None) -> dict[bytes, KnownFile]:
    """Every live file by path, or those that are or lie in one of the paths `under`; each row is checked."""
    live = f"{_ALL} WHERE state != 'removed'"
    if under is None:
        return dict(_known(row) for row in catalog.stream(live))
    found: dict[bytes, KnownFile] = {}
    for path in under:
        inside = path.rstrip(b"/")
        of = (path, inside + b"/", inside + b"0")  # "0" comes right after "/"
        found.update(_known(row) for row in catalog.stream(f"{live} AND (path = ? OR (path > ? AND path < ?))", of))
    return found


def known_file(catalog: Catalog, path: bytes) -> KnownFile | None:
    """One live file; None if there is none of that path."""
    found = catalog.rows(f"{_ALL} WHERE state != 'removed' AND path = ?", (path,))
    return _known(found[0])[1] if found else None


def source_folders(catalog: Catalog) -> list[bytes]:
    """What the user named when live files were scanned: folders, and files named directly; sorted."""
    return [
        row[0] for row in catalog.rows("SELECT DISTINCT root FROM files WHERE state != 'removed' ORDER BY root", ())
    ]


def skipped(catalog: Catalog) -> list[tuple[bytes, str, str]]:
    """(path, reason, detail) of every skipped file, by path."""
    found = (rows.checked("files", row) for row in catalog.stream(f"{_ALL} WHERE state = 'skipped' ORDER BY path"))
    return [(values[0], values[9], values[10]) for values in found]


def put_indexed(catalog: Catalog, entries: Sequence[tuple[FileEntry, str]]) -> None:
    """Point files to contents; whatever was known of these paths is replaced.

    Raises:
        ValueError: no such content is stored.
    """
    for entry, sha256 in entries:
        if not catalog.rows("SELECT 1 FROM contents WHERE sha256 = ?", (sha256,)):
            raise ValueError(f"content {sha256} of {entry.path!r} is not in the index")
    _put(catalog, [(*_head(entry), sha256, "indexed", None, None, None) for entry, sha256 in entries])


def put_skipped(catalog: Catalog, skips: Sequence[SkippedImage], tag: str) -> None:
    """Remember files that gave no picture; whatever was known of these paths is replaced."""
    columns = [(*_head(skip.entry), skip.sha256 or None, "skipped", skip.reason, skip.detail, tag) for skip in skips]
    _put(catalog, columns)


def put_removed(catalog: Catalog, paths: Iterable[bytes]) -> None:
    """Make tombstones of files; unknown paths are passed over."""
    for path in paths:
        for row in catalog.rows(f"{_ALL} WHERE path = ?", (path,)):
            values = rows.checked("files", row)
            _put(catalog, [(*values[:8], "removed", None, None, None)])


def in_flight(catalog: Catalog) -> dict[bytes, int]:
    """Paths handed out and never come back -> in how many runs."""
    return dict(catalog.rows("SELECT path, deaths + 1 FROM in_flight ORDER BY path"))


def set_in_flight(catalog: Catalog, paths: Iterable[bytes]) -> None:
    """Note paths as handed out; one that is on the list already was so when an earlier run died."""
    sql = "INSERT INTO in_flight VALUES (?, 0) ON CONFLICT (path) DO UPDATE SET deaths = deaths + 1"
    with catalog.transaction():
        catalog.run_many(sql, [(path,) for path in paths])


def keep_in_flight(catalog: Catalog, deaths: Mapping[bytes, int]) -> None:
    """Make these the only ones on the list, with so many deaths before; writes nothing where they are that already."""
    before = in_flight(catalog)
    if before == {path: count + 1 for path, count in deaths.items()}:
        return
    with catalog.transaction():
        catalog.run_many("DELETE FROM in_flight WHERE path = ?", [(path,) for path in before])
        catalog.run_many("INSERT INTO in_flight VALUES (?, ?)", sorted(deaths.items()))


def _known(row: rows.Row) -> tuple[bytes, KnownFile]:
    values = rows.checked("files", row)
    reason, tag = values[9], values[11]
    return values[0], KnownFile(rows.stat_of(values[2:7]), values[7], reason, tag or "")


def _put(catalog: Catalog, files: Sequence[rows.Row]) -> None:
    touched = [values[7] for values in files]
    for values in files:
        touched += [sha256 for (sha256,) in catalog.rows("SELECT sha256 FROM files WHERE path = ?", (values[0],))]
    catalog.run_many(rows.insert("files", "INSERT OR REPLACE"), [rows.sealed(values) for values in files])
    catalog.run_many("DELETE FROM in_flight WHERE path = ?", [(values[0],) for values in files])
    liveness.follow(catalog, touched)


def _head(entry: FileEntry) -> rows.Row:
    return (entry.path, entry.root, *rows.stat_columns(entry.stat))
