"""Files that are seen whole or not at all, written where nobody can have laid a link to something else."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amogus_search.core.paths import display_path
from amogus_search.errors import UsageError

_OURS = re.compile(r"\.amogus-[0-9a-f]{16}\.part.*")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def refuse_special(path: Path) -> None:
    """Refuses a name that stands for more than a file: a rename would take a device or a pipe away from everybody.

    Raises:
        UsageError: a folder, a link, a device, a pipe or a socket is there.
        OSError: the place cannot be looked at.
    """
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return  # there is nothing; whether it can be made is for the system to say
    if stat.S_ISREG(mode):
        return
    shown = display_path(os.fsencode(path))
    if stat.S_ISDIR(mode):
        raise UsageError(f"{shown} is a folder, a file is needed", "name the file to write")
    if stat.S_ISLNK(mode):
        # It may lead to a photo, or be /dev/stdout: neither its end nor the link itself is ours to change.
        raise UsageError(
            f"{shown} is a link, and links are not written through", "name the file itself, or another one"
        )
    raise UsageError(f"{shown} is a device, a pipe or a socket", "name a file, which can be replaced as a whole")


@contextmanager
def in_place_of(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """An empty file beside `path` to write into, which takes its place at the end; after an error it is removed.

    Its name cannot be guessed and it is made new, so that a link which somebody laid there is not followed, and what
    a killed run left behind is in nobody's way. It is short, so that any name that can be `path` will do.

    Args:
        path: what is to be made or replaced.
        suffix: how the name ends, for those who go by it.

    Raises:
        UsageError: see `refuse_special`.
        OSError: it cannot be written; its `filename` is `path`.
    """
    refuse_special(path)
    part = path.with_name(f".amogus-{secrets.token_hex(8)}{suffix}")
    try:
        os.close(os.open(part, _NEW, 0o666))
        try:
            yield part
            os.replace(part, path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as error:
        if error.filename in (None, os.fspath(part)):
            # A full disk names no file, and the name that was made up here tells nobody anything.
            error.filename, error.filename2 = os.fspath(path), None
        raise


def is_leftover(path: Path) -> bool:
    """Whether a file has the name of one that a killed run was writing by `in_place_of`."""
    return _OURS.fullmatch(path.name) is not None
