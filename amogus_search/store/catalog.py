"""The SQLite file: connections, transactions, and every SQLite error as one of ours."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from amogus_search.errors import AmogusError, IndexStateError
from amogus_search.store import durable, held, leftovers, log_mark, places, rows

CATALOG_NAME = "catalog.sqlite"
_BUSY_SECONDS = 10.0
_FETCH = 1000
_CACHE_KB = 16_000
"""Pages that SQLite keeps, as they are needed: the inner ones of a table of ten million rows. By default it is 2 MB."""
DAMAGED_HINT = (
    "see what is wrong with `amogus verify`, mend it with `amogus repair`; if that says the same, delete the folder "
    "and run `amogus index` again: your pictures are not concerned"
)

Row = tuple[Any, ...]
T = TypeVar("T")


class Catalog:
    """One connection to a catalogue, without implicit transactions.

    Args:
        path: the SQLite file; must exist unless `write`.
        write: open for writing; otherwise nothing can be changed through this connection.

    Raises:
        IndexStateError: not a database, or it cannot be opened.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self._path, self._write = path, write
        self._depth = 0
        self._marks_log = False
        self._identity: dict[str, object] | None = None
        self._checked: tuple[int, int] | None = None
        self._seen: tuple[int, int] | None = None
        with self._translated():
            self.connection = sqlite3.connect(
                _uri(path, write), uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
            )
        held.opened(path)
        self._is_open = True
        try:
            self._configure(write)
        except BaseException:
            self._disconnect()
            raise

    def _configure(self, write: bool) -> None:
        self.connection.create_function("part", 2, _part, deterministic=True)
        self.run("PRAGMA trusted_schema = OFF")
        self.run("PRAGMA cell_size_check = ON")
        self.run(f"PRAGMA cache_size = -{_CACHE_KB}")
        if write:
            folder = self._path.parent
            mode = "WAL" if places.network_kind(folder) is None and wal_works(folder) else "DELETE"
            self.run(f"PRAGMA journal_mode = {mode}")
            self.run("PRAGMA synchronous = FULL")
        else:
            self.run("PRAGMA query_only = ON")
        self.rows("SELECT count(*) FROM sqlite_master")

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._disconnect()
        if not self._write:
            leftovers.clear(self._path)

    def _disconnect(self) -> None:
        self.connection.close()
        if self._is_open:
            self._is_open = False
            held.closed(self._path)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        with self._translated():
            return self.connection.execute(sql, parameters)

    def run_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Execute one statement for every row of parameters."""
        with self._translated():
            self.connection.executemany(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query that cannot have many."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _as_ours(error, self._path) from error

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query, without holding them all; few at first, since many a question ends early."""
        wanted = _FETCH // 32
        with closing(self.run(sql, parameters)) as cursor:
            while True:
                with self._translated():
                    some = cursor.fetchmany(wanted)
                wanted = min(2 * wanted, _FETCH)
                if not some:
                    return
                yield from some

    def number(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """The one number that a query gives; 0 for NULL."""
        return int(self.rows(sql, parameters)[0][0] or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together, or not at all."""
        with self._bracket("BEGIN IMMEDIATE"):
            yield
        if self._marks_log and not self._depth:
            self._mark_log()

    def mark_log(self) -> None:
        """From now on, note after every transaction how far the log goes (see `log_mark`)."""
        self.run("PRAGMA wal_autocheckpoint = 0")
        self._marks_log = True

    def _mark_log(self) -> None:
        if log_mark.after_commit(self._path):
            with suppress(sqlite3.Error):  # it is tried again after the next one
                self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            log_mark.after_copying(self._path)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same committed state.

        Raises:
            IndexStateError: the index got the vectors of another embedder since its identity was read here.
        """
        with self._bracket("BEGIN"):
            self._seen = self.version()
            self._refuse_other_identity(self._seen)
            yield

    def steady(self, read: Callable[[], T]) -> T:
        """What some reads give as if inside a snapshot, but quicker: that nothing was committed is seen afterwards.

        `read` does nothing but reading, and may be called twice; errors as for `snapshot`.
        """
        before = self._checked
        if before is not None and not self._depth:
            self._seen = before
            try:
                found = read()
                self._seen = None
                if self.version() == before:
                    return found
            except Exception:
                self._seen = None
                if self.version() == before:
                    raise  # else it may come from what was changed under the hands of `read`
            finally:
                self._seen = None
        with self.snapshot():
            return read()

    def version(self) -> tuple[int, int]:
        """Changes with every commit, by whomever, that a read from here on would see."""
        changes = self.connection.total_changes
        if self._seen is not None and self._seen[1] == changes:
            return self._seen  # within a snapshot, which has it from SQLite
        return self.number("PRAGMA data_version"), changes

    def _refuse_other_identity(self, version: tuple[int, int]) -> None:
        if self._identity is None or self._checked == version:
            return
        if self._identity != dict(self.get_meta("identity") or {}):
            raise IndexStateError(
                f"the index {self._path.parent} was re-embedded while it was open here", "open it again"
            )
        self._checked = version

    @contextmanager
    def _bracket(self, begin: str) -> Iterator[None]:
        if self._depth:  # part of the transaction that is open already
            yield
            return
        self.run(begin)
        self._depth += 1
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                with suppress(sqlite3.Error):  # on a disk that fails, what went wrong first is what counts
                    self.connection.execute("ROLLBACK")
            raise
        finally:
            self._depth -= 1
            self._seen = None

    # Named JSON values

    def get_meta(self, name: str) -> Any:
        """A stored value; None if it was never set.

        Raises:
            IndexStateError: its row is damaged.
        """
        found = self.rows("SELECT name, value, checksum FROM meta WHERE name = ?", (name,))
        return json.loads(rows.checked("meta", found[0])[1]) if found else None

    def set_meta(self, name: str, value: object) -> None:
        """Store a JSON value under a name."""
        if name == "identity":
            self._identity = None
        text = json.dumps(value, sort_keys=True)
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", rows.sealed((name, text)))

    def read_identity(self) -> dict[str, object]:
        """Whose answers are stored here; from then on, a snapshot of somebody else's is refused."""
        self._identity = dict(self.get_meta("identity") or {})
        return dict(self._identity)

    def read_motif(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """The motif's name, its keypoint names and its evidence names."""
        motif = self.get_meta("motif") or {"name": "none", "keypoint_names": [], "evidence_names": []}
        return motif["name"], tuple(motif["keypoint_names"]), tuple(motif["evidence_names"])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _as_ours(error, self._path) from error


def wal_works(folder: Path) -> bool:
    """Whether a write-ahead log works on this file system, found out by a real write seen by a second reader.

    Some network file systems accept the mode and fail on the first write.
    """
    probe = folder / f"probe-{os.getpid()}.sqlite"
    try:
        with closing(sqlite3.connect(probe)) as writer, closing(sqlite3.connect(probe)) as reader:
            if writer.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                return False
            writer.execute("CREATE TABLE probe (value INTEGER)")
            writer.execute("INSERT INTO probe VALUES (7)")
            writer.commit()
            return bool(reader.execute("SELECT value FROM probe").fetchall() == [(7,)])
    except sqlite3.Error:
        return False
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            durable.discard(probe.with_name(probe.name + suffix))


def _uri(path: Path, write: bool) -> str:
    uri = path.absolute().as_uri()
    if write:
        return f"{uri}?mode=rwc"
    # On a medium that cannot be written to, SQLite cannot make the shared-memory file that readers use; with no
    # log lying there, nobody writes either, and it need not.
    still = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    return f"{uri}?mode=ro{'&immutable=1' if still else ''}"


def _part(evidence: object, column: object) -> float | None:
    """SQL function: one number of an evidence BLOB; NULL where there is none."""
    if not isinstance(evidence, bytes) or not isinstance(column, int) or len(evidence) < 4 * (column + 1):
        return None
    return float(np.frombuffer(evidence, "<f4", 1, 4 * column)[0])


def _as_ours(error: sqlite3.Error, path: Path) -> AmogusError:
    folder = path.parent
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
