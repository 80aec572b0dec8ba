"""Every metric of a set of judged pictures, each computable again with the pictures weighted otherwise.

Weights are how intervals are made (a resample counts some pictures twice and others not at all) and how several sets
are put together in a stated mix.

The size of a true box is its height in pixels, in two frames: "image" are pixels of the upright picture, "input" are
pixels as the detector saw them, in the window with the largest zoom. In a band, boxes and findings of other sizes do
not count (as in COCO's metrics): a finding matched to a true box has that box's size, another one its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.metrics import Matches, average_precision, match
from amogus_search.evaluation.calibration import area_under_curve, expected_error
from amogus_search.evaluation.records import ImageRecord

Weights: TypeAlias = NDArray[np.float64]
"""(pictures,) how often each picture counts."""
Frame: TypeAlias = NDArray[np.float64]

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
BANDS: Mapping[str, tuple[float, float]] = {
    "under 8": (0, 8),
    "8 to 16": (8, 16),
    "16 to 32": (16, 32),
    "32 to 96": (32, 96),
    "over 96": (96, math.inf),
}
"""Name -> height in pixels, from and below."""
FRAMES = ("input", "image")


@dataclass(frozen=True, eq=False)
class Pooled:
    """The findings and true boxes of all pictures, findings best first.

    image:      (n,) number of each finding's picture
    score, confidence: (n,)
    correct:    (10, n) whether it matched a true box at each of `OVERLAPS`, the best score choosing first
    sure:       (n,) likewise at 0.5, the best confidence choosing first
    heights:    frame -> (n,) size of what it matched at 0.5, else its own
    true_image: (m,) number of each true box's picture
    true_heights: frame -> (m,) sizes
    points:     (pictures, 2) keypoints found, and visible ones
    """

    images: int
    image: NDArray[np.int64]
    score: NDArray[np.float32]
    confidence: NDArray[np.float32]
    correct: NDArray[np.bool_]
    sure: NDArray[np.bool_]
    heights: Mapping[str, Frame]
    true_image: NDArray[np.int64]
    true_heights: Mapping[str, Frame]
    points: NDArray[np.int64]

    @property
    def once(self) -> Weights:
        """Every picture counts once."""
        return np.ones(self.images)


def pool_records(records: Sequence[ImageRecord]) -> Pooled:
    """All records together, in their order."""
    parts = [_matched(number, record) for number, record in enumerate(records)]
    table = np.concatenate([np.zeros((0, 6 + len(OVERLAPS))), *(rows for rows, _ in parts)])
    true = np.concatenate([np.zeros((0, 3)), *(rows for _, rows in parts)])
    table = table[np.argsort(-table[:, 1], kind="stable")]
    return Pooled(
        images=len(records),
        image=table[:, 0].astype(np.int64),
        score=table[:, 1].astype(np.float32),
        confidence=table[:, 2].astype(np.float32),
        sure=table[:, 3].astype(bool),
        heights={"image": table[:, 4], "input": table[:, 5]},
        correct=table[:, 6:].astype(bool).T,
        true_image=true[:, 0].astype(np.int64),
        true_heights={"image": true[:, 1], "input": true[:, 2]},
        points=np.asarray([record.points for record in records], np.int64).reshape(len(records), 2),
    )


def _matched(number: int, record: ImageRecord) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of picture, score, confidence, sure, two heights and the overlaps; rows of picture and two heights."""
    taken = [match(record.findings, record.score, record.truth, overlap) for overlap in OVERLAPS]
    sure = match(record.findings, record.confidence, record.truth, 0.5) >= 0
    true_height = (record.truth[:, 3] - record.truth[:, 1]).astype(np.float64)
    own = (record.findings[:, 3] - record.findings[:, 1]).astype(np.float64)
    # An extra row takes the findings that matched nothing; `where` drops it again.
    height = np.where(taken[0] >= 0, np.append(true_height, 0)[taken[0]], own)
    columns = [np.full(len(own), number), record.score, record.confidence, sure, height, height * record.zoom]
    rows = np.column_stack([*columns, *(one >= 0 for one in taken)]).astype(np.float64)
    return rows, np.column_stack([np.full(len(true_height), number), true_height, true_height * record.zoom])


