"""Where an export may be written, and how: never among the photos, never over something else, never half a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from amogus_search.core.paths import display_path
from amogus_search.errors import UsageError
from amogus_search.exports.mounts import as_stored, is_inside
from amogus_search.whole_files import in_place_of, is_leftover, refuse_special


def check_outside(out: Path, source_folders: Iterable[bytes]) -> None:
    """Refuses an output that would lie in a folder of photos.

    Args:
        out: the file or folder to be written.
        source_folders: the roots of an index, as bytes; links are followed on both sides, and a folder that is
            mounted in a second place is known there too.

    Raises:
        UsageError: `out` is one of them or inside one.
    """
    target = os.path.realpath(os.fsencode(out))
    above = {one for one in map(_identity, _with_parents(target)) if one is not None}
    for folder in source_folders:
        root = os.path.realpath(folder)
        if is_inside(target, root) or _identity(root) in above or _is_stored_inside(target, root):
            raise UsageError(
                f"{display_path(os.fsencode(out))} lies in the photo folder {display_path(folder)}",
                "photos are never written to: choose an output outside of it",
            )


def _is_stored_inside(target: bytes, root: bytes) -> bool:
    """Whether it is so on the disk: a folder within the photos that is mounted elsewhere is below them there only."""
    one, other = as_stored(target), as_stored(root)
    return one is not None and other is not None and one[0] == other[0] and is_inside(one[1], other[1])


def _with_parents(path: bytes) -> Iterator[bytes]:
    yield path
    while path != (path := os.path.dirname(path)):
        yield path


def _identity(path: bytes) -> tuple[int, int] | None:
    """What a file or folder is by whatever path; None where there is none, or it cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
    # What a killed run was writing is no reason to refuse the next one.
    if out.is_dir() and not overwrite and any(not is_leftover(one) for one in out.iterdir()) and not is_ours(out):
        raise UsageError(
            f"{display_path(os.fsencode(out))} is not empty and not {what}",
            "choose a new folder, or pass --overwrite to write into this one",
        )
    out.mkdir(parents=True, exist_ok=True)


def claim_file(
    out: Path, is_ours: Callable[[Path], bool], what: str, *, overwrite: bool, source_folders: Iterable[bytes]
) -> None:
    """Makes sure that a file may be written: a new one, an empty one, or an earlier export of the same kind.

    Args:
        out: the file; the folders above it are made.
        is_ours: tells an earlier export of this kind, which may be replaced.
        what: this kind of export in words, for the message.
        overwrite: replace another file all the same.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: the place is in a photo folder, or is taken by something else.
    """
    check_outside(out, source_folders)
    refuse_special(out)
    if out.exists() and not overwrite and out.stat().st_size and not is_ours(out):
        raise UsageError(
            f"{display_path(os.fsencode(out))} is there and not {what}",
            "choose another name, or pass --overwrite to replace it",
        )
    out.parent.mkdir(parents=True, exist_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that a reader sees all of it or what was there before; see `whole_files`."""
    with in_place_of(path) as part:
        part.write_bytes(content)
