"""How a FAISS structure is asked: its parameters, and one question after another. FAISS itself comes from `vectors`."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = range | NDArray[np.bool_] | None
"""The rows of a structure that may be found: a range, those of an (n,) mask, or all."""


def inner(faiss: Any, index: Any) -> Any:
    """The structure behind projections and refinements."""
    while True:
        if isinstance(index, faiss.IndexRefine):
            index = faiss.downcast_index(index.base_index)
        elif isinstance(index, faiss.IndexPreTransform):
            index = faiss.downcast_index(index.index)
        else:
            return index


def knob(faiss: Any, index: Any) -> str | None:
    """What trades time for recall: nprobe, efSearch, or None where there is nothing to turn."""
    innermost = inner(faiss, index)
    if isinstance(innermost, faiss.IndexIVF):
        return "nprobe"
    return "efSearch" if isinstance(innermost, faiss.IndexHNSW) else None


class Asking:
    """FAISS' parameters for searches among some rows, and the memory that these look at.

    Args:
        faiss: the module.
        index: FAISS' own object.
        effort: the knob's value.
        k: how many are wanted.
        rows: which may be found.
    """

    def __init__(self, faiss: Any, index: Any, effort: int, k: int, rows: Rows = None) -> None:
        self._faiss, self._effort, self._k = faiss, effort, k
        self.rows = rows
        self._bits: NDArray[np.uint8] | None = None
        selector = self._selector(index, rows)
        self._only = {} if selector is None else {"sel": selector}
        self.parameters = self._of(index)

    def _selector(self, index: Any, rows: Rows) -> Any:
        if rows is None or (isinstance(rows, range) and len(rows) == index.ntotal):
            return None
        if isinstance(rows, range):
            return self._faiss.IDSelectorRange(rows.start, rows.stop)
        self._bits = np.packbits(rows, bitorder="little")
        return self._faiss.IDSelectorBitmap(self._bits)

    def _of(self, index: Any) -> Any:
        if isinstance(index, self._faiss.IndexRefine):
            base = self._of_inner(index)
            return self._faiss.IndexRefineSearchParameters(k_factor=4.0, base_index_params=base, **self._only)
        found = self._of_inner(index)
        if isinstance(index, self._faiss.IndexPreTransform):
            return self._faiss.SearchParametersPreTransform(index_params=found)
        return found

    def _of_inner(self, index: Any) -> Any:
        turned = knob(self._faiss, index)
        if turned == "nprobe":
            lists = int(inner(self._faiss, index).nlist)
            return self._faiss.SearchParametersIVF(nprobe=max(1, min(self._effort, lists)), **self._only)
        if turned == "efSearch":
            return self._faiss.SearchParametersHNSW(efSearch=max(self._effort, self._k), **self._only)
        return self._faiss.SearchParameters(**self._only)


class OneQuery:
    """Searches for one query at a time, always with the same parameters and through the same memory.

    Most of what FAISS' Python wrapper takes is spent on checks, and on making arrays and pointers to them.

    Args:
        faiss: the module.
        index: FAISS' own object.
        k: how many are wanted.
        asking: the parameters.
    """

    def __init__(self, faiss: Any, index: Any, k: int, asking: Asking) -> None:
        self._query = np.zeros((1, index.d), np.float32)
        self._values, self._found = np.zeros((1, k), np.float32), np.zeros((1, k), np.int64)
        query, values, found = map(faiss.swig_ptr, (self._query, self._values, self._found))
        self.asking = asking
        self._arguments = (1, query, k, values, found, asking.parameters)
        self._search = index.search_c

    def search(self, query: NDArray[np.float32]) -> tuple[list[int], NDArray[np.float32]]:
        """Row numbers for a (d,) query, best first, then -1, and FAISS' (k,) values, overwritten by the next search."""
        self._query[0] = query
        self._search(*self._arguments)
        return self._found[0].tolist(), self._values[0]
