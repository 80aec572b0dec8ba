"""From a YOLO head's raw numbers to findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import iou, suppress
from amogus_search.core.types import Detections

_MAX_CANDIDATES = 3000
"""Only so many candidates of one tile go into the suppression; its cost grows with their square."""

_VOTED_FROM, _VOTER_IOU, _VOTER_SHARE = 0.05, 0.6, 0.1
"""Keypoints are voted for findings of this confidence or more, by the candidates that overlap it by this much and have
at least this share of its confidence."""


def decode(
    output: NDArray[np.float32],
    *,
    min_confidence: float,
    max_iou: float,
    keypoint_names: Sequence[str] = (),
    classes: int = 1,
) -> Detections:
    """Findings in one tile, best first, in tile pixels.

    Args:
        output: (4 + classes + 3k, anchors): cx, cy, w, h in tile pixels, a score a class, then
            x, y, visibility of every keypoint, as ultralytics' detection and pose heads give it.
        max_iou: overlap above which the weaker of two findings goes.
    """
    scores = output[4 : 4 + classes].max(axis=0)
    rows = np.flatnonzero(scores >= min_confidence)
    if len(rows) > _MAX_CANDIDATES:
        rows = np.sort(rows[np.argsort(-scores[rows], kind="stable")[:_MAX_CANDIDATES]])
    table = output[:, rows].T
    half = table[:, 2:4] / 2
    boxes = np.concatenate([table[:, :2] - half, table[:, :2] + half], axis=1)
    points = table[:, 4 + classes : 4 + classes + 3 * len(keypoint_names)]
    found = Detections.make(
        boxes,
        scores[rows],
        keypoints=points.reshape(len(rows), len(keypoint_names), 3),
        keypoint_names=keypoint_names,
    )
    kept = suppress(found.xyxy, found.confidence, max_iou=max_iou)
    return replace(found.keep(kept), keypoints=_voted(found, kept))


def _voted(found: Detections, kept: NDArray[np.int64]) -> NDArray[np.float32]:
    """(len(kept), k, 3) keypoints whose places are the mean over the candidates that were suppressed for a finding.

    Neighbouring anchors see the same figure and err differently. Weights are confidence times overlap, as in box voting
    (Gidaris and Komodakis, 2015); boxes and visibilities stay those of the best candidate, which they were trained for.
    """
    points = found.keypoints[kept].copy()
    rows = np.flatnonzero(found.confidence[kept] >= _VOTED_FROM) if points.size else np.zeros(0, np.int64)
    overlaps = iou(found.xyxy[kept[rows]], found.xyxy)
    enough = found.confidence[None] >= _VOTER_SHARE * found.confidence[kept[rows], None]
    for row, overlap, votes in zip(rows, overlaps, (overlaps >= _VOTER_IOU) & enough, strict=True):
        voters = np.flatnonzero(votes)
        weight = (found.confidence[voters] * overlap[voters])[:, None, None]
        points[row, :, :2] = (found.keypoints[voters, :, :2] * weight).sum(axis=0) / weight.sum(axis=0)
    return points
