"""Other libraries to compare with, each only if it is installed; nothing else of this package needs them.

| name | is |
|---|---|
| hnswlib | its graph: M = 16, efConstruction = 100 |
| usearch | its graph with its own settings, float32 |
| faiss:STRUCTURE | that structure of FAISS, over float32, trained on the first vectors |
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.errors import UsageError
from amogus_search.store.vectors import Builder, SearchStructure

_EFFORTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_TRAINED_ON = 100_000


class Other(Protocol):
    """A library.

    name:      what it is called
    structure: what it builds
    efforts:   values of its knob, least first
    """

    name: str
    structure: str
    efforts: tuple[int, ...]

    @property
    def is_installed(self) -> bool:
        """Whether it can be used here."""
        ...

    def build(self, chunks: Iterable[Vectors], rows: int, dimension: int) -> None:
        """Take up all vectors, numbered from 0."""
        ...

    def set_effort(self, effort: int) -> None:
        """Turn its knob."""
        ...

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """(k,) numbers, best first."""
        ...


def others(names: Iterable[str]) -> Iterator[Other]:
    """The libraries of these names.

    Raises:
        UsageError: there is none of such a name.
    """
    for name in names:
        if name == "hnswlib":
            yield _Hnswlib()
        elif name == "usearch":
            yield _Usearch()
        elif name.startswith("faiss:"):
            yield _Faiss(name.removeprefix("faiss:"))
        else:
            raise UsageError(f"nothing is known to compare with that is called {name!r}", "see --help of the command")


class _Hnswlib:
    name, structure = "hnswlib", "HNSW M=16"
    efforts: tuple[int, ...] = _EFFORTS
    _index: Any = None

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec("hnswlib") is not None

    def build(self, chunks: Iterable[Vectors], rows: int, dimension: int) -> None:
        self._index = importlib.import_module("hnswlib").Index(space="ip", dim=dimension)
        self._index.init_index(max_elements=rows, ef_construction=100, M=16, random_seed=0)
        for chunk in chunks:
            self._index.add_items(chunk)
        self._index.set_num_threads(1)

    def set_effort(self, effort: int) -> None:
        self._index.set_ef(effort)

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return np.asarray(self._index.knn_query(query[None], k=k)[0][0], np.int64)


class _Usearch:
    name, structure = "usearch", "HNSW, its own settings"
    efforts: tuple[int, ...] = _EFFORTS
    _index: Any = None

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec("usearch") is not None

    def build(self, chunks: Iterable[Vectors], rows: int, dimension: int) -> None:
        self._index = importlib.import_module("usearch.index").Index(ndim=dimension, metric="ip", dtype="f32")
        start = 0
        for chunk in chunks:
            self._index.add(np.arange(start, start + len(chunk), dtype=np.uint64), chunk)
            start += len(chunk)

    def set_effort(self, effort: int) -> None:
        self._index.expansion_search = effort

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return np.asarray(self._index.search(query, k, threads=1).keys, np.int64)


class _Faiss:
    efforts: tuple[int, ...] = (1, 2, 4, 8, *_EFFORTS)
    _asked: SearchStructure
    _effort = 0

    def __init__(self, structure: str) -> None:
        self.name, self.structure = f"FAISS {structure}", structure

    @property
    def is_installed(self) -> bool:
        return True

    def build(self, chunks: Iterable[Vectors], rows: int, dimension: int) -> None:
        builder = Builder(self.structure, dimension)
        waiting: list[Vectors] = []
        seen = 0
        for chunk in chunks:
            waiting.append(chunk)
            seen += len(chunk)
            if seen >= min(_TRAINED_ON, rows):
                builder.train(np.concatenate(waiting))  # does nothing once it is trained
                for kept in waiting:
                    builder.add(kept)
                waiting = []
        self._asked = builder.structure()

    def set_effort(self, effort: int) -> None:
        self._effort = effort

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return np.asarray(self._asked.search(query[None], k, effort=self._effort)[0][0])
