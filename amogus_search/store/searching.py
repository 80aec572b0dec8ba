"""The regions most similar to a vector: FAISS proposes, the catalogue decides.

Similarities are computed from the catalogue's own rows, each checked, so that an answer does not depend on how
much of the index FAISS has seen yet. What it has not seen is compared one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import UsageError
from amogus_search.store import rows
from amogus_search.store.catalog import Catalog
from amogus_search.store.generations import Generation, LoadedGeneration

Kind: TypeAlias = Literal["image", "detection"]
Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Region ids and similarities, best first."""
_Key: TypeAlias = tuple[float, str, str, int]
"""Minus the similarity, then kind, content and place: sorts as answers are ordered, whatever the ids are."""

_CHUNK = 500
_SPARE = 32
_ROUNDING = 1e-5
"""By how much FAISS' float32 sums may differ from ours."""
_LIVE = "EXISTS (SELECT 1 FROM files f WHERE f.sha256 = v.sha256 AND f.state = 'indexed')"
_SELECT = f"SELECT {rows.COLUMNS['vectors']}, checksum, id FROM vectors v WHERE {_LIVE}"


class Searcher:
    """Similarity search over one open index; keeps the search structure in memory between queries."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._catalog = catalog
        self._loaded = LoadedGeneration(folder, catalog)

    def search(self, query: NDArray[np.float32], k: int | None, kinds: Sequence[Kind]) -> Found:
        """The k best live regions (all for None); ties in the order of kind, content and place.

        Raises:
            UsageError: the index has no vectors, or of another dimension; or the query is zero or not finite.
        """
        unit = self._unit(query)
        k = self._catalog.number("SELECT count(*) FROM vectors") if k is None else k
        current = self._loaded.current(len(unit))
        newest = current[0].newest if current else -1
        places, marks = list(kinds), ", ".join("?" * len(kinds))
        unseen = self._catalog.stream(f"{_SELECT} AND v.id > ? AND v.kind IN ({marks})", (newest, *places))
        keys = _keys(unseen, unit)
        if current is None:
            return _best(keys, k)
        generation, structure = current
        within, asked, known = _rows_of(generation, kinds), k + _SPARE, set[int]()
        while True:
            proposed, products = structure.search(unit.astype(np.float32), asked, within)
            ids = [int(key) for key in generation.regions[proposed] if int(key) not in known]
            known.update(ids)
            keys.update(self._look_up(ids, unit))
            ids_found, similarities = _best(keys, k)
            is_all = len(proposed) >= len(within) or len(proposed) < asked
            if is_all or (len(ids_found) == k and similarities[-1] > products[-1] + _ROUNDING):
                return ids_found, similarities
            asked *= 4

    def among(self, query: NDArray[np.float32], ids: Sequence[int]) -> Found:
        """The live ones of these regions, compared one by one, in the order and with the errors of `search`."""
        return _best(self._look_up(ids, self._unit(query)), len(ids))

    def _unit(self, query: NDArray[np.float32]) -> NDArray[np.float64]:
        dimension = self._catalog.get_meta("dimension")
        if dimension is None:
            raise UsageError(
                "the index has no vectors to compare with", "make it with an embedder, or query without text"
            )
        wide = np.asarray(query, np.float64)
        if wide.shape != (dimension,):
            raise UsageError(
                f"the query has shape {wide.shape}, the index holds vectors of {dimension} numbers",
                "use the embedder that the index was made with",
            )
        length = float(np.linalg.norm(wide))
        if not np.isfinite(length) or length == 0:
            raise UsageError("the query vector is zero or not finite")
        return np.asarray(wide / length)

    def _look_up(self, ids: Sequence[int], unit: NDArray[np.float64]) -> dict[int, _Key]:
        keys: dict[int, _Key] = {}
        for start in range(0, len(ids), _CHUNK):
            some = ids[start : start + _CHUNK]
            keys.update(_keys(self._catalog.rows(f"{_SELECT} AND v.id IN ({', '.join('?' * len(some))})", some), unit))
        return keys


def _rows_of(generation: Generation, kinds: Sequence[Kind]) -> range:
    start = 0 if "detection" in kinds else generation.detection_rows
    return range(start, generation.count if "image" in kinds else generation.detection_rows)


def _keys(found: Iterable[rows.Row], unit: NDArray[np.float64]) -> dict[int, _Key]:
    """Where each region of the given rows (checksum and id last) comes in the answer."""
    keys: dict[int, _Key] = {}
    waiting: list[rows.Row] = []
    for row in found:
        rows.checked("vectors", row[:-1])
        waiting.append(row)
        if len(waiting) == _CHUNK:
            keys.update(_compared(waiting, unit))
            waiting = []
    keys.update(_compared(waiting, unit))
    return keys


def _compared(found: Sequence[rows.Row], unit: NDArray[np.float64]) -> dict[int, _Key]:
    if not found:
        return {}
    vectors = rows.unit_vectors([row[3] for row in found])
    # Row by row and not by a matrix product, whose rounding depends on how many rows there are.
    similarities = np.sum(vectors * unit, axis=1)
    return {
        row[-1]: (-float(similarity), row[0], row[1], row[2])
        for row, similarity in zip(found, similarities, strict=True)
    }


def _best(keys: dict[int, _Key], k: int) -> Found:
    ids = sorted(keys, key=keys.__getitem__)[:k]
    return np.asarray(ids, np.int64), np.asarray([-keys[key][0] for key in ids], np.float64)
