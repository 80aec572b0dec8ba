"""How far SQLite's log of the catalogue went, noted beside it: a bit that flips in the log of a killed writer is found.

To SQLite a log ends where a checksum does not hold, since that is how a commit looks that was under way. After every
commit the note says up to where the log is whole; nothing waits for it to be on the disk, because an older note claims
less. Only we copy the log into the catalogue, and take the note away before, durably: then the log may begin anew.
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amogus_search.store import digests, durable, held

SUFFIX = ".log-mark"
_MOST_FRAMES = 1000
"""Pages in the log after which it is copied into the catalogue; SQLite's own default."""
_MEMORY = struct.Struct("=I8x2BxxI4xII8s")
"""The head of SQLite's shared memory (its walformat.html): version, is it in use, byte order, frames, sum, salts."""
_COPIED = struct.Struct("=I")
_COPIED_AT = 96
_VERSION = 3007000
_LOG_HEAD = struct.Struct(">IIII8sII")
_MAGIC = (0x377F0682, 0x377F0683)
_FRAME_HEAD = 24
_FRAMES_AT_ONCE = 256
_NOTE = struct.Struct(">I8sII")
_U32 = 0xFFFFFFFF


@dataclass(frozen=True)
class Mark:
    """A place in a log: so many frames, with these salts, and the running checksum there."""

    frames: int
    salts: bytes
    sums: tuple[int, int]


def take_off(catalog: Path) -> None:
    """Remove the note, durably, before the log may begin anew.

    Raises:
        OSError: it cannot be removed.
    """
    path = _path(catalog)
    if path.exists():
        path.unlink()
        durable.sync(path.parent)


def after_commit(catalog: Path) -> bool:
    """Note how far the log goes; whether it is so long, and its note gone, that it should be copied now."""
    with suppress(OSError, struct.error):
        mark, _ = _in_memory(catalog)
        if mark is not None and mark.frames >= _MOST_FRAMES:
            take_off(catalog)
            return True
        if mark is not None:
            _put(catalog, mark)
    return False


def at_the_end(catalog: Path) -> None:
    """Remove the note if SQLite has taken the log away, which it does when the last who has it open closes it."""
    with suppress(OSError):
        if not _size(_log(catalog)):
            _path(catalog).unlink(missing_ok=True)


def after_copying(catalog: Path) -> None:
    """A reader may have been in the way of copying all of it; what is not copied is noted again."""
    with suppress(OSError, struct.error):
        mark, copied = _in_memory(catalog)
        if mark is not None and copied < mark.frames:
            _put(catalog, mark)


def problems(catalog: Path) -> list[str]:
    """What is wrong with the log, a line: it does not go as far as it did."""
    path = _path(catalog)
    before = _content(path)
    if not before.strip(b"\0"):  # there is none, or the power went before it was on the disk
        return []
    mark, log = _parsed(before), _log(catalog)
    try:
        is_right = mark is not None and (not _size(log) or goes_as_far(log, mark))
    except FileNotFoundError:  # SQLite took it away meanwhile
        is_right = mark is not None
    if is_right or _content(path) != before:
        return []
    return [f"the log of {catalog.name} is damaged: the last commits in it are lost, and done again by `amogus index`"]


