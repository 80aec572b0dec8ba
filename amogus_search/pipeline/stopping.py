"""A picture of thousands of windows, and somebody who wants to stop: it is finished only if that is soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from amogus_search.ports import Detector

PATIENCE_S = 5.0
"""So long the pictures at hand may go on after a stop was asked for."""


class Stoppable:
    """A detector that looks at nothing more some seconds after a stop was asked for.

    Args:
        detector: does the work, and says of itself what it says.
        should_stop: asked before every batch.
    """

    def __init__(self, detector: Detector, should_stop: Callable[[], bool]) -> None:
        self._detector, self._should_stop = detector, should_stop
        self._asked_at: float | None = None

    def __getattr__(self, name: str) -> Any:
        """What the detector has; its work raises KeyboardInterrupt once it takes too long."""
        found = getattr(self._detector, name)
        return self._with_a_look(found) if name in ("begin", "detect_tiles") else found

    def _with_a_look(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def look_first(*given: Any) -> Any:
            if self._should_stop():
                self._asked_at = self._asked_at or time.monotonic()
                if time.monotonic() - self._asked_at > PATIENCE_S:
                    raise KeyboardInterrupt
            return work(*given)

        return look_first
