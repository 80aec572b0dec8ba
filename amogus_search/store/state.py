"""What an index is searched with, for people and programs to read."""

from __future__ import annotations

from pathlib import Path

from amogus_search.store import generations, liveness
from amogus_search.store.catalog import Catalog


def search_state(folder: Path, catalog: Catalog) -> dict[str, object]:
    """The newest generation that can be opened, in plain values.

    generation:    its number, larger for each that is built; 0: there is none
    structure:     FAISS' name of it; None: there is none, and every region is compared
    is_exact:      whether it compares with every region
    rows:          regions in it
    recall:        share of the ten truly nearest that were found for held-out queries; None: not measured
    ms:            median of one query, to the checked similarities; None: not measured
    far_recall, far_ms: the same for queries like no region, as texts are; None for an exact one
    exact_ms:      about what comparing one query with all in memory takes; None for an exact one
    built:         when, as ISO 8601
    build_seconds: how long that took
    bytes:         of its file
    tail, tail_share:       live regions outside it, which are compared one by one, and their share of it
    deleted, deleted_share: regions in it that are gone
    """
    with catalog.snapshot():
        for generation in generations.generations(catalog):
            if generation.opened(folder) is not None:
                return _described(folder, catalog, generation)
        tail = liveness.counts(catalog, -1, -1)[1]
    return {"generation": 0, "structure": None, "is_exact": True, "rows": 0, "tail": tail}


def _described(folder: Path, catalog: Catalog, generation: generations.Generation) -> dict[str, object]:
    live, outside = liveness.counts(catalog, generation.number, generation.newest)
    # A revived region may be in it after all, and be looked at twice; it is not gone.
    gone = max(generation.count - max(live - outside, 0), 0)
    measured = generation.settings.get("measured", {})
    return {
        "generation": generation.number,
        "structure": generation.settings["structure"],
        "is_exact": generation.settings["is_exact"],
        "rows": generation.count,
        "recall": measured.get("recall"),
        "ms": measured.get("ms"),
        "far_recall": measured.get("far_recall"),
        "far_ms": measured.get("far_ms"),
        "exact_ms": measured.get("exact_ms"),
        "built": measured.get("built"),
        "build_seconds": measured.get("seconds"),
        "bytes": (folder / Path(generation.file).name).stat().st_size,
        "tail": outside,
        "tail_share": round(outside / generation.count, 4),
        "deleted": gone,
        "deleted_share": round(gone / generation.count, 4),
        "search": dict(generation.settings["search"]),
        "budget": dict(generation.settings["budget"]),
    }
