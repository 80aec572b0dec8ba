"""One writer an index: an advisory lock that the system releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from amogus_search.errors import IndexLockedError, IndexStateError
from amogus_search.store import durable

LOCK_NAME = "lock"


class WriterLock:
    """The writer role of one index, held until `release` or the end of the process.

    The file is never deleted: that would let two processes lock two files of the same name.

    Raises:
        IndexLockedError: at once, if another process (or this one) holds it.
        IndexStateError: the folder's file system cannot lock, or the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_NAME
        self._is_held = False
        try:
            self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            problem = f"cannot write in the index {folder}: {error.strerror}{durable.room_left(folder)}"
            raise IndexStateError(problem, _OWN_PLACE) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._fd)
            self.release()
            raise IndexLockedError(
                f"the index {folder} is being written by {holder}", "wait until it is done, or use another --index DIR"
            ) from None
        except OSError as error:
            self.release()
            raise IndexStateError(f"cannot lock the index {folder}: {error.strerror}", _OWN_PLACE) from error
        self._is_held = True
        _sign(self._fd)

    @property
    def is_held(self) -> bool:
        """Whether it was not given up yet."""
        return self._fd is not None

    def release(self) -> None:
        """Give the role up; may be called twice. What the file says of its holder is deleted."""
        if self._fd is not None:
            if self._is_held:
                with suppress(OSError):
                    os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


_OWN_PLACE = "choose a folder of your own on a local disk with --index DIR"


def _sign(fd: int) -> None:
    """Say who holds it; only for the message, so it need not survive a power cut."""
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "start": started})
    with suppress(OSError):  # a full disk keeps nobody from freeing some of it
        os.ftruncate(fd, 0)
        os.pwrite(fd, text.encode(), 0)


def _holder(fd: int) -> str:
    try:
        who = json.loads(os.pread(fd, 4096, 0))
        return f"process {int(who['pid'])} on {who['host']!s}, since {who['start']!s}"
    except (OSError, ValueError, KeyError, TypeError):  # it is just being signed, or the disk is full
        return "another process"
