"""Which search structure fits how many regions and what budget. Pure functions of numbers.

| regions | structure | why |
|---|---|---|
| all can be compared within the latency | Flat, from 64 MB on SQfp16 | exact, and nothing to train |
| their fp16 copies fit, or may be mapped | IVF, SQfp16 | looks at some lists, each region in them as it is |
| their bytes fit | IVF, SQ8 | half of it, nearly as sharp |
| more | PCA, IVF, PQ with four bits | coarse and small; the catalogue's rows decide among many candidates |

HNSW is quicker to ask than IVF at the same recall, but its graph depends on how threads take turns, and built by one
thread it takes many times as long: it can be asked for by name, and is not chosen.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from amogus_search.core.types import Vectors
from amogus_search.settings import BUDGET, STRUCTURE, SearchBudget

SCANNED_BYTES_PER_MS = 6_000_000
"""What one core compares in a millisecond, at the slow end of today's machines."""
_FLAT_BYTES = 64_000_000
_KEPT_ENERGY = 0.99
_SPECTRUM_ROWS = 32_768
_FP16, _SQ8, _ID = 2, 1, 8
_PER_LIST = 50
"""Regions to train each list with; FAISS asks for 39 at least."""
_LEAST_TRAINING = 20_000
_EXACT = re.compile(r"Flat|SQfp16")


@dataclass(frozen=True)
class Plan:
    """A search structure to be built.

    structure:     its name for FAISS' factory
    is_exact:      whether it compares with every region, so that what it finds needs no more than rounding in mind
    training_rows: regions to train it with; 0 for an exact one
    tail_rows:     regions outside it up to which it is not built anew; 0: it costs less than they do
    memory_bytes:  about what it takes
    compresses:    whether it keeps less of a region than one byte a number
    """

    structure: str
    is_exact: bool
    training_rows: int
    tail_rows: int
    memory_bytes: int
    compresses: bool = False


def plan(rows: int, dimension: int, budget: SearchBudget = BUDGET, kept: int | None = None) -> Plan:
    """The structure for so many regions.

    Args:
        rows: regions, >= 1.
        dimension: numbers a vector.
        budget: what it may cost, and how good it must be.
        kept: directions that matter (`kept_directions`), for a structure that compresses; None: all.
    """
    if budget.structure is not None:
        return _named(rows, dimension, budget)
    fits = budget.memory_bytes if not budget.mapped else math.inf
    if budget.recall >= 1 or rows * dimension * _FP16 <= budget.latency_ms * SCANNED_BYTES_PER_MS:
        wide = rows * dimension * 4
        structure = "Flat" if wide <= min(_FLAT_BYTES, fits) else "SQfp16"
        return Plan(structure, True, 0, 0, wide if structure == "Flat" else wide // 2)
    lists = list_count(rows)
    for code, bytes_each in (("SQfp16", _FP16), ("SQ8", _SQ8)):
        memory = rows * (dimension * bytes_each + _ID) + lists * dimension * 4
        if memory <= fits:
            return _trained(f"IVF{lists},{code}", rows, dimension, budget, memory)
    return _compressed(rows, dimension, budget, kept or dimension)


def list_count(rows: int) -> int:
    """Lists of an inverted file: the power of two next to twice the square root, so that both levels cost alike."""
    return int(2 ** max(2, round(math.log2(2 * math.sqrt(rows)))))


def tail_limit(rows: int, dimension: int, budget: SearchBudget) -> int:
    """Regions outside a structure of so many: a share of them, and no more than half of the latency allows."""
    affordable = budget.latency_ms * SCANNED_BYTES_PER_MS / 2 / (4 * dimension)
    return int(min(STRUCTURE.tail_share * rows, affordable))


def kept_directions(sample: Vectors) -> int:
    """How many principal directions hold nearly all of the differences between (n, d) vectors; a multiple of eight."""
    some = sample[:: -(-len(sample) // _SPECTRUM_ROWS)]
    centred = some - some.mean(axis=0)
    energy = np.linalg.eigvalsh((centred.T @ centred).astype(np.float64))[::-1].clip(min=0)
    dimension = int(sample.shape[1])
    if not energy.sum():
        return dimension
    needed = int(np.searchsorted(np.cumsum(energy) / energy.sum(), _KEPT_ENERGY)) + 1
    return min(dimension, max(32, -(-needed // 8) * 8))


def _compressed(rows: int, dimension: int, budget: SearchBudget, kept: int) -> Plan:
    """Four bits for each kept direction, or for two or four of them together, whichever the memory allows."""
    lists = list_count(rows)
    for together in (1, 2, 4):
        parts = max(1, kept // together)
        memory = rows * ((parts + 1) // 2 + _ID) + lists * kept * 4
        if memory <= budget.memory_bytes:
            break
    width = parts * together
    return _trained(f"PCAR{width},IVF{lists},PQ{parts}x4fs", rows, dimension, budget, memory, compresses=True)


def _trained(
    structure: str, rows: int, dimension: int, budget: SearchBudget, memory: int, *, compresses: bool = False
) -> Plan:
    lists = re.search(r"IVF(\d+)", structure)
    wanted = max(_PER_LIST * int(lists[1]) if lists else 0, _LEAST_TRAINING)
    training = max(1, min(wanted, STRUCTURE.training_rows, rows - min(STRUCTURE.queries, rows // 2)))
    return Plan(structure, False, training, tail_limit(rows, dimension, budget), memory, compresses)


def _named(rows: int, dimension: int, budget: SearchBudget) -> Plan:
    structure = str(budget.structure)
    if _EXACT.fullmatch(structure):
        return Plan(structure, True, 0, 0, rows * dimension * (4 if structure == "Flat" else _FP16))
    return _trained(structure, rows, dimension, budget, rows * dimension * _FP16)
