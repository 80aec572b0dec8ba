"""Bugs on purpose: each is put into a process before a check runs there, and the check must fail."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from amogus_search import errors
from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.pipeline import changes, index, index_run
from amogus_search.sources import decode, workers
from amogus_search.sources import folder as source_folder
from amogus_search.store import (
    catalog,
    checks,
    digests,
    durable,
    generations,
    held,
    lock,
    publishing,
    rows,
    schema,
    seal,
)
from amogus_search.store import folder as index_folder
from amogus_search.store import index as store_index


@dataclass(frozen=True)
class Bug:
    """A bug, and the check that finds it.

    seed:  puts it into this process
    check: one of the checks of `fault_checks`, `fault_damage`, `fault_files`, `fault_readers` and `fault_together`
    size:  of the check
    """

    seed: Callable[[], None]
    check: str
    size: int


def _swap(owner: object, name: str, new: object) -> None:
    """A bug in a name that is no longer there would be none."""
    assert hasattr(owner, name), f"{owner} has no {name}"
    setattr(owner, name, new)


def _in_place() -> None:
    """Search files are written under their own names."""

    def write(path: Path, fill: Callable[[Path], object]) -> str:
        path.write_bytes(b"")
        fill(path)
        return str(digests.digest(path))

    _swap(durable, "write", write)
    # The number is used again, so that the file a reader may hold is written over.
    _swap(publishing.liveness, "newest_number", lambda _: 0)


def _pointer_before_files() -> None:
    """The row that points to a search file is committed before the file is there."""
    real = durable.write

    def write(path: Path, fill: Callable[[Path], object]) -> str:
        if path.suffix != ".faiss":
            return real(path, fill)
        sha256 = real(path, fill)
        content = path.read_bytes()
        path.unlink()
        late.append((path, content))
        return sha256

    late: list[tuple[Path, bytes]] = []
    publish = publishing.publish

    def published(*args: object) -> bool:
        result = publish(*args)
        for path, content in late:
            path.write_bytes(content)
        return result

    durable.write, publishing.publish = write, published


def _no_file_checksum() -> None:
    """Search files are believed whatever they hold."""

    def read_checked(path: Path, sha256: str) -> bytes | None:
        return path.read_bytes() if path.exists() else None

    _swap(digests, "read_checked", read_checked)
    _swap(generations.Generation, "is_whole", lambda self, folder: True)


def _no_row_checksum() -> None:
    """Rows are believed whatever they hold, and there is no seal."""
    _swap(rows, "is_whole", lambda row: True)
    _swap(rows, "checked", lambda table, row: row[:-1])
    _swap(seal, "put_on", lambda *_: None)


def _no_seal() -> None:
    """Nothing looks at bytes that are in no row."""
    _swap(seal, "put_on", lambda *_: None)
    _swap(checks.seal, "problems", lambda *_: [])


def _no_log_mark() -> None:
    """Nobody knows how far the log of a killed writer went."""
    _swap(checks.log_mark, "problems", lambda *_: [])


def _closes_what_it_reads() -> None:
    """What is read beside SQLite is opened and closed each time, which takes SQLite's locks away."""

    @contextmanager
    def reading(path: Path, catalog: Path) -> Iterator[int]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    _swap(held, "reading", reading)


def _no_sync() -> None:
    """SQLite does not wait for the disk."""
    real = catalog.Catalog.run
    _swap(catalog.Catalog, "run", lambda self, sql, *more: real(self, sql.replace("= FULL", "= OFF"), *more))


def _no_file_sync() -> None:
    """Search files are renamed before they are on the disk."""
    _swap(durable, "sync", lambda path: None)


def _two_transactions() -> None:
    """Rows are committed one by one, and not batch by batch."""
    _swap(store_index.Catalog, "transaction", lambda self: nullcontext())


def _no_lock() -> None:
    """Everybody may write."""
    _swap(lock.fcntl, "flock", lambda *_: None)


def _waits_for_the_lock() -> None:
    """A second writer waits until the first is done."""
    real = lock.fcntl.flock
    _swap(lock.fcntl, "flock", lambda fd, how: real(fd, lock.fcntl.LOCK_EX))


def _believes_the_lock_file() -> None:
    """Whoever is named in the lock file is taken for its holder, though it be long dead."""
    real = lock.WriterLock.__init__

    def init(self: lock.WriterLock, folder: Path) -> None:
        path = folder / lock.LOCK_NAME
        if path.exists() and path.read_text().strip():
            raise errors.IndexLockedError(f"the index {folder} is being written by process 1", "wait")
        real(self, folder)

    _swap(lock.WriterLock, "__init__", init)


def _deletes_what_it_does_not_see() -> None:
    """A folder without pictures has lost them all."""
    _no_mass_loss_check()
    real = index.compare
    _swap(index, "compare", lambda *args, **options: real(*args, **{**options, "forget_empty_roots": True}))
    source = source_folder.FolderSource.__init__

    def init(self: source_folder.FolderSource, *args: object, **options: object) -> None:
        source(self, *args, **{**options, "allow_empty": True})

    _swap(source_folder.FolderSource, "__init__", init)


def _no_mass_loss_check() -> None:
    """However much is gone, it was deleted."""
    _swap(changes, "refuse_mass_loss", lambda *_: None)


