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
"""Connections to each catalogue in this process."""
_held: dict[str, dict[str, int]] = {}
"""Catalogue -> the files read beside it, and their descriptors."""


def opened(catalog: Path) -> None:
    """A connection to the catalogue was opened."""
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

    Args:
        path: the catalogue, or a file that SQLite keeps beside it.
        catalog: whose connections count.

    Raises:
        OSError: it cannot be opened.
    """
    with _lock:
        key = _key(catalog)
        stays = key in _open
        if stays:
            descriptor = _current(_held.setdefault(key, {}), path)
        else:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        if not stays:
            os.close(descriptor)


def _current(held: dict[str, int], path: Path) -> int:
    found = path.stat()
    before = held.get(path.name)
    if before is not None:
        its = os.fstat(before)
        if (its.st_dev, its.st_ino) == (found.st_dev, found.st_ino):
            return before
        os.close(held.pop(path.name))  # SQLite made another one, so nobody has a lock on this one
    held[path.name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return held[path.name]


def _key(catalog: Path) -> str:
    return os.path.realpath(catalog)
