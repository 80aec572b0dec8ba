"""Which regions are worth a look into the catalogue: the best of the search structure, and the best of the tail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.store.generations import Loaded
from amogus_search.store.tail import Block, Tail

_SPARE = 8
_SPARE_FP16 = 22
_SPARE_TUNED = 2
"""Candidates beyond those wanted: for ties and rounding; a tuned structure has its own."""
_GROWTH = 0.75
_ROUNDING = 1e-5
"""By how much float32 sums may differ from ours."""
_ROUNDING_FP16 = 2e-3
"""The same, times the root of the dimension, of products with vectors that were rounded to float16 once more: their
errors of 2**-12 a number have any sign, and this is some ten times what is left of them in a sum."""
TOP = 10
"""For how many results `effort` and `candidates` of a structure were found."""


@dataclass(frozen=True, eq=False)
class Masks:
    """Which regions may be proposed: findings, whole images, and only of `allowed` ids if there are any."""

    detections: bool
    images: bool
    allowed: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Proposals:
    """Regions to be looked up.

    ids:       m of them
    floor:     a region that was not proposed is at most so similar, as far as the structure can tell
    is_all:    every region was proposed
    near_from: a query whose best is less similar lies far from all regions, and should be asked as such
    """

    ids: list[int]
    floor: float
    is_all: bool
    near_from: float = -math.inf


@dataclass(frozen=True, eq=False)
class _Way:
    """How a structure is asked for so many regions, and what its answer means.

    rows:      those that may be proposed; None: all
    within:    how many these are
    asked:     how many are wanted of it
    effort:    its knob
    rounding:  what is not proposed is at most so much more similar than the last that is; None: nothing is known of it
    is_all:    whether an answer of fewer than `asked` is all there is
    near_from: as in `Proposals`
    """

    rows: range | NDArray[np.bool_] | None
    within: int
    asked: int
    effort: int
    rounding: float | None
    is_all: bool
    near_from: float


class Proposer:
    """Asks a search structure and a tail.

    Args:
        loaded: the structure; None: there is none.
        tail: the regions outside it.
        dead: ids of regions that are gone; they may still be proposed if they are not in it.
    """

    def __init__(self, loaded: Loaded | None, tail: Tail, dead: NDArray[np.int64]) -> None:
        self._loaded = loaded
        self._tail = tail
        self._dead = dead
        self._alive: NDArray[np.bool_] | None = None
        self._ways: dict[tuple[int, int, bool, bool, bool], _Way] = {}

    @property
    def population(self) -> int:
        """How many regions there are about; the dead are among them."""
        return (self._loaded.generation.count if self._loaded else 0) + len(self._tail)

    def propose(self, unit: NDArray[np.float32], k: int, turn: int, masks: Masks, *, far: bool = False) -> Proposals:
        """The regions most similar to a (d,) unit vector, k of the structure and k of the tail at least.

        Args:
            unit: the query.
            k: how many are wanted.
            turn: how often this query was asked before, and gave too few; four times as much is looked at each time.
            masks: which may be proposed.
            far: the query is like no region, as a text is; its best lie scattered, so more is looked at.
        """
        parts = [] if self._tail.is_empty else [self._of_tail(unit, k * 4**turn, masks)]
        if self._loaded is not None:
            parts.append(_of_structure(self._loaded, unit, self._way(self._loaded, k, turn, masks, far=far)))
        if len(parts) == 1:
            return parts[0]
        return Proposals(
            [key for part in parts for key in part.ids],
            max((part.floor for part in parts if not part.is_all), default=-math.inf),
            all(part.is_all for part in parts),
            max((part.near_from for part in parts), default=-math.inf),
        )

    def _way(self, loaded: Loaded, k: int, turn: int, masks: Masks, *, far: bool) -> _Way:
        """Found out once for each number of results: thinking of it takes as long as a tenth of a search."""
        if masks.allowed is not None:
            return self._new_way(loaded, k, turn, masks, far=far)
        key = (k, turn, masks.detections, masks.images, far)
        if key not in self._ways:
            self._ways[key] = self._new_way(loaded, k, turn, masks, far=far)
        return self._ways[key]

    def _new_way(self, loaded: Loaded, k: int, turn: int, masks: Masks, *, far: bool) -> _Way:
        settings, lists = loaded.generation.settings, loaded.structure.lists
        rows = self._rows(loaded, masks)
        within = loaded.generation.count if rows is None else len(rows) if isinstance(rows, range) else int(rows.sum())
        share = within / loaded.generation.count
        effort = effort_for(settings, lists, k * 16**turn, share, far=far) if within else 0
        rounding = None  # one that may skip regions says nothing about those; it is asked again if too few are found
        if settings["is_exact"]:
            dimension = loaded.structure.dimension
            rounding = _ROUNDING if settings["structure"] == "Flat" else _ROUNDING_FP16 / math.sqrt(dimension)
        return _Way(
            rows=rows,
            within=within,
            asked=min(within, candidates(settings, k * 4**turn, far=far)),
            effort=effort,
            rounding=rounding,
            is_all=bool(settings["is_exact"]) or bool(lists and effort >= lists),
            near_from=-math.inf if far else float(settings["search"].get("near_from", -math.inf)),
        )

    def _rows(self, loaded: Loaded, masks: Masks) -> range | NDArray[np.bool_] | None:
        """The rows of the structure that may be proposed: all, a range, or those of a mask."""
        generation = loaded.generation
        start = 0 if masks.detections else generation.detection_rows
        within = range(start, generation.count if masks.images else generation.detection_rows)
        if not len(self._dead) and masks.allowed is None:
            return None if len(within) == generation.count else within
        if self._alive is None:
            self._alive = ~_marked(loaded, self._dead)
        mask = np.zeros(generation.count, bool)
        mask[within.start : within.stop] = self._alive[within.start : within.stop]
        if masks.allowed is not None:
            mask &= _marked(loaded, masks.allowed)
        return mask

    def _of_tail(self, unit: NDArray[np.float32], k: int, masks: Masks) -> Proposals:
        wanted = k + _SPARE
        ids, products = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        is_all = True
        for block in self._tail.blocks():
            found = block.vectors @ unit
            may = self._may(block, masks)
            if may is not None:
                found[~may] = -np.inf
            best = np.flatnonzero(found > -np.inf)
            if len(best) > wanted:
                best = np.argpartition(-found, wanted)[:wanted]
                is_all = False
            ids.append(block.ids[best])
            products.append(found[best])
        every, similar = np.concatenate(ids), np.concatenate(products)
        if len(every) > wanted:
            best = np.argpartition(-similar, wanted)[:wanted]
            every, similar, is_all = every[best], similar[best], False
        floor = float(similar.min()) + _ROUNDING if len(similar) else -math.inf
        return Proposals(every.tolist(), floor, is_all)

    def _may(self, block: Block, masks: Masks) -> NDArray[np.bool_] | None:
        if masks.detections and masks.images and masks.allowed is None and not len(self._dead):
            return None
        may = np.where(block.is_image, masks.images, masks.detections)
        if len(self._dead):
            may &= ~np.isin(block.ids, self._dead)
        if masks.allowed is not None:
            may &= np.isin(block.ids, masks.allowed)
        return may


def _of_structure(loaded: Loaded, unit: NDArray[np.float32], way: _Way) -> Proposals:
    if not way.within:
        return Proposals([], -math.inf, True)
    found, values = loaded.structure.search_one(unit, way.asked, way.effort, way.rows)
    if found[-1] < 0:  # -1 stands behind the others
        found = [row for row in found if row >= 0]
    floor = -math.inf if way.rounding is None or not found else float(values[len(found) - 1]) + way.rounding
    is_all = len(found) >= way.within or (way.is_all and len(found) < way.asked)
    return Proposals(loaded.ids(found), floor, is_all, way.near_from)


def _marked(loaded: Loaded, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(count,) which rows hold regions of these ids."""
    flags = np.zeros(max(loaded.generation.newest, 0) + 1, bool)
    flags[ids[(ids >= 0) & (ids < len(flags))]] = True
    return flags[loaded.regions]


def candidates(settings: Mapping[str, Any], k: int, *, far: bool = False) -> int:
    """Regions that a structure proposes so that the k best are among them."""
    if settings["is_exact"]:
        return k + (_SPARE if settings["structure"] == "Flat" else _SPARE_FP16)
    tuned = float(settings["search"]["far_candidates" if far else "candidates"])
    # More results need more candidates, but fewer for each: the first of them are found among those of the others.
    return max(k, math.ceil(tuned * math.pow(k / TOP, _GROWTH))) + _SPARE_TUNED


def effort_for(settings: Mapping[str, Any], lists: int, k: int, share: float, *, far: bool = False) -> int:
    """The knob for k results among a share of all regions: more for more of them, or for good ones further apart."""
    effort = float(settings["search"].get("far_effort" if far else "effort", 0)) * math.sqrt(max(k / TOP, 1.0) / share)
    return min(math.ceil(effort), lists) if lists else math.ceil(effort)
