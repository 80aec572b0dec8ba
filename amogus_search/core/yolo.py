"""From a YOLO head's raw numbers to findings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import suppress
from amogus_search.core.types import Detections

_MAX_CANDIDATES = 3000
"""Only so many candidates of one tile go into the suppression; its cost grows with their square."""


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
    return found.keep(suppress(found.xyxy, found.confidence, max_iou=max_iou))
