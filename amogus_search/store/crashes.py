"""Did the last run that wrote an index die of a bug? A kill leaves no trace; a crash leaves one in the index folder."""

from __future__ import annotations

import contextlib
import faulthandler
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MARK = "crash.txt"


@contextlib.contextmanager
def crash_mark(folder: Path) -> Iterator[bool]:
    """Whether the last run in this folder crashed; while the block runs, a crash of this one is written down.

    The system's own handler of deadly signals writes where Python was, and nothing else changes: the process dies as it
    would have. Where such a handler is at work already, it is left alone, and crashes look like kills.
    """
    path = folder / MARK
    crashed = path.is_file() and path.stat().st_size > 0
    file = None if faulthandler.is_enabled() else _made(path)
    if file is None:
        yield crashed
    else:
        with file:
            faulthandler.enable(file)
            try:
                yield crashed
            finally:
                faulthandler.disable()
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _made(path: Path) -> BinaryIO | None:
    """The mark, empty; None where something else is in its place, or it cannot be made: then there is no mark."""
    with contextlib.suppress(OSError):
        if path.exists() and not path.is_file():  # a pipe would be waited for
            path.unlink()
        return open(path, "wb")
    return None
