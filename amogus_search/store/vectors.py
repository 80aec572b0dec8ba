"""FAISS, and nothing but FAISS: arrays to a search structure in a file and back. The only module that imports it.

Everything is trained and filled by one OpenMP thread: with two, three or four the rounding of FAISS' matrix products
differs (faiss-cpu 1.15.1: other bytes for each number), and the same regions must give the same file anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.errors import IndexStateError, MissingExtraError, UsageError

GPU_AFTER = 32
"""Searches after which a process is taken for one that stays, and the structure is copied to a GPU if there is one."""
_GPU_MOST = 1024
"""Results of one search that FAISS gives on any GPU."""
_INNER_PRODUCT_IS_USED = re.compile(r"Flat|SQfp16")


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


class Builder:
    """A search structure that is being filled.

    Exact ones compare by inner product, the others by distance, which orders unit vectors alike and stays what it is
    when a projection takes their mean away.

    Args:
        structure: FAISS' name of it.
        dimension: numbers a vector.

    Raises:
        UsageError: FAISS knows no such structure for that dimension.
    """

    def __init__(self, structure: str, dimension: int) -> None:
        self._faiss = require()
        metric = self._faiss.METRIC_L2
        if _INNER_PRODUCT_IS_USED.fullmatch(structure):
            metric = self._faiss.METRIC_INNER_PRODUCT
        try:
            self._index = self._faiss.index_factory(dimension, structure, metric)
        except RuntimeError as error:
            raise UsageError(
                f"FAISS cannot make a structure {structure!r} for vectors of {dimension} numbers",
                "leave out --structure, and one is chosen",
            ) from error

    def train(self, sample: Vectors) -> None:
        """Learn from (n, d) vectors; on a GPU the centres of the lists are found there."""
        if self._index.is_trained:
            return
        with one_thread(self._faiss):
            inverted = self._inverted()
            if inverted is not None:
                inverted.cp.max_points_per_centroid = max(256, len(sample))
                inverted.cp.min_points_per_centroid = 1
                if hasattr(inverted, "pq"):
                    inverted.pq.cp.min_points_per_centroid = 1
                if gpu_count(self._faiss):
                    flat = self._faiss.IndexFlatL2(inverted.d)
                    inverted.clustering_index = self._faiss.index_cpu_to_all_gpus(flat)
            try:
                self._index.train(np.ascontiguousarray(sample, np.float32))
            except RuntimeError as error:
                raise UsageError(
                    f"{len(sample)} regions are too few for this search structure",
                    "leave out --structure, and one is chosen",
                ) from error

    def add(self, chunk: Vectors) -> None:
        """Put (n, d) vectors behind those that are in it."""
        with one_thread(self._faiss):
            self._index.add(np.ascontiguousarray(chunk, np.float32))

    def write(self, path: Path) -> None:
        """Write the file, without holding its bytes.

        Raises:
            OSError: there is no room for it, or it cannot be written.
        """
        try:
            self._faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise OSError(str(error)[-200:]) from error

    def structure(self) -> SearchStructure:
        """What is in it so far, to be searched."""
        return SearchStructure(self._index)

    def _inverted(self) -> Any:
        try:
            return self._faiss.extract_index_ivf(self._index)
        except RuntimeError:
            return None


def opened(source: Path | bytes, row_count: int, dimension: int) -> SearchStructure:
    """The search structure in a file that the caller has found to be as it was written; mapped, not read.

    Args:
        source: the file, or its bytes.
        row_count, dimension: what it must hold.

    Raises:
        IndexStateError: it holds something else.
    """
    faiss = require()
    try:
        if isinstance(source, bytes):
            index = faiss.deserialize_index(np.frombuffer(source, np.uint8))
        else:
            index = faiss.read_index(str(source), faiss.IO_FLAG_MMAP_IFC)
    except (RuntimeError, MemoryError) as error:
        raise IndexStateError("the search file cannot be read by FAISS") from error
    if (index.ntotal, index.d) != (row_count, dimension):
        raise IndexStateError(f"the search file holds {index.ntotal} vectors of {index.d} numbers")
    return SearchStructure(index)


def read_whole(path: Path, effort: int) -> Callable[[NDArray[np.float32], int], NDArray[np.int64]]:
    """FAISS' own search for one (d,) vector and k results, nothing of ours around it: to measure by."""
    structure = SearchStructure(require().read_index(str(path)))
    index, parameters = structure._index, structure._parameters(effort, 1, {})

    def ask(query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return np.asarray(index.search(query[None], k, params=parameters)[1][0])

    return ask


class SearchStructure:
    """A search structure to be asked; made by `opened` or by a `Builder`.

    Args:
        index: FAISS' own object.
    """

    def __init__(self, index: Any) -> None:
        self._faiss = require()
        self._index = index
        self._searches = 0
        self._gpu: Any = None
        self._plain: tuple[tuple[int, int], Any] = ((-1, -1), None)
        self._lists: int | None = None

    @property
    def lists(self) -> int:
        """Lists of an inverted file; 0 where there are none."""
        if self._lists is None:
            self._lists = int(self._inner().nlist) if self._is_inverted() else 0
        return self._lists

    @property
    def knob(self) -> str | None:
        """What trades time for recall: nprobe, efSearch, or None where there is nothing to turn."""
        if self._is_inverted():
            return "nprobe"
        return "efSearch" if isinstance(self._inner(), self._faiss.IndexHNSW) else None

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        effort: int = 0,
        rows: range | NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(m, k) row numbers for (m, d) queries, best first, -1 where there are no more, and FAISS' (m, k) values.

        Args:
            queries: unit vectors.
            k: how many.
            effort: the knob's value.
            rows: only these rows, as a range or an (n,) mask; None: all.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        self._searches += 1
        index = self._index
        if rows is None and k <= _GPU_MOST:
            index = self._on_gpu() or index
        selector, _kept = self._selector(rows)
        if selector is None:
            if self._plain[0] != (effort, k):
                self._plain = ((effort, k), self._parameters(effort, k, {}))
            parameters = self._plain[1]
        else:
            parameters = self._parameters(effort, k, {"sel": selector})
        values, found = index.search(queries, k, params=parameters)
        return found, values

    def _selector(self, rows: range | NDArray[np.bool_] | None) -> tuple[Any, Any]:
        """What lets only some rows through, and the memory that it looks at."""
        if rows is None or (isinstance(rows, range) and len(rows) == self._index.ntotal):
            return None, None
        if isinstance(rows, range):
            return self._faiss.IDSelectorRange(rows.start, rows.stop), None
        bits = np.packbits(rows, bitorder="little")
        return self._faiss.IDSelectorBitmap(bits), bits

    def _parameters(self, effort: int, k: int, only: Mapping[str, Any]) -> Any:
        index = self._index
        if isinstance(index, self._faiss.IndexRefine):
            base = self._inner_parameters(effort, k, only)
            return self._faiss.IndexRefineSearchParameters(k_factor=4.0, base_index_params=base, **only)
        inner = self._inner_parameters(effort, k, only)
        if isinstance(index, self._faiss.IndexPreTransform):
            return self._faiss.SearchParametersPreTransform(index_params=inner)
        return inner

    def _inner_parameters(self, effort: int, k: int, only: Mapping[str, Any]) -> Any:
        knob = self.knob
        if knob == "nprobe":
            return self._faiss.SearchParametersIVF(nprobe=max(1, min(effort, self.lists)), **only)
        if knob == "efSearch":
            return self._faiss.SearchParametersHNSW(efSearch=max(effort, k), **only)
        return self._faiss.SearchParameters(**only)

    def _inner(self) -> Any:
        """The structure behind projections and refinements."""
        index = self._index
        while True:
            if isinstance(index, self._faiss.IndexRefine):
                index = self._faiss.downcast_index(index.base_index)
            elif isinstance(index, self._faiss.IndexPreTransform):
                index = self._faiss.downcast_index(index.index)
            else:
                return index

    def _is_inverted(self) -> bool:
        return isinstance(self._inner(), self._faiss.IndexIVF)

    def _on_gpu(self) -> Any:
        """The copy on a GPU, once it pays and if FAISS can make one."""
        if self._searches == GPU_AFTER and gpu_count(self._faiss):
            try:
                self._gpu = self._faiss.index_cpu_to_all_gpus(self._index)
            except RuntimeError:
                self._gpu = None  # no room there, or a structure that GPUs do not know
        return self._gpu


def gpu_count(faiss: Any) -> int:
    """GPUs that this FAISS can use; 0 for one that was built without."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") else 0


@contextmanager
def one_thread(faiss: Any) -> Iterator[None]:
    """FAISS computes with one thread inside."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
