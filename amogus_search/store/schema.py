"""The catalogue's tables, their versions, and the way from an older version to this one.

`contents` holds each distinct picture once, by the sha256 of its file, with its `detections` and
`vectors`; `files` are the names it goes by. `scores` are derived from detections by a calibration.
Every row ends in a checksum of its other columns (`rows.COLUMNS`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from amogus_search.errors import IndexStateError

APPLICATION_ID = 0x414D4F47
"""Says in the file's header whose it is: "AMOG"."""

_VERSION_1 = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE contents (
        sha256 TEXT PRIMARY KEY, width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL,
        detections INTEGER NOT NULL, vectors INTEGER NOT NULL, checksum BLOB NOT NULL)""",
    # `ordinal`: confidence descending, then box; `keypoints` and `evidence`: little-endian float32
    """CREATE TABLE detections (
        id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, ordinal INTEGER NOT NULL,
        x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
        confidence REAL NOT NULL, margin REAL, zoom REAL NOT NULL, crop_id TEXT NOT NULL,
        keypoints BLOB NOT NULL, evidence BLOB NOT NULL, checksum BLOB NOT NULL, UNIQUE (sha256, ordinal))""",
    "CREATE INDEX detections_by_confidence ON detections (confidence)",
    "CREATE INDEX detections_by_crop ON detections (crop_id)",
    """CREATE TABLE scores (
        detection INTEGER PRIMARY KEY, amogusness REAL, rarity REAL, rarity_at_least INTEGER NOT NULL,
        calibration TEXT, checksum BLOB NOT NULL)""",
    "CREATE INDEX scores_by_amogusness ON scores (amogusness)",
    # `ordinal`: that of the detection, or -1 for the whole image; `vector`: little-endian float16
    """CREATE TABLE vectors (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, sha256 TEXT NOT NULL, ordinal INTEGER NOT NULL,
        vector BLOB NOT NULL, checksum BLOB NOT NULL, UNIQUE (kind, sha256, ordinal))""",
    # Times in nanoseconds; `dev` and `ino` are unsigned numbers kept in signed 64 bits
    """CREATE TABLE files (
        path BLOB PRIMARY KEY, root BLOB NOT NULL,
        dev INTEGER, ino INTEGER, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, sha256 TEXT,
        state TEXT NOT NULL CHECK (state IN ('indexed', 'skipped', 'removed')),
        skip_reason TEXT, skip_detail TEXT, skip_tag TEXT, checksum BLOB NOT NULL)""",
    "CREATE INDEX files_by_content ON files (sha256)",
    "CREATE TABLE in_flight (path BLOB PRIMARY KEY, deaths INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE generations (
        generation INTEGER PRIMARY KEY, file TEXT NOT NULL, sha256 TEXT NOT NULL, rows INTEGER NOT NULL,
        detection_rows INTEGER NOT NULL, newest INTEGER NOT NULL, settings TEXT NOT NULL, regions BLOB NOT NULL,
        checksum BLOB NOT NULL)""",
)

# Derived from `contents` and `files`, so without checksums: see `liveness`. Search files of before have no ids beside
# them, and are made anew; `regions` of `generations` stays empty.
_VERSION_2 = (
    "CREATE TABLE orphans (sha256 TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE revived (sha256 TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID",
    """INSERT INTO orphans SELECT sha256, 0 FROM contents WHERE NOT EXISTS (
        SELECT 1 FROM files f WHERE f.sha256 = contents.sha256 AND f.state = 'indexed')""",
    "DELETE FROM generations",
)

Migrations = Sequence[Sequence[str]]
MIGRATIONS: Migrations = (_VERSION_1, _VERSION_2)
"""Statements that lead from version i to i + 1; a catalogue is born by going through all of them."""


def read_version(connection: sqlite3.Connection) -> int | None:
    """The schema version; 0 for a file in which nothing was made yet, None for somebody else's database."""
    application, version, tables = (
        connection.execute(sql).fetchone()[0]
        for sql in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (application, version, tables) == (0, 0, 0):
        return 0
    return int(version) if application == APPLICATION_ID and version > 0 else None


def require_readable(version: int | None, where: str, migrations: Migrations = MIGRATIONS) -> None:
    """Refuse what cannot be read, or not without writing.

    Raises:
        IndexStateError: foreign, unfinished, newer or older; says how to go on.
    """
    newest = len(migrations)
    require_writable(version, where, migrations)
    if version == 0:
        raise IndexStateError(f"there is nothing in the index {where} yet", "fill it with `amogus index PATH`")
    if version is not None and version < newest:
        raise IndexStateError(
            f"the index {where} has the older schema version {version}, this program reads {newest}",
            "`amogus repair` or the next `amogus index` brings it up to date, without losing anything",
        )


def require_writable(version: int | None, where: str, migrations: Migrations = MIGRATIONS) -> None:
    """Refuse what cannot be brought to this version.

    Raises:
        IndexStateError: a foreign database, or one made by a newer program.
    """
    if version is None:
        raise IndexStateError(f"{where} holds a database of another program", "name an index with --index DIR")
    if version > len(migrations):
        raise IndexStateError(
            f"the index {where} has schema version {version}, this program knows up to {len(migrations)}",
            "upgrade amogus_search, or choose another place with --index DIR",
        )


def migrate(connection: sqlite3.Connection, migrations: Migrations = MIGRATIONS) -> None:
    """Bring an empty or older catalogue to the newest version, inside the caller's transaction."""
    version = read_version(connection)
    assert version is not None
    for statements in migrations[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")


def definitions(connection: sqlite3.Connection) -> list[tuple[str, str, str | None]]:
    """(kind, name, SQL) of everything that is defined in a catalogue."""
    return list(connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name"))


def right_definitions() -> list[tuple[str, str, str | None]]:
    """What `definitions` gives for a catalogue of the newest version, as it should be."""
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection, MIGRATIONS)
        return definitions(connection)
