"""Fit and check a calibration: from judged findings to curves, and how honest they are on other findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.calibration import Calibration, Curve, features, fit_curve
from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections
from amogus_search.evaluation.detection import Judged

Groups: TypeAlias = Mapping[str, tuple[Sequence[Judged], float]]
"""Name -> judged pictures, and how many pictures they stand for."""


def findings_of(judged: Sequence[Judged]) -> tuple[Detections, NDArray[np.bool_]]:
    """All findings pooled, and (n,) whether each one is real."""
    some = [one for one in judged if len(one.detections)]
    together = Detections.concatenate([one.detections for one in some])
    return together, np.concatenate([one.taken >= 0 for one in some])


def fitted_curve(
    detections: Detections,
    correct: NDArray[np.bool_],
    weight: NDArray[np.float64],
    *,
    margin: bool = True,
    parts: Collection[str] | None = None,
) -> Curve:
    """The curve from some opinions: the confidence, the verifier's margin if wanted, and the named evidence.

    Args:
        parts: of the evidence; None: all of it. What is left out gets no weight.
    """
    names = detections.evidence_names
    table = features(detections, names)
    used = [True, margin, *(parts is None or name in parts for name in names)]
    bias, confidence, slope, *shares = fit_curve(table * used, correct, weight)
    return Curve(
        float(bias), float(confidence), float(slope), {n: float(w) for n, w in zip(names, shares, strict=True)}
    )


def pooled_groups(groups: Groups) -> tuple[Detections, NDArray[np.bool_], NDArray[np.float64]]:
    """All findings of all groups, whether each is real, and how much each counts in the mix."""
    found = [(*findings_of(judged), worth / max(1, len(judged))) for judged, worth in groups.values()]
    together = Detections.concatenate([detections for detections, _, _ in found])
    weights = [np.full(len(detections), share) for detections, _, share in found]
    return together, np.concatenate([correct for _, correct, _ in found]), np.concatenate(weights)


def fit(
    groups: Groups,
    background: Sequence[Judged],
    motif: Motif,
    made: Mapping[str, Any],
) -> Calibration:
    """Fit both curves on a stated mix of findings, then read rarity off background photos.

    Args:
        groups: name -> (judged pictures, how many pictures' worth they stand for). The weights state the
            world in which amogusness is a share: how many renders and how many photos a person points it at.
        background: ordinary photos without the motif.
        made: what to write down about it.
    """
    together, correct, weight = pooled_groups(groups)
    has_margin = not np.isnan(together.margin).any()
    without = fitted_curve(together, correct, weight, margin=False)
    with_margin = fitted_curve(together, correct, weight) if has_margin else without
    draft = Calibration(with_margin, without, np.zeros(0), made)
    best = [float(draft.amogusness(one.detections).max(initial=0.0)) for one in background]
    mix = {name: {"pictures": len(judged), "worth": worth} for name, (judged, worth) in groups.items()}
    return Calibration(
        with_margin, without, np.sort(best), {**made, "motif": motif.name, "mix": mix, "background": len(background)}
    )


@dataclass(frozen=True)
class ReliabilityBin:
    """Findings of like probability: what was stated of them on average, and the share that was real.

    weight: how much they count together, of all findings
    """

    stated: float
    real: float
    weight: float
    findings: int


def reliability(
    probability: NDArray[Any], correct: NDArray[np.bool_], bins: int = 10, *, weight: NDArray[np.float64] | None = None
) -> list[ReliabilityBin]:
    """Bins of equal mass by rising probability; fewer where there are fewer findings.

    Args:
        probability: (n,) stated.
        correct: (n,) whether it was real.
        weight: (n,) how much each counts; by default once.
    """
    mass = np.ones(len(probability)) if weight is None else weight
    order = np.argsort(probability, kind="stable")
    order = order[mass[order] > 0]
    if not len(order):
        return []
    ends = np.cumsum(mass[order])
    place = np.minimum((ends - mass[order] / 2) / ends[-1] * bins, bins - 1).astype(int)
    chunks = [order[place == number] for number in range(bins)]
    return [
        ReliabilityBin(
            stated=float(np.average(probability[rows].astype(np.float64), weights=mass[rows])),
            real=float(np.average(correct[rows], weights=mass[rows])),
            weight=float(mass[rows].sum() / ends[-1]),
            findings=len(rows),
        )
        for rows in chunks
        if len(rows)
    ]


def expected_error(
    probability: NDArray[Any], correct: NDArray[np.bool_], bins: int = 10, *, weight: NDArray[np.float64] | None = None
) -> float:
    """Expected calibration error over equal-mass bins (Naeini et al., 2015); NaN without findings."""
    found = reliability(probability, correct, bins, weight=weight)
    return sum(one.weight * abs(one.stated - one.real) for one in found) if found else float("nan")


def area_under_curve(
    score: NDArray[Any], correct: NDArray[np.bool_], *, weight: NDArray[np.float64] | None = None
) -> float:
    """Chance that a real finding scores above a false one, ties counting half; NaN without one of each."""
    mass = np.ones(len(score)) if weight is None else weight
    order = np.argsort(score[~correct], kind="stable")
    false, below = score[~correct][order], np.r_[0.0, np.cumsum(mass[~correct][order])]
    real = mass[correct]
    if not real.sum() or not below[-1]:
        return float("nan")
    first, last = (np.searchsorted(false, score[correct], side=side) for side in ("left", "right"))
    return float(real @ (below[first] + below[last]) / 2 / below[-1] / real.sum())
