"""The decoding process: reads requests, decodes, answers; made to be killed at any moment.

It is started by `workers.DecodePool`, imports nothing heavier than NumPy and Pillow, ends when its
parent does (end of file on its input) and leaves Ctrl-C to the parent.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from amogus_search.errors import DecodeError
from amogus_search.settings import DecodeSettings
from amogus_search.sources import wire
from amogus_search.sources.decode import allowed_formats, decode_bytes, read_file

POISON_VARIABLE = "AMOGUS_TEST_POISON"
"""For tests of crash isolation: comma-separated ACTION=NAME or ACTION=SHA256; unset, it costs nothing."""
_ALARM_TIMEOUTS = 5
_KEEP_BYTES = 64 * 1024 * 1024


def main(pixels_fd: int) -> None:
    """Serve requests until the parent goes away; pixels are written into the file behind `pixels_fd`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = _private_pipes()
    settings = DecodeSettings(**wire.receive(requests))
    allowed_formats()
    _limit_process(settings)
    poison = _poison_list(os.environ.get(POISON_VARIABLE, ""))
    wire.send(answers, {"ready": True})
    while True:
        try:
            request = wire.receive(requests)
        except wire.PeerGoneError:
            return
        _arm_alarm(_ALARM_TIMEOUTS * settings.timeout_s)
        wire.send(answers, _answer(request, settings, pixels_fd, poison).message())
        _arm_alarm(0.0)


def _answer(
    request: dict[str, Any], settings: DecodeSettings, pixels_fd: int, poison: dict[str, str]
) -> wire.Answer | wire.Refusal:
    path = bytes.fromhex(request["path"])
    digest = ""
    try:
        _free_large_leftovers(pixels_fd)
        content = read_file(path, settings)
        digest, stat = content.sha256, content.stat
        if poison:
            _maybe_poisoned(path, digest, poison)
        picture = decode_bytes(content.data, settings, request["max_side"], sha256=digest)
        del content
        _write_pixels(pixels_fd, picture.pixels)
    except DecodeError as error:
        return wire.Refusal(error.reason, error.detail, error.sha256 or digest)
    except MemoryError:
        return wire.Refusal("out_of_memory", "the memory limit of one file was reached", digest)
    height, width = picture.pixels.shape[:2]
    return wire.Answer((width, height), picture.full_wh, picture.format, digest, stat)


def _free_large_leftovers(fd: int) -> None:
    """Give the last picture's memory back if it was a large one; small ones are written over."""
    if os.fstat(fd).st_size > _KEEP_BYTES:
        os.ftruncate(fd, 0)


def _write_pixels(fd: int, pixels: Any) -> None:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        wire.write_all(fd, np.ascontiguousarray(pixels).data)
    except OSError as error:
        raise DecodeError("out_of_memory", f"no room for the pixels: {error.strerror}") from error


def _private_pipes() -> tuple[int, int]:
    """Input and output descriptors that no library can write to by accident; its prints go to the error stream."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    return requests, answers


def _limit_process(settings: DecodeSettings) -> None:
    import resource

    wanted = ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, settings.worker_memory_bytes))
    for what, limit in wanted:
        try:
            _, hard = resource.getrlimit(what)
            resource.setrlimit(what, (limit, hard))
        except (OSError, ValueError):  # some systems know no such limit; the pixel limit and the timeout still hold
            continue


def _arm_alarm(seconds: float) -> None:
    """End this process by the system's hand if a file hangs and the parent, which keeps the time, is gone."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _poison_list(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.split(",") if item)
    return {what: action for action, _, what in pairs}


def _maybe_poisoned(path: bytes, sha256: str, poison: dict[str, str]) -> None:
    action = poison.get(sha256) or poison.get(os.fsdecode(os.path.basename(path)))
    if action == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif action == "abort":
        os.abort()
    elif action == "exit":
        os._exit(0)
    elif action == "memory":
        bytearray(1 << 46)
    elif action == "slow":
        time.sleep(2)
    elif action == "hang":
        while True:
            time.sleep(60)
