"""Detection metrics over many pictures: matching, average precision, keypoint accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import best_first, iou
from amogus_search.core.types import Boxes, Scores


@dataclass(frozen=True, eq=False)
class Matches:
    """Findings of all pictures pooled.

    score:    (n,) the ranking score of each finding
    correct:  (n,) whether it was matched to a true box
    expected: how many true boxes there are
    weight:   (n,) how often each finding counts, where that is not once; then `expected` is a sum of weights too
    """

    score: Scores
    correct: NDArray[np.bool_]
    expected: float
    weight: NDArray[np.float64] | None = None

    def counted(self, threshold: float, *, correct: bool) -> float:
        """How many findings there are with at least this score that are correct, or that are not."""
        rows = (self.score >= threshold) & (self.correct == correct)
        return float(rows.sum() if self.weight is None else self.weight[rows].sum())


def match(boxes_xyxy: Boxes, score: Scores, truth_xyxy: Boxes, min_iou: float) -> NDArray[np.int64]:
    """(n,) for each finding the row of the true box it takes, or -1; best findings choose first."""
    taken = np.full(len(boxes_xyxy), -1, np.int64)
    if not len(truth_xyxy):
        return taken
    overlap = iou(boxes_xyxy, truth_xyxy)
    for row in best_first(boxes_xyxy, score):
        best = int(overlap[row].argmax())
        if overlap[row, best] >= min_iou:
            taken[row] = best
            overlap[:, best] = -1
    return taken


def pool(pictures: Iterable[tuple[Boxes, Scores, Boxes]], min_iou: float = 0.5) -> Matches:
    """Match every picture's (found boxes, scores, true boxes) and pool the outcome."""
    scores, correct, expected = [np.zeros(0, np.float32)], [np.zeros(0, bool)], 0
    for found, score, truth in pictures:
        scores.append(score)
        correct.append(match(found, score, truth, min_iou) >= 0)
        expected += len(truth)
    return Matches(np.concatenate(scores), np.concatenate(correct), expected)


def precision_recall(matches: Matches) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall after each finding, from the best score down."""
    order = np.argsort(-matches.score, kind="stable")
    weight = np.ones(len(order)) if matches.weight is None else matches.weight[order]
    hits, seen = np.cumsum(weight * matches.correct[order]), np.cumsum(weight)
    return hits / np.maximum(seen, 1e-12), hits / max(matches.expected, 1e-12)


def average_precision(matches: Matches) -> float:
    """Area under the precision envelope over 101 recall points, as COCO computes it; NaN without truth."""
    if not matches.expected:
        return float("nan")
    precision, recall = precision_recall(matches)
    envelope = np.maximum.accumulate(precision[::-1])[::-1] if len(precision) else precision
    # The slack is for sums of weights: a recall of 1 may come out a rounding error below it.
    at = np.searchsorted(recall, np.linspace(0, 1, 101) - 1e-9, side="left")
    return float(np.mean([envelope[i] if i < len(envelope) else 0.0 for i in at]))


def recall_at(matches: Matches, threshold: float) -> float:
    """Share of the true boxes found with at least this score."""
    return matches.counted(threshold, correct=True) / max(matches.expected, 1e-12)


def false_findings(matches: Matches, threshold: float) -> int:
    """Findings with at least this score that match no true box."""
    return round(matches.counted(threshold, correct=False))


def keypoint_accuracy(found: NDArray[np.float32], truth: NDArray[np.float32], height_px: Scores, share: float) -> float:
    """PCK: share of visible true keypoints whose finding lies within `share` of the object's height.

    Args:
        found, truth: (n, k, 3) matched pairs; truth's third column > 0 marks the points that count.
        height_px: (n,) heights of the true boxes.
    """
    distance = np.linalg.norm(found[:, :, :2] - truth[:, :, :2], axis=2)
    counted = truth[:, :, 2] > 0
    return float((distance <= share * height_px[:, None])[counted].mean()) if counted.any() else float("nan")


def poisson_interval(count: int, exposure: float, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of a rate from a count, by the Wilson-Hilferty approximation of the exact Poisson interval.

    Source: Breslow and Day, Statistical Methods in Cancer Research II (1987), p. 69.
    """
    z = {0.9: 1.645, 0.95: 1.96, 0.99: 2.576}[confidence]
    low = count * (1 - 1 / (9 * count) - z / (3 * np.sqrt(count))) ** 3 if count else 0.0
    high = (count + 1) * (1 - 1 / (9 * (count + 1)) + z / (3 * np.sqrt(count + 1))) ** 3
    return float(low / exposure), float(high / exposure)
