"""Where an export may be written, and how: never among the photos, never over something else, never half a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from amogus_search.core.paths import display_path
from amogus_search.errors import UsageError


def check_outside(out: Path, source_folders: Iterable[bytes]) -> None:
    """Refuses an output that would lie in a folder of photos.

    Args:
        out: the file or folder to be written.
        source_folders: the roots of an index, as bytes; links are followed on both sides.

    Raises:
        UsageError: `out` is one of them or inside one.
    """
    target = os.path.realpath(os.fsencode(out))
    for folder in source_folders:
        root = os.path.realpath(folder)
        if target == root or target.startswith(root.rstrip(b"/") + b"/"):
            raise UsageError(
                f"{display_path(os.fsencode(out))} lies in the photo folder {display_path(folder)}",
                "photos are never written to: choose an output outside of it",
            )


def claim_folder(out: Path, is_ours: Callable[[Path], bool], what: str, *, overwrite: bool) -> None:
    """Makes a folder ready to be written: a new one, an empty one, or an earlier export of the same kind.

    Args:
        out: the folder; made with its parents if it is not there.
        is_ours: tells an earlier export of this kind, which may be replaced.
        what: this kind of export in words, for the message.
        overwrite: write among foreign files all the same; they are left alone unless a name is needed.

    Raises:
        UsageError: the folder has something else in it, or `out` is a file.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{display_path(os.fsencode(out))} is a file, a folder is needed", "choose another output")
    if out.is_dir() and not overwrite and any(out.iterdir()) and not is_ours(out):
        raise UsageError(
            f"{display_path(os.fsencode(out))} is not empty and not {what}",
            "choose a new folder, or pass --overwrite to write into this one",
        )
    out.mkdir(parents=True, exist_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that a reader sees all of it or what was there before."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as stream:
            stream.write(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
