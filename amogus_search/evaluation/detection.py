"""How well findings agree with the truth: average precision, recall, and false findings per photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.metrics import average_precision, false_findings, match, poisson_interval, pool, recall_at
from amogus_search.core.types import Boxes, Detections, FindingScores, Scores, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation.labelled import LabelledImage, entries
from amogus_search.pipeline.detect import detect_images, planned_windows
from amogus_search.pipeline.embed import verify_findings
from amogus_search.ports import Decoder, Detector, Verifier
from amogus_search.settings import DETECT, DetectSettings, Profile

Scorer = Callable[[Detections], FindingScores]


@dataclass(frozen=True, eq=False)
class Judged:
    """One picture's findings beside its truth.

    truth:  (m, 4) true boxes
    taken:  (n,) for each finding the row of the true box it matched at IoU 0.5, or -1
    points: (m, k, 3) true keypoints in the detector's order; visibility 1 for seen, 0.5 for hidden, 0 for not labelled
    zoom:   the largest zoom at which a window of the profile shows this picture
    sha256: of the picture file
    """

    image: LabelledImage
    size_wh: tuple[int, int]
    detections: Detections
    truth: Boxes
    taken: NDArray[np.int64]
    points: NDArray[np.float32]
    zoom: float
    sha256: str


@dataclass(frozen=True)
class DetectionReport:
    """Metrics of one dataset; thresholds are on amogusness, or on confidence where nothing is calibrated.

    false_per_100: false findings at the threshold per 100 pictures, with a 95 % Poisson interval
    """

    images: int
    truth: int
    threshold: float
    ap50: float
    ap50_confidence: float
    recall: float
    precision: float
    false_findings: int
    false_per_100: float
    false_interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to measure (no amogus, or no finding)."""
        return {k: _plain(v) for k, v in asdict(self).items()}


def judge(
    images: Sequence[LabelledImage],
    decoder: Decoder,
    detector: Detector,
    profile: Profile,
    *,
    verifier: Verifier | None = None,
    detect: DetectSettings = DETECT,
) -> Iterator[Judged]:
    """Run the models on every picture and match what they find with the truth.

    Raises:
        AmogusError: a picture of the dataset cannot be decoded (a measurement must not shrink silently).
    """
    found = detect_images(decoder.decode(entries(images)), detector, profile, detect=detect)
    verified = verify_findings(found, verifier) if verifier else found
    for image, item in zip(images, verified, strict=True):
        if isinstance(item, SkippedImage):
            raise AmogusError(f"{image.path}: {item.reason}: {item.detail}", "take it out of the dataset")
        decoded, detections = item
        truth = image.labels(decoded.full_wh, detector.motif.keypoint_names)
        yield Judged(
            image=image,
            size_wh=decoded.full_wh,
            detections=detections,
            truth=truth.xyxy,
            taken=match(detections.xyxy, detections.confidence, truth.xyxy, 0.5),
            points=truth.keypoints,
            zoom=max(tile.zoom for tile in planned_windows(decoded.full_wh, detector.tile_px, profile)),
            sha256=decoded.sha256,
        )


def report(judged: Sequence[Judged], scorer: Scorer, threshold: float) -> DetectionReport:
    """All metrics of one dataset."""
    scores = [ranking(one.detections, scorer) for one in judged]
    matches = pool((j.detections.xyxy, s, j.truth) for j, s in zip(judged, scores, strict=True))
    raw = pool((j.detections.xyxy, j.detections.confidence, j.truth) for j in judged)
    wrong = false_findings(matches, threshold)
    right = int(matches.correct[matches.score >= threshold].sum())
    low, high = poisson_interval(wrong, len(judged) / 100)
    return DetectionReport(
        images=len(judged),
        truth=int(matches.expected),
        threshold=threshold,
        ap50=average_precision(matches),
        ap50_confidence=average_precision(raw),
        recall=recall_at(matches, threshold) if matches.expected else float("nan"),
        precision=right / (right + wrong) if right + wrong else float("nan"),
        false_findings=wrong,
        false_per_100=100 * wrong / max(1, len(judged)),
        false_interval=(round(low, 2), round(high, 2)),
    )


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else round(value, 4)


def ranking(detections: Detections, scorer: Scorer) -> Scores:
    """(n,) amogusness, or the confidence where nothing is calibrated."""
    amogusness = scorer(detections).amogusness
    return np.where(np.isnan(amogusness), detections.confidence, amogusness).astype(np.float32)
