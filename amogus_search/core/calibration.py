"""From what the models said to what it means: amogusness and rarity.

A logistic curve over the log-odds of the confidence, the verifier's margin and the evidence. All its
weights but the bias are kept at zero or above, so that one more part never lowers a score. Rarity is
read off the best scores of background photos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ids import fingerprint
from amogus_search.core.intervals import proportion_interval
from amogus_search.core.types import Detections, FindingScores

_EPSILON = 1e-4
"""Keeps the log-odds of a confidence of 0 or 1 finite."""


def log_odds(probability: NDArray[Any]) -> NDArray[np.float64]:
    """log(p / (1 - p)), p held within [1e-4, 1 - 1e-4]."""
    safe = np.clip(np.asarray(probability, np.float64), _EPSILON, 1 - _EPSILON)
    return np.asarray(np.log(safe / (1 - safe)))


def logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


@dataclass(frozen=True)
class Curve:
    """Weights of one logistic curve; `parts` by evidence name."""

    bias: float
    confidence: float
    margin: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)

    def features(self, detections: Detections) -> NDArray[np.float64]:
        """(n, 2 + parts) the columns that the weights belong to."""
        return features(detections, tuple(self.parts))

    def probability(self, detections: Detections) -> NDArray[np.float64]:
        """(n,) the share of such findings that a person would call one."""
        weights = np.asarray([self.confidence, self.margin, *self.parts.values()])
        return logistic(self.bias + self.features(detections) @ weights)


def features(detections: Detections, part_names: Sequence[str]) -> NDArray[np.float64]:
    """(n, 2 + parts) log-odds of the confidence, margin (0 where there is none), evidence."""
    seen = dict(zip(detections.evidence_names, detections.evidence.T.astype(np.float64), strict=True))
    nothing = np.zeros(len(detections))
    margin = np.nan_to_num(detections.margin.astype(np.float64), nan=0.0)
    return np.stack([log_odds(detections.confidence), margin, *(seen.get(n, nothing) for n in part_names)], axis=1)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fitted calibration.

    with_margin:    the curve for findings that the verifier has seen
    without_margin: the curve for those it has not
    background:     (m,) best amogusness of each background photo (0: no finding), ascending
    made:           what it was fitted on, for people
    """

    with_margin: Curve
    without_margin: Curve
    background: NDArray[np.float64]
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Changes with any number in it, and so tells which scores are stale."""
        return fingerprint(self.to_dict())

    def amogusness(self, detections: Detections) -> NDArray[np.float64]:
        """(n,) calibrated scores."""
        unseen = np.isnan(detections.margin)
        seen, plain = self.with_margin.probability(detections), self.without_margin.probability(detections)
        return np.asarray(np.where(unseen, plain, seen), np.float64)

    def rarity(self, amogusness: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(n,) N of "1 in N ordinary photos", and (n,) whether the sample of photos ends there."""
        total = len(self.background)
        better = total - np.searchsorted(self.background, amogusness, side="left")
        return np.asarray(total / np.maximum(better, 1), np.float64), np.asarray(better == 0)

    def rarity_interval(self, amogusness: float, confidence: float = 0.95) -> tuple[float, float]:
        """Bounds of N in "1 in N ordinary photos has a finding this good", from so many photos as were looked at.

        The upper bound is infinite where the sample ends; the exact bounds of `core.intervals`, upside down.
        """
        total = len(self.background)
        better = total - int(np.searchsorted(self.background, amogusness, side="left"))
        low, high = proportion_interval(better, total, confidence)
        return 1 / high, 1 / low if low else float("inf")

    def score(self, detections: Detections) -> FindingScores:
        """Amogusness and rarity of every finding."""
        amogusness = self.amogusness(detections)
        return FindingScores(amogusness, *self.rarity(amogusness))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` is the way back."""
        curves = {
            name: {"bias": c.bias, "confidence": c.confidence, "margin": c.margin, "parts": dict(c.parts)}
            for name, c in (("with_margin", self.with_margin), ("without_margin", self.without_margin))
        }
        return {**curves, "background": [round(float(v), 6) for v in self.background], "made": dict(self.made)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """A calibration from what `to_dict` gave."""
        with_margin, without = (Curve(**values[name]) for name in ("with_margin", "without_margin"))
        return cls(with_margin, without, np.sort(np.asarray(values["background"], np.float64)), values.get("made", {}))


def uncalibrated(detections: Detections) -> FindingScores:
    """Scores for a detector that nobody calibrated: none."""
    nothing = np.full(len(detections), np.nan)
    return FindingScores(nothing, nothing.copy(), np.zeros(len(detections), bool))


def fit_curve(
    table: NDArray[np.float64], correct: NDArray[np.bool_], weight: NDArray[np.float64], *, ridge: float = 1e-3
) -> NDArray[np.float64]:
    """(1 + columns,) bias and non-negative weights of the most likely logistic curve.

    Projected gradient steps with a fixed step below 1 / Lipschitz constant, accelerated (Beck and Teboulle,
    "A Fast Iterative Shrinkage-Thresholding Algorithm", 2009).

    Args:
        table: (n, columns) features.
        correct: (n,) whether a person would call the finding one.
        weight: (n,) how much each finding counts.
        ridge: pull towards zero on all weights but the bias, so that a separable sample has an answer.
    """
    scale = np.maximum(table.std(axis=0), 1e-9)
    rows = np.concatenate([np.ones((len(table), 1)), table / scale], axis=1)
    share = weight / weight.sum()
    penalty = np.r_[0.0, np.full(table.shape[1], ridge)]
    step = 1 / (0.25 * np.linalg.eigvalsh((rows * share[:, None]).T @ rows)[-1] + ridge)
    current = look = np.zeros(rows.shape[1])
    momentum = 1.0
    for _ in range(5000):
        slope = rows.T @ (share * (logistic(rows @ look) - correct)) + penalty * look
        ahead = look - step * slope
        ahead[1:] = np.maximum(ahead[1:], 0)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        look = ahead + (momentum - 1) / following * (ahead - current)
        current, momentum = ahead, following
    return np.asarray(np.r_[current[0], current[1:] / scale], np.float64)
