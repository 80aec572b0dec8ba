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
from amogus_search.store import digests, durable, held, leftovers, log_mark, places, rows, seal
from amogus_search.store.sqlite_errors import DAMAGED_HINT, as_ours

CATALOG_NAME = "catalog.sqlite"
_BUSY_SECONDS = 10.0
_FETCH = 1000
_CACHE_KB = 16_000
"""Pages that SQLite keeps, as they are needed: the inner ones of a table of ten million rows. By default it is 2 MB."""

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
        self._is_doubted = self._is_damaged = False
        self._still = None if write else _looks_if_still(path)
        held.opened(path)
        self._is_open = True
        try:
            with self._translated():
                self.connection = sqlite3.connect(
                    _uri(path, write, still=self._still is not None),
                    uri=True,
                    isolation_level=None,
                    timeout=_BUSY_SECONDS,
                    check_same_thread=False,
                )
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
        if hasattr(self, "connection"):
            self.connection.close()
        if self._is_open:
            self._is_open = False
            held.closed(self._path)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        self._refuse_damage()
        with self._translated():
            return self.connection.execute(sql, parameters)

    def run_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Execute one statement for every row of parameters."""
        with self._translated():
            self.connection.executemany(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query that cannot have many."""
        self._refuse_damage()
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._ours(error) from error

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
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._ours(error) from error

    def _ours(self, error: sqlite3.Error | UnicodeDecodeError) -> AmogusError:
        try:
            self._refuse_damage()
        except IndexStateError as changed:
            return changed
        return as_ours(error, self._path)

    def doubt(self) -> None:
        """Before the next row is read, ask whether the file is as it was when it was sealed (see `seal.is_broken`)."""
        self._is_doubted = True

    def distrust(self) -> None:
        """The file is not as it was when it was sealed: nothing is read from it any more, nor written."""
        self._is_damaged = True

    def trust(self) -> None:
        """It is whole again."""
        self._is_doubted = self._is_damaged = False

    @property
    def is_damaged(self) -> bool:
        """Whether it was found damaged, and not mended since."""
        return self._is_damaged

    @contextmanager
    def unquestioned(self) -> Iterator[None]:
        """Inside, rows are read as they are: for whoever looks for damage."""
        before = self._is_doubted, self._is_damaged
        self._is_doubted = self._is_damaged = False
        try:
            yield
        finally:
            self._is_doubted, self._is_damaged = before

    def _refuse_damage(self) -> None:
        """What SQLite does not see: that a file which nobody should write was written, or is not as it was sealed."""
        if self._still is not None and self._still != _looks_if_still(self._path):
            raise IndexStateError(
                f"the index {self._path.parent} was written to while it was open here, where it can only be read",
                "open it again",
            )
        if self._is_doubted:
            self._is_doubted = False
            self._is_damaged = seal.is_broken(self._path)
        if self._is_damaged:
            name = self._path.name
            raise IndexStateError(
                f"the index {self._path.parent} is damaged: {name} is not as it was when it was closed",
                DAMAGED_HINT,
            )


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


def _uri(path: Path, write: bool, still: bool) -> str:
    uri = path.absolute().as_uri()
    return f"{uri}?mode=rwc" if write else f"{uri}?mode=ro{'&immutable=1' if still else ''}"


def _looks_if_still(path: Path) -> list[int] | None:
    """What a catalogue looks like that is to be read as a file which nobody writes; None if it is not.

    On a medium that cannot be written to, SQLite cannot make the shared-memory file that readers use; with no log lying
    there, nobody writes either, and it need not. Whoever can write there may begin to, and then SQLite does not notice.
    """
    if os.access(path.parent, os.W_OK) or path.with_name(path.name + "-wal").exists():
        return None
    return digests.looks(path)


def _part(evidence: object, column: object) -> float | None:
    """SQL function: one number of an evidence BLOB; NULL where there is none."""
    if not isinstance(evidence, bytes) or not isinstance(column, int) or len(evidence) < 4 * (column + 1):
        return None
    return float(np.frombuffer(evidence, "<f4", 1, 4 * column)[0])
