"""Paths at which something happened, until they have come to rest and are looked at."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from amogus_search.settings import WATCH, WatchSettings


@dataclass
class ChangedPaths:
    """Which paths are to be looked at, and when; the clock is the caller's.

    often: the system tells nothing, so that all is looked through from time to time
    """

    settings: WatchSettings = WATCH
    often: bool = False
    _last: dict[bytes, float] = field(default_factory=dict)
    _since: dict[bytes, float] = field(default_factory=dict)
    _whole_at: float | None = None
    _whole_was: float = 0.0
    _not_before: float = 0.0

    def add(self, paths: Iterable[bytes], now: float) -> None:
        """Something happened there just now."""
        for path in paths:
            self._last[path] = now
            self._since.setdefault(path, now)
        if len(self._last) >= self.settings.many:
            self._whole_at = self._whole_at or now

    def look_through_all(self, now: float) -> None:
        """Have everything looked through soon."""
        self._whole_at = now + self.settings.quiet_s

    def whole_done(self, now: float) -> None:
        """Everything was looked through."""
        self._whole_was = now

    def put_back(self, scopes: Sequence[bytes], not_before: float) -> None:
        """These were not looked at after all, or, if there are none, not everything was."""
        for path in scopes:
            self._last.setdefault(path, 0.0)
            self._since.setdefault(path, not_before)
        if not scopes:
            self._whole_at = not_before
        self._not_before = not_before

    def due(self, now: float) -> list[bytes] | None:
        """Paths to be looked at now, none of which lies in another; empty: everything; None: nothing yet."""
        if now < self._not_before:
            return None
        ready = self._ready(now)
        period = self.settings.again_s if self.often else self.settings.rescan_s
        if self._whole_at is None and now - self._whole_was >= period:
            self._whole_at = now
        if self._whole_at is not None and now >= self._whole_at and (ready or not self._last):
            self._whole_at = None
            self._forget(ready)
            return []
        if self._whole_at is not None or not ready:
            return None
        self._forget(ready)
        return _outermost(ready)

    def _ready(self, now: float) -> list[bytes]:
        """Paths at which nothing happens any more, nor inside of them; or for which the wait has been too long."""
        settings = self.settings
        busy = [path for path, last in self._last.items() if now - last < settings.quiet_s]
        late = {path for path, since in self._since.items() if now - since >= settings.longest_s}
        inside = {above for path in busy for above in _above(path)}
        resting = set(self._last) - set(busy) - inside
        return sorted(resting | late)

    def _forget(self, paths: Iterable[bytes]) -> None:
        for path in paths:
            del self._last[path], self._since[path]


def _above(path: bytes) -> Iterator[bytes]:
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder


def _outermost(paths: Sequence[bytes]) -> list[bytes]:
    """Sorted paths without those that lie in another of them."""
    every = set(paths)
    return [path for path in paths if not any(above in every for above in _above(path))]
