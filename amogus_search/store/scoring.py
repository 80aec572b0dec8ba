"""Derived scores: computed from the stored answers of the models, tagged with the calibration they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from amogus_search.core.calibration import uncalibrated
from amogus_search.core.types import Detections, FindingScores
from amogus_search.errors import IndexStateError
from amogus_search.store import rows
from amogus_search.store.catalog import Catalog

ScoreFn: TypeAlias = Callable[[Detections], FindingScores]
Scorer: TypeAlias = Callable[[Detections], tuple[FindingScores, str | None]]
"""Findings -> their scores, and the calibration to tag them with."""
_CHUNK = 10_000


def calibration_id(catalog: Catalog) -> str | None:
    """The calibration that all scores come from; None: there is none."""
    value = catalog.get_meta("calibration_id")
    return None if value is None else str(value)


def scorer(catalog: Catalog, score: ScoreFn | None) -> Scorer:
    """What scores new findings as all others in the index are."""
    current = calibration_id(catalog)

    def scored(found: Detections) -> tuple[FindingScores, str | None]:
        if current is None:
            return uncalibrated(found), None
        if score is None:
            raise IndexStateError(
                f"the index has scores of calibration {current}, and new findings cannot be scored without it",
                "call rescore() with a calibration before writing",
            )
        return score(found), current

    return scored


def rescore(
    catalog: Catalog, new_id: str | None, score: ScoreFn | None, names: tuple[tuple[str, ...], tuple[str, ...]]
) -> int:
    """Recompute all scores in one transaction, unless they come from this calibration; how many were."""
    if (new_id is None) != (score is None):
        raise ValueError("a calibration id and its function belong together")
    if calibration_id(catalog) == new_id:
        return 0
    with catalog.transaction():
        catalog.run("DELETE FROM scores")
        catalog.set_meta("calibration_id", new_id)
        return score_missing(catalog, scorer(catalog, score), names)


def score_missing(catalog: Catalog, scored: Scorer, names: tuple[tuple[str, ...], tuple[str, ...]]) -> int:
    """Score every finding that has no score, inside the caller's transaction; how many there were."""
    sql = (
        f"SELECT {rows.COLUMNS['detections']}, checksum, id FROM detections "
        f"WHERE id > ? AND id NOT IN (SELECT detection FROM scores) ORDER BY id LIMIT {_CHUNK}"
    )
    done, last = 0, -1
    while found := catalog.rows(sql, (last,)):
        values = [rows.checked("detections", row[:-1]) for row in found]
        ids = [row[-1] for row in found]
        scores, calibration = scored(rows.detections_of(values, *names))
        columns = rows.score_values(ids, scores, calibration)
        catalog.run_many(rows.insert("scores"), [rows.sealed(row) for row in columns])
        done, last = done + len(ids), ids[-1]
    return done


def best_first(found: Detections, scores: FindingScores) -> np.ndarray:
    """Row numbers by amogusness, or confidence where it is unknown, best first; ties stay as they are."""
    best = np.where(np.isnan(scores.amogusness), found.confidence, scores.amogusness)
    return np.argsort(-best, kind="stable")
