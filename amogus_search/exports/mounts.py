"""Where a path lies on its disk, so that a folder which is mounted in a second place is known in both."""

from __future__ import annotations

import re

TABLE = "/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def as_stored(path: bytes) -> tuple[bytes, bytes] | None:
    """The disk of a path, and its place there; None where the system does not tell.

    Args:
        path: absolute and without links; it need not be there.
    """
    best: tuple[bytes, bytes, bytes] | None = None
    try:
        with open(TABLE, "rb") as table:
            for line in table:
                disk, root, point = (_ESCAPED.sub(_byte, field) for field in line.split(b" ")[2:5])
                # Of two mounts on one folder, the later one is what is seen.
                if is_inside(path, point) and (best is None or len(point) >= len(best[2])):
                    best = disk, root, point
    except (OSError, ValueError):  # no Linux, or a line of another form
        return None
    if best is None:
        return None
    disk, root, point = best
    within = path[len(point.rstrip(b"/")) :]
    return disk, (root.rstrip(b"/") + within) or b"/"


def is_inside(path: bytes, folder: bytes) -> bool:
    """Whether a path is that of a folder or below it, going by the names alone."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match.group(1), 8) & 0xFF])
