"""A disk that fails on demand: every durable operation in a folder is counted, written down, and killed or refused.

For processes that live for one test only: nothing is put back. The operations are those of SQLite (`fault_sqlite`),
of Python's `os`, and FAISS' one way to write a file.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import fault_sqlite

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SHARED_MEMORY = "-shm"
"""SQLite's memory of a running log: never synced, made anew after a crash."""
HARMLESS = ("probe-", "lock")
"""Files whose content means nothing."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong at an operation.

    at:     its number, from 1; 0: nothing goes wrong
    kind:   "kill", "error" or "short" (a write takes only half and says so)
    when:   for a kill: "before", "mid" (half of a write is done) or "after"; for an error: "before" or "mid"
    number: errno of an error
    lasts:  an error stays for all later operations of its kind: a disk that is full or read-only remains so
    """

    at: int = 0
    kind: str = "kill"
    when: str = "before"
    number: int = errno.EIO
    lasts: bool = False


@dataclass
class Operation:
    """One durable operation, as it was done."""

    name: str
    path: str
    details: tuple = ()
    mark: object = None


@dataclass
class Disk:
    """Counts and disturbs what this process does durably in a folder.

    Args:
        folder: what is watched, with all that is in it.
        fault: what goes wrong.
        records: keep the operations with what they wrote.
    """

    folder: str
    fault: Fault = field(default_factory=Fault)
    records: bool = False
    done: int = 0
    failing: bool = False
    names: list[str] = field(default_factory=list)
    log: list[Operation] = field(default_factory=list)
    mark: object = None

    def install(self) -> bool:
        """Begin; whether SQLite could be reached too."""
        self._patch_os()
        self._patch_faiss()
        reached = fault_sqlite.install(self._of_sqlite, self.is_watched)
        if not reached:
            self._patch_catalog()
        return reached

    def is_watched(self, path: str) -> bool:
        """Whether operations on a path count."""
        path = os.path.abspath(path)
        return (path == self.folder or path.startswith(self.folder + os.sep)) and not path.endswith(SHARED_MEMORY)

    def apply(self, name: str, path: str, do: Callable[[int], object], size: int = 0, details: tuple = ()) -> object:
        """Do an operation, or what the fault makes of it.

        Raises:
            OSError: it fails.
        """
        self.done += 1
        self.names.append(os.path.basename(path))
        fault = self.fault
        hit = self.done == fault.at
        if hit and fault.kind == "kill" and fault.when != "after":
            if fault.when == "mid" and name == "write" and size > 1:
                do(size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == "error" and (hit or (self.failing and self._concerns(name))):
            self.failing = self.failing or fault.lasts
            if fault.when == "mid" and name == "write" and size > 1:
                do(size // 2)
            raise OSError(fault.number, os.strerror(fault.number), path)
        if hit and fault.kind == "short" and name == "write" and size > 1:
            size //= 2
            details = (details[0][:size], *details[1:])
        before = 0 if self.mark is None else len(self.mark.digests)
        result = do(size)
        if self.records:
            self.log.append(Operation(name, path, details, before))
        if hit and fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def _concerns(self, name: str) -> bool:
        """A full disk still lets files be shortened and removed; a read-only or dead one does not."""
        is_full = self.fault.number in (errno.ENOSPC, errno.EDQUOT)
        return name in ("write", "create", "mkdir") if is_full else True

    def _of_sqlite(self, name: str, path: str, do: Callable[[int], int], *details: object) -> int:
        size = len(details[0]) if name == "write" else 0
        try:
            return self.apply(name, path, do, size, details)
        except OSError as error:
            return -(error.errno or errno.EIO)

    def _patch_os(self) -> None:
        real_open, real_write, real_fsync, real_chmod = os.open, os.write, os.fsync, os.chmod
        real_pwrite, real_truncate, real_mkdir = os.pwrite, os.ftruncate, os.mkdir

        def of_fd(fd: int) -> str:
            return os.readlink(f"/proc/self/fd/{fd}")

        def opened(path, flags, mode=0o777, *, dir_fd=None):
            if isinstance(path, int) or not flags & WRITING or not self.is_watched(os.fsdecode(path)):
                return real_open(path, flags, mode, dir_fd=dir_fd)
            name = "open" if os.path.lexists(path) else "create"
            return self.apply(name, os.fsdecode(path), lambda _: real_open(path, flags, mode, dir_fd=dir_fd))

        def write(fd, data):
            path = of_fd(fd)
            if not self.is_watched(path):
                return real_write(fd, data)
            data = bytes(data)
            offset = os.lseek(fd, 0, os.SEEK_CUR)
            return self.apply("write", path, lambda n: real_write(fd, data[:n]), len(data), (data, offset))

        def pwrite(fd, data, offset):
            path = of_fd(fd)
            if not self.is_watched(path):
                return real_pwrite(fd, data, offset)
            data = bytes(data)
            return self.apply("write", path, lambda n: real_pwrite(fd, data[:n], offset), len(data), (data, offset))

        def truncate(fd, size):
            path = of_fd(fd)
            if not self.is_watched(path):
                return real_truncate(fd, size)
            return self.apply("truncate", path, lambda _: real_truncate(fd, size), 0, (size,))

        def fsync(fd):
            path = of_fd(fd)
            if not self.is_watched(path) and path != os.path.dirname(self.folder):
                return real_fsync(fd)
            name = "folder" if os.path.isdir(path) else "fsync"
            return self.apply(name, path, lambda _: real_fsync(fd))

        def mkdir(path, mode=0o777, *, dir_fd=None):
            if not self.is_watched(os.fsdecode(path)):
                return real_mkdir(path, mode, dir_fd=dir_fd)
            return self.apply("mkdir", os.fsdecode(path), lambda _: real_mkdir(path, mode, dir_fd=dir_fd))

        def chmod(path, mode, **options):
            if isinstance(path, int) or not self.is_watched(os.fsdecode(path)):
                return real_chmod(path, mode, **options)
            return self.apply("chmod", os.fsdecode(path), lambda _: real_chmod(path, mode, **options))

        os.open, os.write, os.pwrite, os.ftruncate = opened, write, pwrite, truncate
        os.fsync, os.mkdir, os.chmod = fsync, mkdir, chmod
        for name in ("rename", "replace"):
            setattr(os, name, self._renaming(getattr(os, name)))
        for name in ("unlink", "remove"):
            setattr(os, name, self._removing(getattr(os, name)))

    def _renaming(self, real):
        def renamed(source, target, **options):
            if not self.is_watched(os.fsdecode(target)):
                return real(source, target, **options)
            names = os.fsdecode(source), os.fsdecode(target)
            return self.apply("rename", names[0], lambda _: real(source, target, **options), 0, (names[1],))

        return renamed

    def _removing(self, real):
        def removed(path, **options):
            if not self.is_watched(os.fsdecode(path)) or not os.path.lexists(path):
                return real(path, **options)
            return self.apply("unlink", os.fsdecode(path), lambda _: real(path, **options))

        return removed

    def _patch_faiss(self) -> None:
        import faiss

        real = faiss.write_index

        def write_index(index, path, *options):
            if not isinstance(path, str) or not self.is_watched(path):
                return real(index, path, *options)
            content = faiss.serialize_index(index).tobytes()

            def do(size: int) -> None:
                real(index, path)
                if size < len(content):
                    os.truncate(path, size)

            try:
                if self.fault.kind == "short" and self.done + 1 == self.fault.at:
                    self.done += 1
                    do(len(content) // 2)
                    raise OSError(errno.EIO, "short write")  # FAISS counts, and does not try the rest
                return self.apply("write", path, do, len(content), (content, 0))
            except OSError as error:  # as FAISS says it
                raise RuntimeError(f"Error: write error in {path}: {error.strerror}") from error

        faiss.write_index = write_index

    def _patch_catalog(self) -> None:
        """Without SQLite's own operations: its statements."""
        from amogus_search.store.catalog import Catalog

        for name in ("run", "run_many"):
            setattr(Catalog, name, self._statement(getattr(Catalog, name)))

    def _statement(self, real):
        def asked(*args, **options):
            return self.apply("statement", str(args[1])[:40], lambda _: real(*args, **options))

        return asked