def goes_as_far(log: Path, mark: Mark) -> bool:
    """Whether every checksum of a log holds up to a mark; it is read in blocks, and may be of gigabytes."""
    with os.fdopen(digests.open_regular(log), "rb") as file:
        head = file.read(_LOG_HEAD.size)
        if len(head) < _LOG_HEAD.size:
            return False
        magic, version, page, _, salts, *sums = _LOG_HEAD.unpack(head)
        if magic not in _MAGIC or version != _VERSION or salts != mark.salts or not 512 <= page <= 65536:
            return False
        order = ">u4" if magic & 1 else "<u4"
        if _sums(np.frombuffer(head, order, 6)[None], np.zeros((1, 2), np.uint32)).tolist() != [sums]:
            return False
        last = np.asarray([sums], np.uint32)
        for start in range(0, mark.frames, _FRAMES_AT_ONCE):
            count = min(_FRAMES_AT_ONCE, mark.frames - start)
            block = file.read(count * (_FRAME_HEAD + page))
            if len(block) < count * (_FRAME_HEAD + page):
                return False
            frames = np.frombuffer(block, np.uint8).reshape(count, _FRAME_HEAD + page)
            stored = np.ascontiguousarray(frames[:, 16:24]).view(">u4").astype(np.uint32)
            summed = np.concatenate([frames[:, :8], frames[:, _FRAME_HEAD:]], axis=1).view(order)
            before = np.concatenate([last, stored[:-1]])
            if (frames[:, 8:16] != np.frombuffer(salts, np.uint8)).any() or (_sums(summed, before) != stored).any():
                return False
            last = stored[-1:]
    return tuple(last[0].tolist()) == mark.sums


def _sums(words: NDArray[np.uint32], before: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """SQLite's checksum of each row of words, begun with another: (n, 2k), (n, 2) -> (n, 2), modulo 2**32.

    For each pair x, y: s0 += x + s1, s1 += y + s0. That is linear, so that each word counts so many times.
    """
    pairs = words.shape[1] // 2
    of_words = np.empty((pairs, 2, 2), np.uint32)  # of a pair's x and y in s0 and s1
    step = ((1, 1), (1, 2))  # what one pair makes of (s0, s1) before it
    power = ((1, 0), (0, 1))
    for pair in reversed(range(pairs)):
        of_words[pair] = _times(power, ((1, 0), (1, 1)))
        power = _times(power, step)
    whole = words.astype(np.uint32).reshape(len(words), pairs, 2)
    factors = np.asarray(power, np.uint32)
    added = [(whole * of_words[:, row]).sum((1, 2), dtype=np.uint32) for row in (0, 1)]
    begun = [(before * factors[row]).sum(1, dtype=np.uint32) for row in (0, 1)]
    return np.stack([one + other for one, other in zip(added, begun, strict=True)], axis=1)


_Two = tuple[tuple[int, int], tuple[int, int]]


def _times(one: _Two, other: _Two) -> _Two:
    (a, b), (c, d) = one
    (e, f), (g, h) = other
    return (
        ((a * e + b * g) & _U32, (a * f + b * h) & _U32),
        ((c * e + d * g) & _U32, (c * f + d * h) & _U32),
    )


def _in_memory(catalog: Path) -> tuple[Mark | None, int]:
    """How far the log goes as SQLite has it, and how many of its frames are copied; nothing where there is no log."""
    memory = catalog.with_name(catalog.name + "-shm")
    with suppress(FileNotFoundError), held.reading(memory, catalog) as file:
        head = os.pread(file, _COPIED_AT + _COPIED.size, 0)
        version, is_in_use, _, frames, *sums, salts = _MEMORY.unpack_from(head)
        if version == _VERSION and is_in_use and frames:
            return Mark(frames, salts, (sums[0], sums[1])), _COPIED.unpack_from(head, _COPIED_AT)[0]
    return None, 0


def _log(catalog: Path) -> Path:
    return catalog.with_name(catalog.name + "-wal")


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _path(catalog: Path) -> Path:
    return catalog.with_name(catalog.name + SUFFIX)


def _put(catalog: Path, mark: Mark) -> None:
    path = _path(catalog)
    part = path.with_name(path.name + durable.PART_SUFFIX)
    said = _NOTE.pack(mark.frames, mark.salts, *mark.sums)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))
    durable.put_bytes(part, said + hashlib.sha256(said).digest())
    part.replace(path)


def _parsed(content: bytes) -> Mark | None:
    said = content[: _NOTE.size]
    if content != said + hashlib.sha256(said).digest():
        return None
    frames, salts, *sums = _NOTE.unpack(said)
    return Mark(frames, salts, (sums[0], sums[1]))


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return digests.content(path)
    return b""