def headline(pooled: Pooled, threshold: float, weights: Weights) -> dict[str, float]:
    """The metrics by which models are compared; NaN where there is nothing to measure.

    ap50, ap50_95:     average precision at IoU 0.5, and averaged over 0.5, 0.55 ... 0.95; ranked by amogusness
    ap50_confidence:   ranked by the detector's confidence alone
    recall, precision, false_per_100: of findings at the threshold, false ones per 100 pictures
    pck10:             share of the visible keypoints of matched findings within 0.1 of the longer side of the true box
    calibration_error: expected calibration error of amogusness over ten bins of equal mass
    auc, auc_confidence: chance that a real finding scores above a false one, by amogusness and by confidence
    """
    weight, expected = weights[pooled.image], float(weights[pooled.true_image].sum())
    precisions = [average_precision(Matches(pooled.score, correct, expected, weight)) for correct in pooled.correct]
    right, visible = weights @ pooled.points
    correct = pooled.correct[0]
    return {
        "ap50": precisions[0],
        "ap50_95": float(np.mean(precisions)),
        "ap50_confidence": average_precision(Matches(pooled.confidence, pooled.sure, expected, weight)),
        **counted(pooled, threshold, weights),
        "pck10": right / visible if visible else math.nan,
        "calibration_error": expected_error(pooled.score, correct, weight=weight) if weight.sum() else math.nan,
        "auc": area_under_curve(pooled.score, correct, weight=weight),
        "auc_confidence": area_under_curve(pooled.confidence, correct, weight=weight),
    }


def counted(pooled: Pooled, threshold: float, weights: Weights) -> dict[str, float]:
    """Recall, precision and false findings per 100 pictures at a threshold."""
    expected = float(weights[pooled.true_image].sum())
    matches = Matches(pooled.score, pooled.correct[0], expected, weights[pooled.image])
    right, wrong = matches.counted(threshold, correct=True), matches.counted(threshold, correct=False)
    return {
        "recall": right / expected if expected else math.nan,
        "precision": right / (right + wrong) if right + wrong else math.nan,
        "false_per_100": 100 * wrong / max(float(weights.sum()), 1e-12),
    }


def in_band(pooled: Pooled, frame: str, band: str, threshold: float, weights: Weights) -> dict[str, float]:
    """AP50 and recall of the true boxes of one size."""
    low, high = BANDS[band]
    true = (pooled.true_heights[frame] >= low) & (pooled.true_heights[frame] < high)
    rows = (pooled.heights[frame] >= low) & (pooled.heights[frame] < high)
    expected = float(weights[pooled.true_image[true]].sum())
    matches = Matches(pooled.score[rows], pooled.correct[0][rows], expected, weights[pooled.image[rows]])
    recall = matches.counted(threshold, correct=True) / expected if expected else math.nan
    return {"ap50": average_precision(matches), "recall": recall}


def resamples(pictures: int, rounds: int, seed: int) -> NDArray[np.float64]:
    """(rounds, pictures) how often each picture is drawn when as many as there are are drawn, with repetition."""
    if not pictures:
        return np.zeros((rounds, 0))
    chances = np.full(pictures, 1 / pictures)
    return np.random.default_rng(seed).multinomial(pictures, chances, size=rounds).astype(np.float64)


def resampled(
    measure: Callable[[Weights], dict[str, float]], draws: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Metric -> (rounds,) its value in each resample (Efron's bootstrap, the picture being the unit)."""
    rows = [measure(weights) for weights in draws]
    return {name: np.asarray([row[name] for row in rows]) for name in rows[0]} if rows else {}
