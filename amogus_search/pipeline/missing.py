"""Which known files that a scan did not meet were deleted, and which may lie on a disk that is not mounted now.

A file is deleted only where its disk is: its folder, or the nearest one above it that is still there, must be on the
device that the file was on. Numbers of devices are no names, though. Where known files are still there and only their
device's number is another one (network file systems, subvolumes, disks that are plugged in again), the disk is the
same one, and what is missing on it was deleted.
"""

from __future__ import annotations

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from amogus_search.core.paths import display_path
from amogus_search.core.types import FileStat
from amogus_search.pipeline.index_ports import KnownFile

DeviceOf = Callable[[bytes, bool], int | None]
"""(folder, whether it is a root) -> its device; None: there is no such folder; OSError: it cannot be asked."""
_SHOWN = 3
_NOWHERE = -1


def device_of(folder: bytes, is_root: bool) -> int | None:
    """The device of a folder as a scan sees it: a link is a folder only if the user named it."""
    try:
        found = os.stat(folder, follow_symlinks=is_root)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev if stat.S_ISDIR(found.st_mode) else None


class Disks:
    """What a scan and the system say about the disks: which one is where, and whose number is another one now.

    Args:
        roots: what was named to be scanned.
        device_of: asked only about folders of files that are missing, and then about those of the scan.
    """

    def __init__(self, roots: Sequence[bytes], device_of: DeviceOf) -> None:
        self._roots, self._ask = frozenset(roots), device_of
        self._in_folders: defaultdict[bytes, set[int]] = defaultdict(set)
        self._still_there: Counter[tuple[int, int]] = Counter()
        self._same_inode: set[tuple[int, int]] = set()
        self._devices: dict[bytes, int | None] = {}

    def note(self, path: bytes, now: FileStat, before: FileStat | None) -> None:
        """Take note of a file that was met, and of what the index knows of it."""
        self._in_folders[os.path.dirname(path)].add(now.dev)
        if before is None or before.dev == now.dev:
            return
        if (before.size, before.mtime_ns) == (now.size, now.mtime_ns):
            self._still_there[before.dev, now.dev] += 1
            if before.ino == now.ino:
                self._same_inode.add((before.dev, now.dev))

    def elsewhere(self, missing: Iterable[bytes], known: Mapping[bytes, KnownFile]) -> dict[bytes, bytes]:
        """Missing files whose disk is not where they were -> the nearest folder that is there."""
        apart: defaultdict[tuple[int, int], list[tuple[bytes, bytes]]] = defaultdict(list)
        for path in missing:
            before = known[path].stat
            if before is None:
                continue
            folder, device = self._nearest(os.path.dirname(path))
            if device != before.dev:
                apart[before.dev, device].append((path, folder))
        return {
            path: folder
            for (before_dev, now_dev), paths in apart.items()
            if not self._is_here(before_dev, now_dev, len(paths))
            for path, folder in paths
        }

    def _is_here(self, before: int, now: int, missing: int) -> bool:
        """Whether the disk that had the first number is the one in folders of the second, of which so many are missing.

        One file with its old inode says so. Some file systems (FAT) give out other inodes each time: there at least
        as many files as are missing must be as they were, since one old copy below the place of a disk is no disk.
        """
        numbers = {now} | self._inside.get(now, set())
        if before in numbers or any((before, number) in self._same_inode for number in numbers):
            return True
        return sum(self._still_there[before, number] for number in numbers) >= missing

    def _nearest(self, folder: bytes) -> tuple[bytes, int]:
        """The folder, or the nearest one above it that is there, and its device; no device if it cannot be asked."""
        while True:
            try:
                device = self._device(folder)
            except OSError:
                return folder, _NOWHERE  # such as a disk that does not answer
            above = os.path.dirname(folder)
            if device is not None or folder in self._roots or above == folder:
                return folder, _NOWHERE if device is None else device
            folder = above

    def _device(self, folder: bytes) -> int | None:
        if folder not in self._devices:
            self._devices[folder] = self._ask(folder, folder in self._roots)
        return self._devices[folder]

    @cached_property
    def _inside(self) -> dict[int, set[int]]:
        """Device of folders -> devices of the files in them: where layers of file systems are joined, these differ."""
        inside: defaultdict[int, set[int]] = defaultdict(set)
        for folder, devices in self._in_folders.items():
            try:
                device = self._device(folder)
            except OSError:
                continue
            if device is not None:
                inside[device] |= devices
        return inside


def note_on_disks(kept: Mapping[bytes, bytes]) -> str:
    """What the user should know about files that are kept, since their disk is not there: file -> nearest folder."""
    folders = sorted(set(kept.values()))
    where = ", ".join(display_path(folder) for folder in folders[:_SHOWN])
    more = f" and {len(folders) - _SHOWN} more folders" if len(folders) > _SHOWN else ""
    return (
        f"{len(kept)} known files were on another disk than is at {where}{more} now; they are kept (is their disk "
        "mounted? if they were really deleted, run it again with --confirm-deletions)."
    )


def roots_that_count(
    roots: Sequence[bytes],
    seen: set[bytes],
    known: Iterable[bytes],
    found_elsewhere: Mapping[bytes, bytes],
    *,
    forget_empty: bool,
) -> tuple[list[bytes], list[bytes], list[str]]:
    """The roots under which a missing file may be a deleted one, the others, and notes about these.

    A root counts if the scan found anything in it, also under another root's name: the same folder has one name only.
    """
    counting, silent, notes = [], [], []
    for root in roots:
        names = [name for folder, name in found_elsewhere.items() if under([root], [folder])]
        if forget_empty or _any_under([root, *names], seen):
            counting.append(root)
            continue
        silent.append(root)
        count = len(under([root], known))
        if count:
            where = display_path(root)
            notes.append(f"{where} has no pictures now; the {count} known ones are kept (is its disk mounted?).")
    return counting, silent, notes


def under(roots: Iterable[bytes], paths: Iterable[bytes]) -> list[bytes]:
    """The paths that are one of the roots or lie in one."""
    exact = set(roots)
    inside = tuple(os.path.join(root, b"") for root in exact)
    return [path for path in paths if path in exact or path.startswith(inside)]


def _any_under(roots: Iterable[bytes], paths: Iterable[bytes]) -> bool:
    exact = set(roots)
    inside = tuple(os.path.join(root, b"") for root in exact)
    return any(path in exact or path.startswith(inside) for path in paths)
