"""How a long stage tells whoever started it how far it is. Nothing here draws or prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from time to time by a stage, on its own thread; must be quick."""

    def __call__(self, stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        """Take note.

        Args:
            stage: what is being done ("scanning", "looking", "deleting").
            done: items finished, skipped ones included.
            total: how many there will be; None while that is not known.
            skipped: how many of those done were skipped.
            message: something the user should read, once.
        """
        ...


class Silent:
    """Progress that nobody watches."""

    def __call__(self, stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        """Take no note."""
