"""Files and folders that are still there, and whole, after a power cut: the one place where the store makes them.

SQLite takes care of its own. A file of ours is written under another name, synced, renamed, and its folder synced: it
is there whole under its name, or it is not there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from amogus_search.store import digests

PART_SUFFIX = ".part"


def make_folder(folder: Path) -> None:
    """Make a folder (0700) and those above it, unless they are there.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.exists():
        make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        sync(folder.parent)


def write(path: Path, fill: Callable[[Path], object]) -> str:
    """Make or replace a file by what `fill` writes into the file that it is given; the sha256.

    Raises:
        OSError: there is no room, or it cannot be written; nothing is left of it.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        fill(part)
        sync(part)
        sha256 = digests.digest(part)
        if sha256 is None:
            raise OSError("it cannot be read back")
        part.replace(path)
        sync(path.parent)
    except BaseException:
        discard(part)
        raise
    return sha256


def put_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write into a file that is there.

    Raises:
        OSError: there is no room, or it cannot be written.
    """
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[os.write(handle, rest) :]
    finally:
        os.close(handle)


def discard(path: Path) -> None:
    """Delete a file that nothing needs; where that cannot be done, the next writer will."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def room_left(folder: Path) -> str:
    """For messages: how many bytes are free where a folder lies; empty where the system does not say."""
    for place in (folder, *folder.absolute().parents):  # it may be what could not be made
        with suppress(OSError):
            return f"; {shutil.disk_usage(place).free} bytes are free there"
    return ""


def sync(path: Path) -> None:
    """Make a file's content, or a folder's names, survive a power cut.

    Raises:
        OSError: the disk does not do it.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
