"""FAISS, and nothing but FAISS: arrays to a search structure in memory and back. The only module that imports it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.errors import IndexStateError, MissingExtraError


def require() -> Any:
    """The faiss module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "searching by similarity needs FAISS, which is not installed",
            'pip install "amogus_search[cpu]", or on a machine with an NVIDIA GPU: pip install "amogus_search[gpu]"',
        ) from error
    return faiss


def structure_for(row_count: int) -> str:
    """FAISS' name of the search structure for so many vectors: exact while that is fast enough."""
    return "Flat"


def build(chunks: Iterable[Vectors], dimension: int, structure: str) -> bytes:
    """The serialised search structure (inner product) over the rows of all chunks, in order."""
    faiss = require()
    index = faiss.index_factory(dimension, structure, faiss.METRIC_INNER_PRODUCT)
    for chunk in chunks:
        index.add(np.ascontiguousarray(chunk, np.float32))
    return bytes(faiss.serialize_index(index))


class SearchStructure:
    """A search structure from bytes whose digest the caller has checked.

    Args:
        data: what `build` gave.
        row_count, dimension: what it must hold.

    Raises:
        IndexStateError: it holds something else.
    """

    def __init__(self, data: bytes, row_count: int, dimension: int) -> None:
        self._faiss = require()
        try:
            self._index = self._faiss.deserialize_index(np.frombuffer(data, np.uint8))
        except (RuntimeError, MemoryError) as error:
            raise IndexStateError("the search file cannot be read by FAISS") from error
        found = (self._index.ntotal, self._index.d, self._index.metric_type)
        if found != (row_count, dimension, self._faiss.METRIC_INNER_PRODUCT):
            raise IndexStateError(f"the search file holds {found[0]} vectors of {found[1]} numbers")

    def search(self, query: NDArray[np.float32], k: int, rows: range) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(m,) row numbers within `rows` and (m,) inner products with a (d,) query, best first; m <= k."""
        k = min(k, len(rows))
        if not k:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        selector = self._faiss.IDSelectorRange(rows.start, rows.stop)
        parameters = self._faiss.SearchParameters(sel=selector)
        products, found = self._index.search(np.ascontiguousarray(query[None], np.float32), k, params=parameters)
        real = found[0] >= 0
        return found[0][real], products[0][real]
