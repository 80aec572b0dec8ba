"""Which findings count: one rule for `detect`, `status` and the exports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Detections, FindingScores


@dataclass(frozen=True)
class Threshold:
    """What a finding must reach; a bound that is None is not asked for.

    min_amogusness:            calibrated score, 0..1
    min_confidence:            raw detector score, 0..1
    uncalibrated_confidence:   raw score asked instead of `min_amogusness` where a finding has no calibrated one;
        None: such a finding never passes a bound on amogusness
    """

    min_amogusness: float | None = None
    min_confidence: float | None = None
    uncalibrated_confidence: float | None = None

    def passes(self, detections: Detections, scores: FindingScores) -> NDArray[np.bool_]:
        """(n,) whether each finding counts."""
        passing = np.ones(len(detections), bool)
        if self.min_confidence is not None:
            passing &= detections.confidence >= np.float32(self.min_confidence)
        if self.min_amogusness is not None:
            instead = np.inf if self.uncalibrated_confidence is None else self.uncalibrated_confidence
            known = ~np.isnan(scores.amogusness)
            passing &= np.where(known, scores.amogusness >= self.min_amogusness, detections.confidence >= instead)
        return passing
