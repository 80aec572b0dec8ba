"""What SQLite says when something goes wrong, as errors of ours with a way out."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from amogus_search.errors import AmogusError, IndexStateError
from amogus_search.store import durable

DAMAGED_HINT = (
    "see what is wrong with `amogus verify`, mend it with `amogus repair`; if that says the same, delete the folder "
    "and run `amogus index` again: your pictures are not concerned"
)
_PASSING = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
    )
)
"""Errors of SQLite that say nothing of what is in a file."""


def is_damage(error: IndexStateError) -> bool:
    """Whether it says that a file is not as it was written, and not that it cannot be used just now."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code is None or code & 0xFF not in _PASSING


def as_ours(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> AmogusError:
    """The error to raise for one of SQLite about a file in an index folder; if that is damaged, it may be no text."""
    folder = path.parent
    if isinstance(error, UnicodeDecodeError):
        return IndexStateError(f"the index {folder} is damaged: a name or a text in it is none", DAMAGED_HINT)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return AmogusError(
            f"no room left for the index {folder}{durable.room_left(folder)}",
            "free some space and run it again: what was committed is kept",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return IndexStateError(f"{path} is not a database", "name an index with --index DIR, or delete this folder")
    if code == sqlite3.SQLITE_CORRUPT:
        return IndexStateError(f"the index {folder} is damaged: {error}", DAMAGED_HINT)
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
        return IndexStateError(
            f"the index {folder} was left in the middle of a change",
            "`amogus repair` or the next `amogus index` brings it back to what was committed",
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR):
        return IndexStateError(
            f"cannot use the index {folder}: {error}{durable.room_left(folder)}",
            "check the folder's permissions and its disk",
        )
    return IndexStateError(f"the index {folder} does not answer: {error}", DAMAGED_HINT)
