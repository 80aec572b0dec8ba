"""One decoding process as seen from outside: started, asked, killed."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from amogus_search.core.types import Pixels
from amogus_search.errors import AmogusError
from amogus_search.settings import DecodeSettings
from amogus_search.sources import wire

PATIENCE = 4
"""A worker that is at work but starved of processor time gets this many times the timeout: a large photo on a busy
machine is not a bad file."""
_START_TIMEOUT_S = 60.0
_STEP_S = 1.0
"""So long at a time is waited for an answer."""
_BOOTSTRAP = (
    "import sys; sys.path[:] = sys.argv[2:]; from amogus_search.sources import worker; worker.main(int(sys.argv[1]))"
)


class DecodeProcess:
    """A decoding process and the nameless file through which its pixels come.

    Raises:
        AmogusError: it does not start.
    """

    def __init__(self, settings: DecodeSettings) -> None:
        self._fd = _nameless_file()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOTSTRAP, str(self._fd), *_module_path()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=(self._fd,),
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                process_group=0,  # Ctrl-C in a terminal goes to every process of the group; it is the parent's affair
            )
        except OSError as error:
            os.close(self._fd)
            raise _cannot_start(str(error)) from error
        try:
            wire.send(self._stdin, dataclasses.asdict(settings))
            wire.receive(self._stdout, _START_TIMEOUT_S)
        except (wire.PeerGoneError, wire.PeerSilentError) as error:
            raise _cannot_start(self.kill()) from error

    @property
    def _stdin(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @property
    def _stdout(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def ask(self, path: bytes, max_side: int | None, settings: DecodeSettings) -> wire.Answer | wire.Refusal:
        """The worker's answer about one file.

        Raises:
            PeerGoneError: it died, or talks nonsense.
            PeerSilentError: it did not answer within the time of one file.
        """
        busy_before = self._cpu_seconds()
        wire.send(self._stdin, {"path": path.hex(), "max_side": max_side})
        if not _comes(self._stdout, settings.timeout_s):
            busy = self._cpu_seconds() - busy_before
            more = (PATIENCE - 1) * settings.timeout_s
            if not _is_starved(busy, settings.timeout_s) or not _comes(self._stdout, more):
                raise wire.PeerSilentError
        return wire.parse_answer(wire.receive(self._stdout, settings.timeout_s), settings.max_pixels)

    def pixels(self, width: int, height: int) -> Pixels:
        """A copy of the pixels that the worker just left."""
        pixels = np.empty((height, width, 3), np.uint8)
        rest = memoryview(pixels.data).cast("B")
        os.lseek(self._fd, 0, os.SEEK_SET)
        while rest:
            count = os.readv(self._fd, [rest])
            if count == 0:
                raise AmogusError("a decoding process left fewer pixels than it said")
            rest = rest[count:]
        return pixels

    def _cpu_seconds(self) -> float:
        """Processor time it has used; 0 where the system does not say."""
        try:
            after_name = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return 0.0

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended; it may at any moment."""
        return self._process.poll() is None

    def signal_kill(self) -> None:
        """End the process, and nothing else."""
        self._process.kill()

    def kill(self) -> str:
        """End the process, close its pipes, and say how it had ended if it had."""
        ended = self._exit_code()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        return _how_it_ended(ended)

    def _exit_code(self) -> int | None:
        """How it ended; a process that just closed its pipe needs a moment to be gone."""
        try:
            return self._process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            return None


def _comes(fd: int, seconds: float) -> bool:
    """Whether something can be read within so many seconds that this process was running.

    A machine or a container that was frozen froze the worker too: of such a time only the last step counts.
    """
    steps = [min(_STEP_S, seconds - float(start)) for start in np.arange(0.0, seconds, _STEP_S)]
    return any(wire.is_readable(fd, step) for step in steps)


def _is_starved(busy_s: float, timeout_s: float) -> bool:
    """Whether a late worker is at work and only gets too little of a busy machine, rather than asleep or lost."""
    return 0.05 * timeout_s < busy_s < 0.8 * timeout_s


def _nameless_file() -> int:
    """A file without a name, in memory where the system can: nothing is left behind however this process ends."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("amogus-pixels")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _module_path() -> list[str]:
    """Where a worker looks for modules: where this process does, less the working folder, plus this package."""
    package_home = str(Path(__file__).resolve().parents[2])
    return list(dict.fromkeys([*(path for path in sys.path if path), package_home]))


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "the decoding process broke off"
    if code < 0:
        try:
            return f"the decoding process died of {signal.Signals(-code).name}"
        except ValueError:
            return f"the decoding process died of signal {-code}"
    return f"the decoding process ended with status {code}"


def _cannot_start(detail: str) -> AmogusError:
    return AmogusError(f"no decoding process can be started: {detail}", "amogus doctor")
