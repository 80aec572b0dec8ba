"""The bytes of a search file in this process' own memory, in large pages.

A question touches thousands of places in a file of a gigabyte. Mapped, each of them is found through a table of small
pages, which is slower by a quarter than through one of large pages; and such pages are only to be had for memory that
is not a file's. Only a process that goes on asking gains from it: until then a mapped file is ready at once.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SHARE = 4
"""The memory that is free must be so many times what is read."""
_PIECE = 64 * 1024 * 1024
_SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_FREE = Path("/proc/meminfo")
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def in_large_pages(path: Path) -> NDArray[np.uint8] | None:
    """(size,) the file's bytes; None: the system has no such pages, there is little room, or it cannot be read."""
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    try:
        if advice is None or "[never]" in _SWITCH.read_text(encoding="ascii"):
            return None
        size = path.stat().st_size
        if size * _SHARE > free_bytes():
            return None
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(advice)
        return np.frombuffer(memory, np.uint8) if _filled(memoryview(memory), path) else None
    except (OSError, ValueError):
        return None


def free_bytes() -> int:
    """Memory that this process may still take, by the system and by what it is confined to.

    Raises:
        OSError, ValueError: the system does not tell.
    """
    told = dict(line.split(":", 1) for line in _FREE.read_text(encoding="ascii").splitlines() if ":" in line)
    least = int(told.get("MemAvailable", "0 kB").split()[0]) * 1024
    for limit, used in _LIMITS:
        try:
            least = min(least, int(Path(limit).read_bytes()) - int(Path(used).read_bytes()))
        except (OSError, ValueError):
            continue  # no such limit
    return least


def _filled(memory: memoryview, path: Path) -> bool:
    with path.open("rb", buffering=0) as file:
        done = 0
        while done < len(memory):
            count = file.readinto(memory[done : done + _PIECE])
            if not count:
                return False
            done += count
    return True
