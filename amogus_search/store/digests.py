"""Is a derived file as it was written? Small ones are hashed whenever they are opened, large ones once.

Hashing gigabytes for every question would take longer than answering it. What a large file looked like when it was
hashed (size, times, inode) is noted beside it; any later write through the file system changes its ctime, and then it
is hashed again. What a disk changes by itself is found by `amogus verify`, which always hashes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from amogus_search.store import held

ALWAYS_HASHED = 32 * 1024 * 1024
"""Bytes up to which a file is hashed at each opening: about 20 ms."""
_BLOCK = 4 * 1024 * 1024
NOTE_SUFFIX = ".seen"


def open_regular(path: Path) -> int:
    """A descriptor to read a file from; not of a pipe or a device, which would be waited for.

    Raises:
        OSError: it is no regular file, or cannot be opened.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def content(path: Path) -> bytes:
    """All of a regular file; errors as for `open_regular`."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()


def digest(path: Path) -> str | None:
    """The file's sha256, read in pieces; None if it cannot be read. Not for what SQLite has open: see `held`."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return _digest(file.fileno())
    except OSError:
        return None


def digest_of_catalog(catalog: Path) -> str | None:
    """The same of a catalogue, which may be open in this process."""
    try:
        with held.reading(catalog, catalog) as file:
            return _digest(file)
    except OSError:
        return None


def _digest(file: int) -> str:
    found, place = hashlib.sha256(), 0
    while block := os.pread(file, _BLOCK, place):
        found.update(block)
        place += len(block)
    return found.hexdigest()


def read_checked(path: Path, sha256: str) -> bytes | Path | None:
    """What may be trusted: a small file's bytes, a large file's path; None: it is missing or not as it was written."""
    try:
        if path.stat().st_size <= ALWAYS_HASHED:
            data = content(path)
            return data if hashlib.sha256(data).hexdigest() == sha256 else None
    except OSError:
        return None
    if is_noted(path, sha256):
        return path
    seen = looks(path)
    if digest(path) != sha256:
        return None
    note(path, sha256, seen)
    return path


def note(path: Path, sha256: str, seen: list[int] | None = None) -> None:
    """Remember beside a large file that it was hashed; does nothing where nothing can be written."""
    seen = looks(path) if seen is None else seen
    if seen is None or seen[0] <= ALWAYS_HASHED:
        return
    part = path.with_name(f"{path.name}{NOTE_SUFFIX}.{os.getpid()}.part")
    with suppress(OSError):
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"sha256": sha256, "looks": seen}, file)
        part.replace(path.with_name(path.name + NOTE_SUFFIX))


def is_noted(path: Path, sha256: str) -> bool:
    """Whether a file looks as it did when it was found to have that digest."""
    return _noted(path) == (sha256, looks(path))


def looks(path: Path) -> list[int] | None:
    """What a file looks like without reading it: size, times, inode, device; None if it cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _noted(path: Path) -> tuple[str, list[int]] | None:
    try:
        stored = json.loads(content(path.with_name(path.name + NOTE_SUFFIX)))
        return str(stored["sha256"]), list(stored["looks"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
