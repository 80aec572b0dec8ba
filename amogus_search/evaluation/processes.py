"""What this process takes of the machine, as the system counts it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Count the peak of resident memory from now on, where the system can (Linux)."""
    with suppress(OSError):
        _RESET.write_text("5", encoding="ascii")


def peak_bytes() -> int | None:
    """The largest resident memory since the start or `reset_peak`, mapped files included; None where it is not told."""
    with suppress(OSError, ValueError, IndexError):
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
