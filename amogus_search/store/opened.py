"""The search structure of an index by itself, without its catalogue's rows: for measuring and for the curious."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import IndexStateError
from amogus_search.store.catalog import CATALOG_NAME, Catalog
from amogus_search.store.generations import LoadedGeneration
from amogus_search.store.proposals import candidates, effort_for
from amogus_search.store.vectors import read_whole


class OpenedStructure:
    """The newest search structure of an index folder, mapped.

    Raises:
        IndexStateError: there is none that can be used.
    """

    def __init__(self, folder: Path) -> None:
        catalog = Catalog(folder / CATALOG_NAME, write=False)
        try:
            loaded = LoadedGeneration(folder, catalog).current(int(catalog.get_meta("dimension") or 0))
        finally:
            catalog.close()
        if loaded is None:
            raise IndexStateError(f"the index {folder} has no search structure", "make one with `amogus index`")
        self._loaded = loaded
        self._file = folder / Path(loaded.generation.file).name

    def candidate_count(self, k: int) -> int:
        """How many regions are proposed for k results."""
        return min(candidates(self._loaded.generation.settings, k), self._loaded.generation.count)

    def effort(self, k: int) -> int:
        """What its knob is turned to for k results."""
        return effort_for(self._loaded.generation.settings, self._loaded.structure.lists, k, 1.0)

    def candidates(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Ids of the regions that are proposed for k results to a (d,) unit vector, as good as the structure knows."""
        found, _ = self._loaded.structure.search_one(query, self.candidate_count(k), self.effort(k))
        return np.asarray(self._loaded.ids([row for row in found if row >= 0]), np.int64)

    def raw(self, k: int, minus: int = 0) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
        """A function that asks FAISS itself for k results, by the same file read into memory; ids less a number.

        Its parameters are made once, and it gives FAISS' own order.
        """
        ask, regions = read_whole(self._file, self.effort(k)), np.array(self._loaded.regions)

        def asked(query: NDArray[np.float32]) -> NDArray[np.int64]:
            found = ask(query, k)
            return np.asarray(regions[found[found >= 0]] - minus)

        return asked
