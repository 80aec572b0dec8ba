"""What the decoding pool and its workers say to each other: JSON in length-prefixed frames, over pipes.

Nothing that runs code when read (no pickles): a worker that a hostile picture has taken over can only
lie about that picture. Pixels do not travel here, but through a nameless file that both ends hold.
"""

from __future__ import annotations

import json
import os
import selectors
import struct
import time
from dataclasses import dataclass
from typing import Any

from amogus_search.core.types import SKIP_REASONS, FileStat

_HEADER = struct.Struct("<I")
_LONGEST_FRAME = 1 << 20
_MOST = 2**63
"""Numbers beyond it are no sizes and no times, and fit nowhere."""


class PeerGoneError(Exception):
    """The other end closed its pipe, or wrote what is no frame."""


class PeerSilentError(Exception):
    """The other end did not answer in time."""


def send(fd: int, message: dict[str, Any]) -> None:
    """Write one frame.

    Raises:
        PeerGoneError: nobody reads any more.
    """
    body = json.dumps(message).encode()
    try:
        write_all(fd, _HEADER.pack(len(body)) + body)
    except OSError as error:
        raise PeerGoneError from error


def receive(fd: int, timeout_s: float | None = None) -> dict[str, Any]:
    """Read one frame; without a timeout, for as long as it takes.

    Raises:
        PeerGoneError: end of file, or something else than a frame.
        PeerSilentError: no whole frame in time.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    (length,) = _HEADER.unpack(_read_exactly(fd, _HEADER.size, deadline))
    if length > _LONGEST_FRAME:
        raise PeerGoneError
    try:
        message: dict[str, Any] = json.loads(_read_exactly(fd, length, deadline))
    except (ValueError, RecursionError) as error:
        raise PeerGoneError from error
    return message


def is_readable(fd: int, timeout_s: float) -> bool:
    """Whether there is something to read, or an end of file, within that time."""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(timeout_s))


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write everything, also where the system takes it in pieces."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(fd, rest) :]


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded picture; its pixels lie in the shared file."""

    size_wh: tuple[int, int]
    full_wh: tuple[int, int]
    format: str
    sha256: str
    stat: FileStat

    @property
    def nbytes(self) -> int:
        """Size of the pixels."""
        return self.size_wh[0] * self.size_wh[1] * 3

    def message(self) -> dict[str, Any]:
        """The answer for JSON."""
        stat = self.stat
        numbers = [stat.dev, stat.ino, stat.size, stat.mtime_ns, stat.ctime_ns]
        sizes = {"size_wh": list(self.size_wh), "full_wh": list(self.full_wh)}
        return {**sizes, "format": self.format, "sha256": self.sha256, "stat": numbers}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no picture."""

    reason: str
    detail: str
    sha256: str = ""

    def message(self) -> dict[str, Any]:
        """The refusal for JSON."""
        return {"reason": self.reason, "detail": self.detail[:500], "sha256": self.sha256}


def parse_answer(message: dict[str, Any], max_pixels: int) -> Answer | Refusal:
    """What a worker said, checked: nothing that it sends can make this process allocate without limit.

    Raises:
        PeerGoneError: it is not an answer.
    """
    try:
        if "reason" in message:
            reason = message["reason"] if message["reason"] in SKIP_REASONS else "corrupt"
            return Refusal(reason, str(message["detail"]), str(message["sha256"]))
        width, height = (int(side) for side in message["size_wh"])
        full_width, full_height = (int(side) for side in message["full_wh"])
        stat = FileStat(*(int(number) for number in message["stat"]))
        answer = Answer(
            (width, height), (full_width, full_height), str(message["format"]), str(message["sha256"]), stat
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PeerGoneError from error
    if min(answer.size_wh) < 1 or width * height > max_pixels:
        raise PeerGoneError
    if min(answer.full_wh) < 1 or max(answer.full_wh) >= _MOST or not all(-_MOST <= n < _MOST for n in _numbers(stat)):
        raise PeerGoneError
    return answer


def _numbers(stat: FileStat) -> list[int]:
    """As they travel; device and inode have no sign, and need only be numbers of some such length."""
    return [stat.dev // 2, stat.ino // 2, stat.size, stat.mtime_ns, stat.ctime_ns]


def _read_exactly(fd: int, count: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        if deadline is not None and not is_readable(fd, max(0.0, deadline - time.monotonic())):
            raise PeerSilentError
        block = os.read(fd, count - len(parts))
        if not block:
            raise PeerGoneError
        parts += block
    return bytes(parts)
