"""Large files that must have a given sha256: hashed once, mapped instead of read, and watched while they are in use.

Hashing a quarter of a gigabyte of weights takes longer than answering a question with them. What a file looked like
when it was hashed (place, size, times, inode) is noted in the user's cache folder; every later write through the file
system changes its ctime, and then it is hashed again. Small files, and files that were written a moment ago, are read
and hashed from one buffer each time. Notes are worth nothing by themselves: they only say that a digest which is
demanded from elsewhere was found before, so that a lost, strange or damaged note costs a hashing and nothing more.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

ALWAYS_HASHED = 8 * 1024 * 1024
"""Bytes up to which a file is hashed each time: about 5 ms."""
SETTLED_SECONDS = 2.0
"""A file changed later than that before now is not mapped: another write could leave its times as they are."""
_BLOCK = 4 * 1024 * 1024
_NOTE_MOST = 4096
_Looks: TypeAlias = list[int]


class CheckedFile:
    """Bytes of a file that had the demanded sha256.

    Attributes:
        path: the file.
        data: (n,) uint8, its bytes: a private mapping, or a copy; not to be written to.
    """

    def __init__(self, path: Path, data: NDArray[np.uint8], opened: int | None = None) -> None:
        self.path = path
        self.data = data
        self._opened = opened
        self._looks = None if opened is None else _looks(os.fstat(opened))

    def unchanged(self) -> bool:
        """Whether `data` are still the bytes that were hashed: nobody has written to the mapped file since."""
        return self._opened is None or _looks(os.fstat(self._opened)) == self._looks

    def __del__(self) -> None:
        if self._opened is not None:
            os.close(self._opened)


def open_checked(path: Path, sha256: str) -> CheckedFile | None:
    """A file's bytes; None if they have another sha256.

    Args:
        path: a regular file.
        sha256: hex digits that its content must have.

    Raises:
        OSError: it cannot be read.
    """
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # of a pipe, it would wait for a writer
    try:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no regular file", str(path))
        if found.st_size > ALWAYS_HASHED and _settled(found):
            looks, notes = _looks(found), _notes(path)
            if _noted(notes) == (sha256, looks):
                return _mapped(path, opened)
            if _digest(opened) == sha256 and _looks(os.fstat(opened)) == looks:
                _note(notes, sha256, looks)
                return _mapped(path, opened)
        return _copied(path, opened, sha256)
    finally:
        os.close(opened)


def _copied(path: Path, opened: int, sha256: str) -> CheckedFile | None:
    os.lseek(opened, 0, os.SEEK_SET)
    with os.fdopen(os.dup(opened), "rb") as file:
        content = bytearray(file.read())  # what OpenVINO takes must be writable
    if hashlib.sha256(content).hexdigest() != sha256:
        return None
    return CheckedFile(path, np.frombuffer(content, np.uint8))


def _mapped(path: Path, opened: int) -> CheckedFile:
    # Private and writable, since OpenVINO takes no read-only memory: what it wrote would never reach the file.
    pages = mmap.mmap(opened, 0, access=mmap.ACCESS_COPY)
    return CheckedFile(path, np.frombuffer(pages, np.uint8), os.dup(opened))


def _digest(opened: int) -> str:
    found = hashlib.sha256()
    while block := os.read(opened, _BLOCK):
        found.update(block)
    return found.hexdigest()


def _looks(found: os.stat_result) -> _Looks:
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _settled(found: os.stat_result) -> bool:
    return time.time_ns() - found.st_ctime_ns >= SETTLED_SECONDS * 1e9


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/amogus_search`, else `~/.cache/amogus_search`; None without either, or if it is not safe.

    It is made if it is missing, for this user alone; one that others own or may write to is left alone.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "amogus_search"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except (OSError, RuntimeError):
        return None
    return folder if stat.S_ISDIR(found.st_mode) and _ours(found) else None


def _ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _notes(path: Path) -> Path | None:
    """Where the note on a file lies: one file each, so that programs at work at once do not meet."""
    folder = cache_folder()
    place = hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()
    return None if folder is None else folder / f"hashed-{place[:32]}.json"


def _noted(notes: Path | None) -> tuple[str, _Looks] | None:
    if notes is None:
        return None
    try:
        with os.fdopen(os.open(notes, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not (stat.S_ISREG(found.st_mode) and _ours(found)):
                return None
            said = json.loads(file.read(_NOTE_MOST))
        return str(said["sha256"]), list(said["looks"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _note(notes: Path | None, sha256: str, looks: _Looks) -> None:
    """Written beside and renamed; without a place to write to, the next one hashes again."""
    if notes is None:
        return
    part = notes.with_name(f"{notes.name}.{os.getpid()}.part")
    with suppress(OSError):
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"sha256": sha256, "looks": looks}, file)
        part.replace(notes)
