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
_NONE = np.zeros(0, np.int64)
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

    ids:       (m,) int64
    floor:     a region that was not proposed is at most so similar, as far as the structure can tell
    is_all:    every region was proposed
    near_from: a query whose best is less similar lies far from all regions, and should be asked as such
    """

    ids: NDArray[np.int64]
    floor: float
    is_all: bool
    near_from: float = -math.inf


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
            parts.append(self._of_structure(self._loaded, unit, k, turn, masks, far=far))
        if len(parts) == 1:
            return parts[0]
        return Proposals(
            np.concatenate([_NONE, *(part.ids for part in parts)]),
            max((part.floor for part in parts if not part.is_all), default=-math.inf),
            all(part.is_all for part in parts),
            max((part.near_from for part in parts), default=-math.inf),
        )

    def _of_structure(
        self, loaded: Loaded, unit: NDArray[np.float32], k: int, turn: int, masks: Masks, *, far: bool
    ) -> Proposals:
        rows = self._rows(loaded, masks)
        within = loaded.generation.count if rows is None else len(rows) if isinstance(rows, range) else int(rows.sum())
        if not within:
            return Proposals(_NONE, -math.inf, True)
        settings = loaded.generation.settings
        is_exact = bool(settings["is_exact"])
        asked = min(within, candidates(settings, k * 4**turn, far=far))
        share = within / loaded.generation.count
        effort = effort_for(settings, loaded.structure.lists, k * 16**turn, share, far=far)
        found, values = loaded.structure.search(unit[None], asked, effort=effort, rows=rows)
        proposed = found[0] if found[0, -1] >= 0 else found[0][found[0] >= 0]  # -1 stands behind the others
        # One that may skip regions says nothing about those; it is asked again only if too few are found.
        floor = -math.inf
        if is_exact and len(proposed):
            rounding = _ROUNDING if settings["structure"] == "Flat" else _ROUNDING_FP16 / math.sqrt(len(unit))
            floor = float(values[0, len(proposed) - 1]) + rounding
        looked_at_all = is_exact or (loaded.structure.lists and effort >= loaded.structure.lists)
        is_all = len(proposed) >= within or (bool(looked_at_all) and len(proposed) < asked)
        near_from = -math.inf if far else float(settings["search"].get("near_from", -math.inf))
        return Proposals(loaded.regions[proposed], floor, is_all, near_from)

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
        ids, products = [_NONE], [np.zeros(0, np.float32)]
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
        return Proposals(every, floor, is_all)

    def _may(self, block: Block, masks: Masks) -> NDArray[np.bool_] | None:
        if masks.detections and masks.images and masks.allowed is None and not len(self._dead):
            return None
        may = np.where(block.is_image, masks.images, masks.detections)
        if len(self._dead):
            may &= ~np.isin(block.ids, self._dead)
        if masks.allowed is not None:
            may &= np.isin(block.ids, masks.allowed)
        return may


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
