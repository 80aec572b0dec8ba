"""Finds Among Us crewmate shapes in pictures, ranks, explains and exports them.

The public names below are loaded on first use, so that importing the package costs nothing:

    from amogus_search import Detector, Embedder, Index, convert, detect
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amogus_search.converting.calling import convert as convert
    from amogus_search.errors import AmogusError as AmogusError
    from amogus_search.finder import detect as detect
    from amogus_search.library import Index as Index
    from amogus_search.models import Detector as Detector
    from amogus_search.models import Embedder as Embedder
    from amogus_search.registry import load_detector as load_detector
    from amogus_search.registry import load_embedder as load_embedder
    from amogus_search.results import QueryResult as QueryResult

__version__ = "0.1.0"

_HOMES = {
    "AmogusError": "amogus_search.errors",
    "Detector": "amogus_search.models",
    "Embedder": "amogus_search.models",
    "Index": "amogus_search.library",
    "QueryResult": "amogus_search.results",
    "convert": "amogus_search.converting.calling",
    "detect": "amogus_search.finder",
    "load_detector": "amogus_search.registry",
    "load_embedder": "amogus_search.registry",
}

__all__ = [
    "AmogusError",
    "Detector",
    "Embedder",
    "Index",
    "QueryResult",
    "__version__",
    "convert",
    "detect",
    "load_detector",
    "load_embedder",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
