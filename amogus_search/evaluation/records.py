"""What a report keeps of each picture: enough to compute every metric again, and to compare models by picture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.paths import display_path
from amogus_search.core.types import Boxes, Scores
from amogus_search.evaluation.detection import Judged, Scorer, ranking

PCK_SHARE = 0.1
"""Of the longer side of the true box: how far off a keypoint may lie. The measure of Yang and Ramanan ("Articulated
human detection with flexible mixtures of parts", 2013), which does not flatter a thin body as its area would."""
_VISIBLE = 0.75
"""Labelled visibility from which a keypoint is seen, not hidden (1 against 0.5)."""
_PIXEL_DECIMALS, _SCORE_DECIMALS = 2, 6


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One picture's truth and findings, with the numbers rounded as they are stored.

    path:       below the data set's folder, for display
    zoom:       the largest zoom at which the detector saw the picture
    truth:      (m, 4) true boxes
    findings:   (n, 4) boxes of the findings
    confidence: (n,)
    score:      (n,) amogusness, or the confidence where nothing is calibrated
    points:     visible true keypoints of matched findings that were found within `PCK_SHARE`, and all of them
    """

    path: str
    sha256: str
    size_wh: tuple[int, int]
    zoom: float
    truth: Boxes
    findings: Boxes
    confidence: Scores
    score: Scores
    points: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a finding is one list: box, confidence, score."""
        table = np.column_stack([self.findings, self.confidence, self.score]).astype(np.float64)
        return {
            "path": self.path,
            "sha256": self.sha256,
            "size": list(self.size_wh),
            "zoom": self.zoom,
            "truth": _rounded(self.truth),
            "findings": [
                [*map(_pixel, row[:4]), round(row[4], _SCORE_DECIMALS), round(row[5], _SCORE_DECIMALS)]
                for row in table.tolist()
            ],
            "points": list(self.points),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageRecord:
        """A record from what `to_dict` gave."""
        table = np.asarray(values["findings"], np.float64).reshape(-1, 6).astype(np.float32)
        return cls(
            path=values["path"],
            sha256=values["sha256"],
            size_wh=(int(values["size"][0]), int(values["size"][1])),
            zoom=float(values["zoom"]),
            truth=np.asarray(values["truth"], np.float32).reshape(-1, 4),
            findings=table[:, :4],
            confidence=table[:, 4],
            score=table[:, 5],
            points=(int(values["points"][0]), int(values["points"][1])),
        )


def records_of(judged: Sequence[Judged], scorer: Scorer) -> list[ImageRecord]:
    """One record a picture, in the same order; metrics of these and of the stored ones agree to the last bit."""
    root = _common_folder([one.image.path for one in judged])
    return [ImageRecord.from_dict(_record(one, scorer, root).to_dict()) for one in judged]


def dataset_digest(judged: Iterable[Judged]) -> str:
    """Names a set of pictures and labels, whatever the files are called and however they are ordered."""
    lines = [f"{one.sha256} {_rounded(one.truth)} {[_rounded(points) for points in one.points]}" for one in judged]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:32]


def keypoints_found(judged: Judged) -> tuple[int, int]:
    """How many visible true keypoints of matched findings lie within `PCK_SHARE`, and how many there are."""
    rows = np.flatnonzero(judged.taken >= 0)
    true = judged.taken[rows]
    found, points = judged.detections.keypoints[rows], judged.points[true]
    if found.shape != points.shape:
        return 0, 0
    sides = (judged.truth[true, 2:] - judged.truth[true, :2]).max(axis=1, initial=0)
    near = np.linalg.norm(found[:, :, :2] - points[:, :, :2], axis=2) <= PCK_SHARE * sides[:, None]
    seen = points[:, :, 2] >= _VISIBLE
    return int((near & seen).sum()), int(seen.sum())


def _record(one: Judged, scorer: Scorer, root: str) -> ImageRecord:
    return ImageRecord(
        path=display_path(os.fsencode(os.path.relpath(one.image.path, root))),
        sha256=one.sha256,
        size_wh=one.size_wh,
        zoom=round(float(one.zoom), _SCORE_DECIMALS),
        truth=one.truth,
        findings=one.detections.xyxy,
        confidence=one.detections.confidence,
        score=ranking(one.detections, scorer),
        points=keypoints_found(one),
    )


def _common_folder(paths: Sequence[Path]) -> str:
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]
    return os.path.commonpath(folders) if folders else "."


def _rounded(table: NDArray[np.float32]) -> list[list[float]]:
    return [[_pixel(value) for value in row] for row in table.astype(np.float64).tolist()]


def _pixel(value: float) -> float:
    # Adding zero turns -0.0 into 0.0.
    return round(value, _PIXEL_DECIMALS) + 0.0
