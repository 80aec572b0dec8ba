"""Findings as YOLO and COCO label records, and back. Text and plain values only; no files.

YOLO line: `class cx cy w h [x y v] * k [confidence]`, everything but class and v as a share of the picture.
COCO: `bbox` is x, y, width, height in pixels. In both, a keypoint's v is 2 (seen) or 0 (not known, then x = y = 0):
a finding's visibility is one number from 0 to 1, counted as seen from `SEEN` on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Detections
from amogus_search.errors import AmogusError

SEEN = 0.5
"""Visibility from which a keypoint is written as seen."""

CATEGORY_ID = 1
"""COCO counts categories from 1."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of one picture, read back.

    classes:    (n,) int64
    detections: boxes and keypoints in pixels; confidence is 1 where the file gives none
    """

    classes: NDArray[np.int64]
    detections: Detections

    def __len__(self) -> int:
        return len(self.classes)


def yolo_lines(
    detections: Detections, size_wh: tuple[int, int], class_id: int = 0, *, with_confidence: bool = False
) -> list[str]:
    """One line a finding, clipped to the picture; findings that lie outside it altogether are left out.

    Args:
        detections: pixels of the upright full image.
        size_wh: that image's width and height.
        class_id: the first column.
        with_confidence: adds the confidence as the last column (predictions rather than labels).
    """
    scale = np.asarray(size_wh * 2, np.float64)
    boxes = np.clip(np.asarray(detections.xyxy, np.float64) / scale, 0, 1)
    lines = []
    for row, (x1, y1, x2, y2) in enumerate(boxes):
        if not (x2 > x1 and y2 > y1):
            continue
        values = [f"{value:.6f}" for value in ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)]
        values += _yolo_keypoints(detections.keypoints[row], size_wh)
        values += [f"{detections.confidence[row]:.6f}"] if with_confidence else []
        lines.append(" ".join([str(class_id), *values]))
    return lines


def _yolo_keypoints(points: NDArray[np.float32], size_wh: tuple[int, int]) -> list[str]:
    words = []
    for x, y, visibility in points.astype(np.float64):
        x, y = x / size_wh[0], y / size_wh[1]
        # A point outside the picture cannot be seen in it, whatever the model says.
        if visibility >= SEEN and 0 <= x <= 1 and 0 <= y <= 1:
            words += [f"{x:.6f}", f"{y:.6f}", "2"]
        else:
            words += ["0.000000", "0.000000", "0"]
    return words


def parse_yolo(text: str, size_wh: tuple[int, int], keypoint_names: Sequence[str] = ()) -> Labels:
    """Reads a YOLO label file's text; v of 1 (hidden) and 2 (seen) come back as visibilities 0.5 and 1.

    Raises:
        AmogusError: a line has a wrong number of columns or a value that cannot be; it names the line.
    """
    rows = [
        _parse_line(line.split(), f"line {number}", len(keypoint_names))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    table = np.asarray(rows, np.float64).reshape(len(rows), 6 + 3 * len(keypoint_names))
    width, height = size_wh
    centre, half = table[:, 1:3], table[:, 3:5] / 2
    boxes = np.hstack([centre - half, centre + half]) * [width, height, width, height]
    points = table[:, 5:-1].reshape(len(rows), len(keypoint_names), 3) * [width, height, 0.5]
    found = Detections.make(boxes, table[:, -1], keypoints=points, keypoint_names=keypoint_names)
    return Labels(table[:, 0].astype(np.int64), found)


def _parse_line(words: list[str], where: str, keypoints: int) -> list[float]:
    """The columns as floats, with the confidence (1 if absent) last."""
    bare = 5 + 3 * keypoints
    if len(words) not in (bare, bare + 1):
        raise AmogusError(
            f"{where}: {len(words)} columns, expected {bare} (or {bare + 1} with a confidence)",
            f"{keypoints} keypoints were expected: class cx cy w h, then x y v for each",
        )
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise AmogusError(f"{where}: {error}", "a YOLO label holds numbers only") from None
    values += [1.0] * (bare + 1 - len(values))
    _check_values(values, where)
    return values


def _check_values(values: list[float], where: str) -> None:
    if not all(map(math.isfinite, values)):
        raise AmogusError(f"{where}: a value is not finite")
    if values[0] < 0 or values[0] != int(values[0]):
        raise AmogusError(f"{where}: class {values[0]:g} is not a whole number from 0 on")
    if not all(-0.001 <= value <= 1.001 for value in values[1:5]):
        raise AmogusError(f"{where}: box {values[1:5]} is not in 0..1", "YOLO boxes are shares of the picture")
    if any(value not in (0, 1, 2) for value in values[7:-1:3]):
        raise AmogusError(f"{where}: a keypoint's v is not 0, 1 or 2")
    if not 0 <= values[-1] <= 1:
        raise AmogusError(f"{where}: confidence {values[-1]:g} is not in 0..1")


def coco_category(name: str, keypoint_names: Sequence[str] = (), category_id: int = CATEGORY_ID) -> dict[str, Any]:
    """The category record of a motif, with its keypoints if it has any."""
    record: dict[str, Any] = {"id": category_id, "name": name, "supercategory": name}
    if keypoint_names:
        record |= {"keypoints": list(keypoint_names), "skeleton": []}
    return record


def coco_annotations(
    detections: Detections, image_id: int, first_id: int, *, category_id: int = CATEGORY_ID
) -> list[dict[str, Any]]:
    """One annotation a finding, with ids counted from `first_id` and the confidence as `score`."""
    return [
        _coco_annotation(detections, row)
        | {"id": first_id + row, "image_id": image_id, "category_id": category_id, "iscrowd": 0}
        for row in range(len(detections))
    ]


def _coco_annotation(detections: Detections, row: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(float(value), 2) for value in detections.xyxy[row])
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    record: dict[str, Any] = {
        "bbox": [x1, y1, width, height],
        "area": round(width * height, 2),
        "score": round(float(detections.confidence[row]), 4),
    }
    if detections.keypoint_names:
        points = detections.keypoints[row].astype(np.float64)
        seen = points[:, 2] >= SEEN
        flat = [
            value
            for (x, y, _), is_seen in zip(points, seen, strict=True)
            for value in ((round(x, 2), round(y, 2), 2) if is_seen else (0, 0, 0))
        ]
        record |= {"keypoints": [float(v) if i % 3 < 2 else int(v) for i, v in enumerate(flat)]}
        record |= {"num_keypoints": int(seen.sum())}
    return record


def parse_coco(annotations: Iterable[Mapping[str, Any]], keypoint_names: Sequence[str] = ()) -> Labels:
    """Reads the annotations of one image; v of 1 and 2 come back as visibilities 0.5 and 1.

    Raises:
        AmogusError: an annotation has no usable `bbox` or another number of keypoints; it names its id.
    """
    records = list(annotations)
    boxes = np.asarray([_coco_box(record) for record in records], np.float64).reshape(-1, 4)
    points = [_coco_keypoints(record, len(keypoint_names)) for record in records]
    found = Detections.make(
        np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]),
        [float(record.get("score", 1.0)) for record in records],
        keypoints=np.asarray(points, np.float64).reshape(len(records), len(keypoint_names), 3),
        keypoint_names=keypoint_names,
    )
    return Labels(np.asarray([int(record.get("category_id", CATEGORY_ID)) for record in records], np.int64), found)


def _coco_box(record: Mapping[str, Any]) -> list[float]:
    box = record.get("bbox")
    try:
        values = [float(value) for value in box or ()]
    except (TypeError, ValueError):
        values = []
    if len(values) != 4 or not all(map(math.isfinite, values)) or min(values[2:]) < 0:
        raise AmogusError(f"annotation {record.get('id')}: bbox {box!r} is not x, y, width, height")
    return values


def _coco_keypoints(record: Mapping[str, Any], count: int) -> list[float]:
    flat = list(record.get("keypoints") or [0.0] * (3 * count))
    if len(flat) != 3 * count:
        raise AmogusError(f"annotation {record.get('id')}: {len(flat)} keypoint values, expected {3 * count}")
    return [float(value) / 2 if place % 3 == 2 else float(value) for place, value in enumerate(flat)]
