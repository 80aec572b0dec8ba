"""The regions most similar to a vector: the search structure and the tail propose, the catalogue decides.

Similarities are computed from the catalogue's own rows, each checked, so that neither a search file nor what is kept
in memory can give a wrong one. What no search structure holds yet (the tail) is always compared with completely.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import UsageError
from amogus_search.store import liveness, rows
from amogus_search.store.catalog import Catalog
from amogus_search.store.generations import LoadedGeneration
from amogus_search.store.proposals import Masks, Proposer
from amogus_search.store.tail import Tail

Kind: TypeAlias = Literal["image", "detection"]
Near: TypeAlias = tuple[float, str, str, int, int]
"""A region that was compared: minus its similarity, kind, content, place (ordinal) and id.

They sort as answers are ordered, whatever the ids are."""
Found: TypeAlias = list[Near]
"""Regions, best first."""

_CHUNK = 500
_STEP = 16
"""Ids are asked for in multiples of so many, so that SQLite finds its statements prepared."""
_FEW = 2_000
"""Regions that are rather compared one by one than searched for among others."""
_TURNS = 6
"""How often a structure is asked for more before everything is compared."""
_UNIT = 1e-6
"""A vector is taken for one of length 1 up to this difference: what is rounded to float32 often is that far from it."""
_COLUMNS = f"SELECT {rows.COLUMNS['vectors']}, checksum, id FROM vectors v WHERE"
_LIVE = "NOT EXISTS (SELECT 1 FROM orphans o WHERE o.sha256 = v.sha256)"
_BY_ID = tuple(
    f"{_COLUMNS} v.id IN ({', '.join('?' * count)}) AND {_LIVE}" for count in range(_STEP, _CHUNK + _STEP, _STEP)
)
"""What finds 16, 32, ... regions by their ids."""


class _Asked(NamedTuple):
    """A question.

    vector: (d,) of any length
    length: of that
    unit:   (d,) of length 1, as a search structure is asked
    """

    vector: NDArray[np.float64]
    length: float
    unit: NDArray[np.float32]


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
        asked = _asked(query, state.dimension)
        if allowed is not None and len(allowed) <= _FEW:
            return _best([near for near in self._look_up(allowed.tolist(), asked) if near[1] in kinds], k)
        masks = Masks("detection" in kinds, "image" in kinds, allowed)
        if k is None or k > state.proposer.population // 4:
            return _best(self._everything(asked, masks), k)
        return self._proposed(state.proposer, asked, k, masks)

    def among(self, query: NDArray[np.float32], ids: Sequence[int]) -> Found:
        """The live ones of these regions, compared one by one, in the order and with the errors of `search`."""
        return _best(self._look_up(ids, _asked(query, self._current().dimension)), None)

    def _proposed(self, proposer: Proposer, asked: _Asked, k: int, masks: Masks) -> Found:
        found: Found = []
        known: set[int] = set()
        turn, far = 0, False
        while turn < _TURNS:
            proposals = proposer.propose(asked.unit, k, turn, masks, far=far)
            new = set(proposals.ids) - known
            known |= new
            found = _best([*found, *self._look_up(sorted(new), asked)], k)
            if not proposals.is_all and (not found or -found[0][0] < proposals.near_from):
                far = True
                continue
            if proposals.is_all or (len(found) == k and -found[-1][0] > proposals.floor):
                return found
            turn += 1
        return _best(self._everything(asked, masks), k)  # a graph may have parts that no way leads to

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

    def _everything(self, asked: _Asked, masks: Masks) -> Found:
        kinds = [name for name, wanted in (("detection", masks.detections), ("image", masks.images)) if wanted]
        rows_found = self._catalog.stream(f"{_COLUMNS} {_LIVE} AND v.kind IN ({_marks(kinds)})", kinds)
        found = _compared_in_pieces(rows_found, asked)
        allowed = None if masks.allowed is None else set(masks.allowed.tolist())
        return found if allowed is None else [near for near in found if near[-1] in allowed]

    def _look_up(self, ids: Sequence[int], asked: _Asked) -> Found:
        found: Found = []
        for start in range(0, len(ids), _CHUNK):
            some = list(ids[start : start + _CHUNK])
            statement = _BY_ID[(len(some) - 1) // _STEP]
            some += [-1] * (-len(some) % _STEP)
            found += _compared(self._catalog.rows(statement, some), asked)
        return found


def _asked(query: NDArray[np.float32], dimension: int | None) -> _Asked:
    if dimension is None:
        raise UsageError("the index has no vectors to compare with", "make it with an embedder, or query without text")
    wide = np.asarray(query, np.float64)
    if wide.shape != (dimension,):
        raise UsageError(
            f"the query has shape {wide.shape}, the index holds vectors of {dimension} numbers",
            "use the embedder that the index was made with",
        )
    length = math.sqrt(wide.dot(wide))
    if not math.isfinite(length) or length == 0:
        raise UsageError("the query vector is zero or not finite")
    is_unit = abs(length - 1) < _UNIT
    return _Asked(wide, length, np.asarray(wide if is_unit else wide / length, np.float32))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _compared_in_pieces(found: Iterable[rows.Row], asked: _Asked) -> Found:
    """The same as `_compared`, of many rows."""
    compared: Found = []
    waiting: list[rows.Row] = []
    for row in found:
        waiting.append(row)
        if len(waiting) == _CHUNK:
            compared += _compared(waiting, asked)
            waiting = []
    return compared + _compared(waiting, asked)


def _compared(found: Sequence[rows.Row], asked: _Asked) -> Found:
    """Checked rows (checksum and id last) with their similarities, in any order."""
    if not found:
        return []
    rows.check_vectors(found)
    products = rows.similarities([row[3] for row in found], asked.vector, asked.length)
    return [
        (-product, kind, sha256, ordinal, key)
        for product, (kind, sha256, ordinal, _, _, key) in zip(products, found, strict=True)
    ]


def _best(found: Found, k: int | None) -> Found:
    return sorted(found)[:k]
