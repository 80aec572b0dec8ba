"""What each opinion adds to amogusness: curves from fewer of them, fitted on one half and measured on the other.

The opinions are the detector's confidence, the parts that its keypoints show, the colours of the box, and the second
look at the crop (the margin). The halves go by content, as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from amogus_search.core.calibration import Calibration, Curve
from amogus_search.core.motif import Motif
from amogus_search.core.splits import is_for_fitting
from amogus_search.core.types import Detections, FindingScores
from amogus_search.errors import AmogusError
from amogus_search.evaluation import measures
from amogus_search.evaluation.calibration import Groups, fitted_curve, pooled_groups
from amogus_search.evaluation.records import records_of
from amogus_search.evaluation.report import plain


@dataclass(frozen=True)
class AblationRow:
    """Amogusness from some opinions, measured on the half it was not fitted on; None where nothing can be measured.

    calibration_error, auc, ap50: see `evaluation.measures.headline`, in the stated mix
    recall, false_per_100:        at the threshold
    weights:                      of the curve, by opinion; zero ones left out
    """

    opinions: str
    calibration_error: float | None
    auc: float | None
    ap50: float | None
    recall: float | None
    false_per_100: float | None
    weights: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def ablate(groups: Groups, motif: Motif, threshold: float) -> list[AblationRow]:
    """One row a set of opinions, from the confidence alone to all of them.

    Args:
        groups: name -> (judged pictures of both halves, how many pictures they stand for).
        motif: tells parts from colours.
        threshold: amogusness from which a finding counts.

    Raises:
        AmogusError: one of the halves has no findings, or there is nothing real or nothing false among them.
    """
    fit_half, report_half = _half(groups, for_fitting=True), _half(groups, for_fitting=False)
    if not all(
        any(len(one.detections) for judged, _ in half.values() for one in judged) for half in (fit_half, report_half)
    ):
        raise AmogusError("one of the halves has no findings at all", "give more labelled pictures")
    together, correct, weight = pooled_groups(_with_findings(fit_half))
    if correct.all() or not correct.any():
        raise AmogusError("all findings to fit on are alike", "give pictures with amogi and such without")
    has_margin = not np.isnan(together.margin).any()
    rows = []
    for name, margin, parts in _opinions(motif, has_margin):
        curve = fitted_curve(together, correct, weight, margin=margin, parts=parts)
        rows.append(_row(name, curve, report_half, threshold))
    return rows


def _opinions(motif: Motif, has_margin: bool) -> list[tuple[str, bool, Collection[str]]]:
    """(name, whether the margin counts, evidence that counts)."""
    parts, colours, everything = tuple(motif.parts), tuple(motif.colours), motif.evidence_names
    rows: list[tuple[str, bool, Collection[str]]] = [("confidence", False, ())]
    if parts:
        rows.append(("confidence + parts", False, parts))
    if colours:
        rows.append(("confidence + colours", False, colours))
    if parts and colours:
        rows.append(("confidence + parts + colours", False, everything))
    if has_margin:
        rows += [("confidence + margin", True, ()), ("all", True, everything)]
    return rows


def _half(groups: Groups, *, for_fitting: bool) -> Groups:
    """The same mix with half of the pictures."""
    return {
        name: ([one for one in judged if is_for_fitting(one.sha256) == for_fitting], worth)
        for name, (judged, worth) in groups.items()
    }


def _with_findings(groups: Groups) -> Groups:
    return {name: pair for name, pair in groups.items() if any(len(one.detections) for one in pair[0])}


def _row(name: str, curve: Curve, groups: Groups, threshold: float) -> AblationRow:
    scorer = _scorer(curve)
    records, weights = [], []
    for judged, worth in groups.values():
        records += records_of(judged, scorer)
        weights += [worth / max(1, len(judged))] * len(judged)
    values = measures.headline(measures.pool_records(records), threshold, np.asarray(weights))
    shares = {"confidence": curve.confidence, "margin": curve.margin, **curve.parts}
    said = " ".join(f"{part} {share:.2f}" for part, share in shares.items() if share > 0.005)
    named = {key: plain(values[key]) for key in ("calibration_error", "auc", "ap50", "recall", "false_per_100")}
    return AblationRow(opinions=name, **named, weights=said)


def _scorer(curve: Curve) -> Callable[[Detections], FindingScores]:
    """Amogusness by one curve for all findings, whether a verifier saw them or not."""
    calibration = Calibration(curve, replace(curve, margin=0.0), np.asarray([math.inf]))
    return calibration.score
