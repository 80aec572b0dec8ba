"""The door to watchfiles: what happens in folders, as the system tells it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from amogus_search.core.paths import display_path
from amogus_search.errors import AmogusError, MissingExtraError

_GROUPED_MS = 400
"""Events are handed over when none came for a moment, but at the latest after so long."""


class WatchLostError(AmogusError):
    """The system cannot watch, or watches no longer; what happened in the meantime must be found by looking."""


class _Asked:
    """What watchfiles asks whether to stop."""

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.is_set = should_stop


class FolderWatch:
    """Paths at which something happened, in and under some folders, since it was made.

    Whatever happens while nobody takes paths is kept, each path once.

    Args:
        roots: absolute paths of folders, or of files.
        ignored: asked of every path; what it says yes to is not handed over.
        should_stop: ends the waiting.
        tick_s: at the latest after so long, `paths` gives an answer.

    Raises:
        MissingExtraError: watchfiles is not installed.
        WatchLostError: the system cannot watch these.
    """

    def __init__(
        self,
        roots: Sequence[bytes],
        ignored: Callable[[bytes], bool],
        should_stop: Callable[[], bool],
        tick_s: float,
    ) -> None:
        watch = _watchfiles().watch
        self._ignored = ignored
        self._steps: Iterator[set[tuple[Any, str]]] = watch(
            *map(os.fsdecode, roots),
            watch_filter=None,
            debounce=_GROUPED_MS,
            rust_timeout=round(1000 * tick_s),
            yield_on_timeout=True,
            stop_event=_Asked(should_stop),
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        self._first = self._next()  # only the first step begins to watch

    def paths(self) -> set[bytes]:
        """Where something happened since the last call; waits for it, but no longer than a tick.

        Raises:
            WatchLostError: some events are lost.
        """
        first, self._first = self._first, set()
        return first or self._next()

    def close(self) -> None:
        """Watch no longer."""
        self._steps.close()  # type: ignore[attr-defined]

    def _next(self) -> set[bytes]:
        try:
            step = next(self._steps, set())
        except (OSError, RuntimeError, UnicodeError) as error:
            raise WatchLostError(f"the system cannot watch: {_shown(error)}", _HINT) from error
        found = {os.fsencode(path) for _, path in step}
        return {path for path in found if not self._ignored(path)}


_HINT = "on Linux, fs.inotify.max_user_watches is how many folders may be watched"


def _watchfiles() -> Any:
    try:
        import watchfiles
    except ImportError:
        raise MissingExtraError(
            "--watch needs watchfiles, which is not installed", 'pip install "amogus_search[watch]"'
        ) from None
    return watchfiles


def require() -> None:
    """Find out before the work that watchfiles is missing.

    Raises:
        MissingExtraError: it is.
    """
    _watchfiles()


def _shown(error: Exception) -> str:
    return display_path(str(error).encode("utf-8", "surrogateescape"))
