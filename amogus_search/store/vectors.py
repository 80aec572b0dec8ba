"""FAISS, and nothing but FAISS: arrays to a search structure in a file and back. The only module that imports it.

Everything is trained and filled by one OpenMP thread: with two, three or four the rounding of FAISS' matrix products
differs (faiss-cpu 1.15.1: other bytes for each number), and the same regions must give the same file anywhere.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.errors import IndexStateError, MissingExtraError, UsageError
from amogus_search.store.faiss_search import Asking, OneQuery, Rows, inner, knob

STAYS_AFTER = 32
"""Searches after which a process is taken for one that stays: the structure is copied to a GPU, or into large pages."""
_KEPT = 8
"""Ways to ask that are kept ready: for each, some numbers of memory."""
_GPU_MOST = 1024
"""Results of one search that FAISS gives on any GPU."""
Again: TypeAlias = Callable[[], NDArray[np.uint8] | None]
"""Gives the bytes of a file that is mapped, in memory of this process; None: they shall not be there."""
_INNER_PRODUCT_IS_USED = re.compile(r"Flat|SQfp16")


def never() -> None:
    """No bytes of anything."""


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
            with named(path) as name:
                self._faiss.write_index(self._index, name)
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


@contextmanager
def named(path: Path) -> Iterator[str]:
    """A name of a file that FAISS can open, which takes text only; names of folders need not be any.

    Raises:
        OSError: this system has no other name for it.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            other = f"/proc/self/fd/{folder}"
            if not Path(other).is_dir():
                raise OSError(errno.EILSEQ, "FAISS needs a name in UTF-8", str(path)) from None
            yield f"{other}/{path.name}"
        finally:
            os.close(folder)
    else:
        yield str(path)


def opened(source: Path | bytes, row_count: int, dimension: int, again: Again = never) -> SearchStructure:
    """The search structure in a file that the caller has found to be as it was written; mapped, not read.

    Args:
        source: the file, or its bytes.
        row_count, dimension: what it must hold.
        again: asked once, when many a question came.

    Raises:
        IndexStateError: it holds something else.
    """
    faiss = require()
    try:
        if isinstance(source, bytes):
            index = faiss.deserialize_index(np.frombuffer(source, np.uint8))
        else:
            with named(source) as name:
                index = faiss.read_index(name, faiss.IO_FLAG_MMAP_IFC)
    except (RuntimeError, MemoryError) as error:
        raise IndexStateError("the search file cannot be read by FAISS") from error
    if (index.ntotal, index.d) != (row_count, dimension):
        raise IndexStateError(f"the search file holds {index.ntotal} vectors of {index.d} numbers")
    return SearchStructure(index, again)


def read_whole(path: Path, effort: int) -> Callable[[NDArray[np.float32], int], NDArray[np.int64]]:
    """FAISS' own search for one (d,) vector and k results, nothing of ours around it: to measure by."""
    faiss = require()
    with named(path) as name:
        index = faiss.read_index(name)
    asking = Asking(faiss, index, effort, 1)

    def ask(query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return np.asarray(index.search(query[None], k, params=asking.parameters)[1][0])

    return ask


class SearchStructure:
    """A search structure to be asked; made by `opened` or by a `Builder`.

    Args:
        index: FAISS' own object.
        again: as for `opened`.
    """

    def __init__(self, index: Any, again: Again = never) -> None:
        self._faiss = require()
        self._index = index
        self._again = again
        self._bytes: NDArray[np.uint8] | None = None
        self._searches = 0
        self._gpu: Any = None
        self._ones: dict[tuple[int, int, int], OneQuery] = {}
        self._lists: int | None = None

    @property
    def dimension(self) -> int:
        """Numbers a vector."""
        return int(self._index.d)

    @property
    def lists(self) -> int:
        """Lists of an inverted file; 0 where there are none."""
        if self._lists is None:
            self._lists = int(inner(self._faiss, self._index).nlist) if self.knob == "nprobe" else 0
        return self._lists

    @property
    def knob(self) -> str | None:
        """What trades time for recall: nprobe, efSearch, or None where there is nothing to turn."""
        return knob(self._faiss, self._index)

    def search(
        self, queries: NDArray[np.float32], k: int, *, effort: int = 0, rows: Rows = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(m, k) row numbers for (m, d) queries, best first, -1 where there are no more, and FAISS' (m, k) values.

        Args:
            queries: unit vectors.
            k: how many.
            effort: the knob's value.
            rows: only these.
        """
        self._count()
        index = self._index if self._gpu is None or rows is not None or k > _GPU_MOST else self._gpu
        asking = Asking(self._faiss, self._index, effort, k, rows)
        values, found = index.search(np.ascontiguousarray(queries, np.float32), k, params=asking.parameters)
        return found, values

    def search_one(
        self, query: NDArray[np.float32], k: int, effort: int, rows: Rows = None
    ) -> tuple[list[int], NDArray[np.float32]]:
        """What `search` gives for one (d,) query; the values are overwritten by the next.

        Quickest if it was asked with the same numbers and the same object for `rows` before.
        """
        if self._gpu is not None:
            found, values = self.search(query[None], k, effort=effort, rows=rows)
            return found[0].tolist(), values[0]
        self._count()
        key = (effort, k, id(rows))
        one = self._ones.get(key)
        if one is None:
            if len(self._ones) >= _KEPT:
                self._ones.clear()
            one = OneQuery(self._faiss, self._index, k, Asking(self._faiss, self._index, effort, k, rows))
            self._ones[key] = one  # as long as it is there, no other `rows` has this id
        return one.search(query)

    def _count(self) -> None:
        """Take note of a search; after many, go to where searching is quicker, if there is room."""
        self._searches += 1
        if self._searches != STAYS_AFTER:
            return
        with suppress(RuntimeError):  # no room there, or a structure that GPUs do not know
            if gpu_count(self._faiss):
                self._gpu = self._faiss.index_cpu_to_all_gpus(self._index)
            elif (found := self._again()) is not None:
                reader = self._faiss.ZeroCopyIOReader(self._faiss.swig_ptr(found), len(found))
                self._index, self._bytes = self._faiss.read_index(reader), found
                self._ones.clear()


def centres(sample: Vectors, count: int) -> Vectors:
    """(count, d) centres that (n, d) vectors lie around, the same for the same vectors; count is less than n."""
    faiss = require()
    with one_thread(faiss):
        found = faiss.Kmeans(sample.shape[1], count, niter=10, seed=0, min_points_per_centroid=1)
        found.train(np.ascontiguousarray(sample, np.float32))
    return np.asarray(found.centroids, np.float32)


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
