"""Power cuts, simulated: the operations of a run are written down, and any prefix of them is made into a folder.

What was not synced is dropped, kept, torn or reordered, as a disk may do it; folders (creating, renaming, deleting) are
files of their own, durable once the folder is synced. What SQLite does to its files is in it, operation by operation;
that a synced sector stays what it is, is taken for granted, as SQLite does.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fault_disk import Operation

SECTOR = 512
MODES = ("drop", "keep", "random", "names first", "contents first")
"""names first: all of the folder, nothing unsynced of files. contents first: all of files, no unsynced name."""


@dataclass
class _Inode:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def after(self, keep: Callable[[], str]) -> bytes:
        """The content with some of what was not synced; each of those is kept, torn or dropped."""
        content = bytearray(self.durable)
        for offset, data in self.pending:
            fate = keep()
            if data is None:
                if fate == "keep":
                    del content[offset:]
                    content.extend(bytes(max(0, offset - len(content))))
            elif fate != "drop":
                if fate == "tear":
                    data = data[: max(SECTOR, len(data) // 2) // SECTOR * SECTOR]
                content.extend(bytes(max(0, offset - len(content))))
                content[offset : offset + len(data)] = data
        return bytes(content)


class Model:
    """A disk with one folder, as operation after operation is done to it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._durable: dict[str, _Inode] = {}
        self._now: dict[str, _Inode] = {}
        self._names: list[tuple[str, str, _Inode | None]] = []
        self._is_made = self._made_durable = False

    def do(self, operation: Operation) -> None:
        """The next operation."""
        name, path, details = operation.name, operation.path, operation.details
        if name == "mkdir":
            self._is_made = True
        elif name == "folder":
            if path == self._folder:
                self._durable, self._names = dict(self._now), []
            self._made_durable = self._made_durable or path == os.path.dirname(self._folder)
        elif name == "create":
            self._now[path] = _Inode()
            self._names.append(("put", path, self._now[path]))
        elif name == "write":
            self._now[path].pending.append((details[1], details[0]))
        elif name == "truncate":
            self._now[path].pending.append((details[0], None))
        elif name == "fsync":
            inode = self._now[path]
            inode.durable, inode.pending = bytearray(inode.after(lambda: "keep")), []
        elif name == "rename":
            inode = self._now.pop(path)
            self._now[details[0]] = inode
            self._names.append(("move", path, inode))
            self._names.append(("put", details[0], inode))
        elif name == "unlink":
            self._now.pop(path, None)
            self._names.append(("drop", path, None))

    def state(self, mode: str, dice: random.Random) -> dict[str, bytes] | None:
        """The files after a power cut now; None: not even the folder is there."""
        if not self._made_durable and (mode in ("drop", "contents first") or not self._is_made):
            return None
        count = {"drop": 0, "contents first": 0, "random": dice.randint(0, len(self._names))}.get(
            mode, len(self._names)
        )
        names = dict(self._durable)
        for what, path, inode in self._names[:count]:
            if what == "put" and inode is not None:
                names[path] = inode
            else:
                names.pop(path, None)
        fates = {"drop": ["drop"], "names first": ["drop"], "random": ["keep", "drop", "tear"]}.get(mode, ["keep"])
        return {path: inode.after(lambda: dice.choice(fates)) for path, inode in names.items()}


def make(folder: Path, files: dict[str, bytes] | None, recorded: str) -> None:
    """Put files where a process can look at them; their names are below the folder that was recorded."""
    shutil.rmtree(folder, ignore_errors=True)
    if files is None:
        return
    folder.mkdir(parents=True, mode=0o700)
    for path, content in files.items():
        (folder / os.path.relpath(path, recorded)).write_bytes(content)


def states(log: Sequence[Operation], folder: str, turns: int, seed: int):
    """(operations done, mode, files) for every prefix of a run: each mode once, and the random one `turns` times."""
    model, dice = Model(folder), random.Random(seed)
    for done in range(len(log) + 1):
        for mode in (*MODES, *["random"] * (turns - 1)):
            yield done, mode, model.state(mode, dice)
        if done < len(log):
            model.do(log[done])
