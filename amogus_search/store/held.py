"""Reading a file that SQLite has open in this process, without taking SQLite's locks away.

A process gives up all its locks on a file as soon as it closes any descriptor of that file (fcntl(2), "record locks"),
and SQLite's are such locks. Without them another process takes itself for the only one and begins the shared memory
anew under our hands, which ends in SIGBUS. So what is opened here stays open for as long as the catalogue does.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_lock = threading.Lock()
_open: Counter[str] = Counter()
"""Who has each catalogue open in this process: connections, and readings under way."""
_held: dict[str, dict[tuple[str, int, int], int]] = {}
"""Catalogue -> the files read beside it (name, device, inode), and their descriptors."""


def opened(catalog: Path) -> None:
    """A connection to the catalogue will be opened."""
    with _lock:
        _open[_key(catalog)] += 1


def closed(catalog: Path) -> None:
    """One was closed; with the last one goes what was held."""
    with _lock:
        key = _key(catalog)
        _open[key] -= 1
        if _open[key] <= 0:
            del _open[key]
            for descriptor in _held.pop(key, {}).values():
                os.close(descriptor)


@contextmanager
def reading(path: Path, catalog: Path) -> Iterator[int]:
    """A descriptor to read from with `os.pread`, which has no place of its own: others may have the same one.

    It counts as a connection: one that another thread opens meanwhile keeps it open, and so keeps its own locks.

    Args:
        path: the catalogue, or a file that SQLite keeps beside it.
        catalog: whose connections count.

    Raises:
        OSError: it cannot be opened.
    """
    opened(catalog)
    try:
        with _lock:
            descriptor = _descriptor(_held.setdefault(_key(catalog), {}), path)
        yield descriptor
    finally:
        closed(catalog)


def _descriptor(held: dict[tuple[str, int, int], int], path: Path) -> int:
    found = path.stat()
    key = (path.name, found.st_dev, found.st_ino)
    if key not in held:
        held[key] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return held[key]


def _key(catalog: Path) -> str:
    return os.path.realpath(catalog)
