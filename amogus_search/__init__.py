"""Finds Among Us crewmate shapes in pictures, ranks, explains and exports them.

The public names below are loaded on first use, so that importing the package costs nothing:

    from amogus_search import Index, detect, load_detector, load_embedder
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amogus_search.errors import AmogusError as AmogusError
    from amogus_search.finder import detect as detect
    from amogus_search.registry import load_detector as load_detector
    from amogus_search.registry import load_embedder as load_embedder
    from amogus_search.store.index import Index as Index

__version__ = "0.1.0"

_HOMES = {
    "AmogusError": "amogus_search.errors",
    "Index": "amogus_search.store.index",
    "detect": "amogus_search.finder",
    "load_detector": "amogus_search.registry",
    "load_embedder": "amogus_search.registry",
}

__all__ = ["AmogusError", "Index", "__version__", "detect", "load_detector", "load_embedder"]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