def _any_identity() -> None:
    """Other models' answers are mixed in."""
    _swap(index_folder, "_compare", lambda *_: None)


def _any_schema() -> None:
    """Newer and foreign databases are used as they are."""
    _swap(schema, "require_writable", lambda *_: None)
    _swap(schema, "require_readable", lambda *_: None)


def _raw_errors() -> None:
    """What SQLite says is raised as it is."""
    _swap(catalog, "as_ours", lambda error, path: error)


def _leaves_parts() -> None:
    """Files that were not finished stay."""
    _swap(durable, "discard", lambda path: None)


def _order_of_arrival() -> None:
    """Search files hold regions in the order in which they came."""
    _swap(publishing, "_ORDER", "ORDER BY v.id")


def _ignores_signals() -> None:
    """Nobody listens to a request to stop."""
    from amogus_search.cli import stopping

    _swap(stopping.StopRequest, "wanted", lambda self: False)


def _follows_links() -> None:
    """A link is what it leads to, wherever that lies."""
    real = source_folder._looked_at
    _swap(decode, "_OPEN_FLAGS", decode._OPEN_FLAGS & ~os.O_NOFOLLOW)

    def looked_at(path: bytes, root: bytes, found: os.stat_result) -> FileEntry:
        try:
            return real(path, root, os.stat(path) if stat.S_ISLNK(found.st_mode) else found)
        except OSError:
            return real(path, root, found)

    _swap(source_folder, "_looked_at", looked_at)


def _paths_are_text() -> None:
    """Names are made text on the way, and what is no UTF-8 in them is replaced."""
    real = source_folder.FolderSource.scan

    def scan(self: source_folder.FolderSource) -> Iterator[FileEntry]:
        for entry in real(self):
            yield replace(entry, path=entry.path.decode("utf-8", "replace").encode())

    _swap(source_folder.FolderSource, "scan", scan)


def _no_quarantine() -> None:
    """What killed a decoder is forgotten, and tried again by every run."""
    real = index.compare
    _swap(index, "compare", lambda *args, **options: real(*args, **{**options, "decoders": None}))
    _swap(index_run, "remembered", lambda *_: ({}, frozenset()))


def _tries_for_ever() -> None:
    """A file whose decoder died is tried until it does not."""

    def one(
        self: workers.DecodePool, entry: FileEntry, number: int, budget: workers._Budget
    ) -> DecodedImage | SkippedImage:
        if entry.problem is not None:
            return SkippedImage(entry, *entry.problem)
        while True:
            result = self._attempt(entry, number, budget)
            if not isinstance(result, SkippedImage) or result.reason != "decoder_crash":
                return result

    _swap(workers.DecodePool, "_one", one)


def _no_look_after_reading() -> None:
    """Nobody asks whether the file is still as it was before it was read."""

    def read_file(path: bytes, settings: object) -> decode.FileContent:
        with decode._open_regular(path) as (file, before):
            data = file.read(before.size + 1)
        return decode.FileContent(data, hashlib.sha256(data).hexdigest(), before)

    _swap(decode, "read_file", read_file)


BUGS: dict[str, Bug] = {
    "search files written in place": Bug(_in_place, "search_file_kills", 6),
    "pointer committed before its file": Bug(_pointer_before_files, "publication_kills", 8),
    "no checksum of search files": Bug(_no_file_checksum, "damage", 1),
    "no checksum of rows": Bug(_no_row_checksum, "flips", 24),
    "no seal of the catalogue": Bug(_no_seal, "flips", 12),
    "no note of the log": Bug(_no_log_mark, "log_flips", 8),
    "SQLite's files opened and closed by hand": Bug(_closes_what_it_reads, "visitors", 60),
    "SQLite without fsync": Bug(_no_sync, "power_loss", 30),
    "search files without fsync": Bug(_no_file_sync, "power_loss", 40),
    "a batch in many transactions": Bug(_two_transactions, "kills", 6),
    "no lock": Bug(_no_lock, "two_writers", 2),
    "a lock that waits": Bug(_waits_for_the_lock, "two_writers", 2),
    "a stale lock file believed": Bug(_believes_the_lock_file, "two_writers", 2),
    "deletion on a missing root": Bug(_deletes_what_it_does_not_see, "vanished", 1),
    "no question at mass loss": Bug(_no_mass_loss_check, "vanished", 1),
    "another embedder accepted": Bug(_any_identity, "foreign", 1),
    "any schema accepted": Bug(_any_schema, "foreign", 1),
    "signals ignored": Bug(_ignores_signals, "signals", 2),
    "SQLite's errors passed on": Bug(_raw_errors, "errors", 2),
    "unfinished files left": Bug(_leaves_parts, "kills", 12),
    "order of arrival": Bug(_order_of_arrival, "same_result", 2),
    "links followed": Bug(_follows_links, "names", 1),
    "paths as text": Bug(_paths_are_text, "names", 3),
    "no quarantine": Bug(_no_quarantine, "poison", 1),
    "unlimited retries": Bug(_tries_for_ever, "poison", 1),
    "no second look at a file that was read": Bug(_no_look_after_reading, "changing", 1),
}
