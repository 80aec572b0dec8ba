"""The regions most similar to a vector: the search structure and the tail propose, the catalogue decides.

Similarities are computed from the catalogue's own rows, each checked, so that neither a search file nor what is kept
in memory can give a wrong one. What no search structure holds yet (the tail) is always compared with completely.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import UsageError
from amogus_search.store import liveness, rows
from amogus_search.store.catalog import Catalog
from amogus_search.store.generations import LoadedGeneration
from amogus_search.store.proposals import Masks, Proposer
from amogus_search.store.tail import Tail

Kind: TypeAlias = Literal["image", "detection"]
Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Region ids and similarities, best first."""
_Key: TypeAlias = tuple[float, str, str, int]
"""Minus the similarity, then kind, content and place: sorts as answers are ordered, whatever the ids are."""

_CHUNK = 500
_STEP = 16
"""Ids are asked for in multiples of so many, so that SQLite finds its statements prepared."""
_FEW = 2_000
"""Regions that are rather compared one by one than searched for among others."""
_TURNS = 6
"""How often a structure is asked for more before everything is compared."""
_COLUMNS = f"SELECT {rows.COLUMNS['vectors']}, checksum, id FROM vectors v WHERE"
_LIVE = "NOT EXISTS (SELECT 1 FROM orphans o WHERE o.sha256 = v.sha256)"


@dataclass(frozen=True, eq=False)
class _State:
    """What was committed when it was last looked at; valid as long as `version` is."""

    version: tuple[int, int]
    dimension: int | None
    proposer: Proposer


class Searcher:
    """Similarity search over one open index; keeps what it has loaded between queries."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._catalog = catalog
        self._loaded = LoadedGeneration(folder, catalog)
        self._tail: Tail | None = None
        self._state: _State | None = None

    def search(
        self,
        query: NDArray[np.float32],
        k: int | None,
        kinds: Sequence[Kind],
        *,
        allowed: NDArray[np.int64] | None = None,
    ) -> Found:
        """The k best live regions (all for None); ties in the order of kind, content and place.

        Fewer than k only if there are no more. With an approximate search structure a few of them may be others than
        the best, as few as it was built for.

        Args:
            query: (d,) any length but 0.
            k: how many.
            kinds: which.
            allowed: only these region ids; None: any.

        Raises:
            UsageError: the index has no vectors, or of another dimension; or the query is zero or not finite.
        """
        state = self._current()
        unit = _unit(query, state.dimension)
        if allowed is not None and len(allowed) <= _FEW:
            return _best(self._of_kinds(self._look_up(allowed.tolist(), unit), kinds), k)
        masks = Masks("detection" in kinds, "image" in kinds, allowed)
        if k is None or k > state.proposer.population // 4:
            return _best(self._everything(unit, masks), k)
        return self._proposed(state.proposer, unit, k, masks)

    def among(self, query: NDArray[np.float32], ids: Sequence[int]) -> Found:
        """The live ones of these regions, compared one by one, in the order and with the errors of `search`."""
        return _best(self._look_up(ids, _unit(query, self._current().dimension)), len(ids))

    def _proposed(self, proposer: Proposer, unit: NDArray[np.float64], k: int, masks: Masks) -> Found:
        keys: dict[int, _Key] = {}
        known: set[int] = set()
        turn, far = 0, False
        while turn < _TURNS:
            proposals = proposer.propose(unit.astype(np.float32), k, turn, masks, far=far)
            new = [key for key in dict.fromkeys(proposals.ids.tolist()) if key not in known]
            known.update(new)
            keys.update(self._look_up(new, unit))
            found = _best(keys, k)
            if not proposals.is_all and (not len(found[0]) or found[1][0] < proposals.near_from):
                far = True
                continue
            if proposals.is_all or (len(found[0]) == k and found[1][-1] > proposals.floor):
                return found
            turn += 1
        return _best(self._everything(unit, masks), k)  # a graph may have parts that no way leads to

    def _current(self) -> _State:
        """What there is to search, read again only if something was committed since."""
        version = self._catalog.version()
        if self._state is None or self._state.version != version:
            dimension = self._catalog.get_meta("dimension")
            self._state = _State(version, dimension, self._read(dimension))
        return self._state

    def _read(self, dimension: int | None) -> Proposer:
        loaded = None if dimension is None else self._loaded.current(dimension)
        number, newest = (loaded.generation.number, loaded.generation.newest) if loaded else (-1, -1)
        if self._tail is None or (self._tail.generation, self._tail.newest) != (number, newest):
            self._tail = Tail(self._catalog, number, newest)
        self._tail.follow()
        return Proposer(loaded, self._tail, liveness.dead_ids(self._catalog, number))

    def _everything(self, unit: NDArray[np.float64], masks: Masks) -> dict[int, _Key]:
        kinds = [name for name, wanted in (("detection", masks.detections), ("image", masks.images)) if wanted]
        found = self._catalog.stream(f"{_COLUMNS} {_LIVE} AND v.kind IN ({_marks(kinds)})", kinds)
        keys = _keys(found, unit)
        allowed = None if masks.allowed is None else set(masks.allowed.tolist())
        return keys if allowed is None else {key: value for key, value in keys.items() if key in allowed}

    def _look_up(self, ids: Sequence[int], unit: NDArray[np.float64]) -> dict[int, _Key]:
        keys: dict[int, _Key] = {}
        for start in range(0, len(ids), _CHUNK):
            some = list(ids[start : start + _CHUNK])
            some += [-1] * (-len(some) % _STEP)
            keys.update(_keys(self._catalog.rows(f"{_COLUMNS} v.id IN ({_marks(some)}) AND {_LIVE}", some), unit))
        return keys

    def _of_kinds(self, keys: dict[int, _Key], kinds: Sequence[Kind]) -> dict[int, _Key]:
        return {key: value for key, value in keys.items() if value[1] in kinds}


def _unit(query: NDArray[np.float32], dimension: int | None) -> NDArray[np.float64]:
    if dimension is None:
        raise UsageError("the index has no vectors to compare with", "make it with an embedder, or query without text")
    wide = np.asarray(query, np.float64)
    if wide.shape != (dimension,):
        raise UsageError(
            f"the query has shape {wide.shape}, the index holds vectors of {dimension} numbers",
            "use the embedder that the index was made with",
        )
    length = math.sqrt(float(np.dot(wide, wide)))
    if not math.isfinite(length) or length == 0:
        raise UsageError("the query vector is zero or not finite")
    return np.asarray(wide / length)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


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


def _best(keys: dict[int, _Key], k: int | None) -> Found:
    ids = sorted(keys, key=keys.__getitem__)[:k]
    return np.asarray(ids, np.int64), np.asarray([-keys[key][0] for key in ids], np.float64)
