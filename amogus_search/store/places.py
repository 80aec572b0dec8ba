"""Where an index lies: on a disk of this machine, or on one that it shares with others over a network."""

from __future__ import annotations

import os
from pathlib import Path

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "glusterfs", "beegfs", "davfs"}
    | {"fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.davfs2", "fuse.juicefs"}
)
_WARNING = (
    "the index lies on a network file system ({}): it is slower there, and a query fails now and then while somebody "
    "writes; a folder on a disk of this machine is better (--index DIR)"
)
_MOUNTS = Path("/proc/self/mountinfo")


def network_kind(folder: Path, mounts: str | None = None) -> str | None:
    """The kind of network file system that a folder lies on; None: none, or the system does not say.

    Args:
        folder: it, or what is above it, exists.
        mounts: the system's list of mounts; None: as it is now.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    where = os.path.realpath(folder)
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        columns = before.split()
        if len(columns) < 5 or not after:
            continue
        point = _unescaped(columns[4])
        inside = where == point or where.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # of two mounts on one place, the later one is seen
            best, kind = len(point), after.split()[0]
    return kind if kind in _NETWORK else None


def notes(folder: Path) -> list[str]:
    """What the user should know of where an index lies, in full sentences."""
    kind = network_kind(folder)
    return [_WARNING.format(kind)] if kind else []


def _unescaped(text: str) -> str:
    """The system writes spaces, tabs, line ends and backslashes as octal numbers."""
    for number in ("040", "011", "012", "134"):
        text = text.replace(f"\\{number}", chr(int(number, 8)))
    return text
