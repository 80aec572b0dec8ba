"""Findings, images, skipped files and hits as plain JSON values: the form that other programs rely on.

Detection   {"box": [x1, y1, x2, y2], "confidence", "amogusness", "rarity", ["rarity_at_least": true],
             "evidence": {part: share}, "keypoints": {name: [x, y, visibility]}, "zoom"}
Image       {"path", ["path_hex"], "sha256", "width", "height", "detections": [Detection]}
Skipped     {"path", ["path_hex"], "skipped": reason, "detail"}
Hit         {"rank", "path", ["path_hex"], "score", "by", "image": Image, "detection": Detection | null,
             ["duplicates": {"exact", "near"}]}

Keys in brackets are present only where they apply: `path_hex` (the name's bytes) where the name is not UTF-8,
`rarity_at_least` where the background sample ends and the true rarity is that or more, `duplicates` (how many other
hits this one stands for) where duplicates were folded. A number that is not known
(no calibration, not finite) is null. Detections are best first, as the findings they come from.

Numbers are rounded, so that the same findings print the same everywhere: pixels to 2 decimals (a finding can be six
pixels tall), scores to 4, rarity to 1.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypeAlias

from amogus_search.core.paths import path_fields
from amogus_search.core.types import Detections, FindingScores, Hit, SkippedImage

Record: TypeAlias = dict[str, Any]
"""One JSON object of the forms above."""

PIXEL_DECIMALS = 2
SCORE_DECIMALS = 4
RARITY_DECIMALS = 1


def detection_json(detections: Detections, row: int, scores: FindingScores | None = None) -> Record:
    """One finding; without `scores` its amogusness and rarity are null."""
    record: Record = {
        "box": [_number(value, PIXEL_DECIMALS) for value in detections.xyxy[row]],
        "confidence": _number(detections.confidence[row], SCORE_DECIMALS),
        "amogusness": None if scores is None else _number(scores.amogusness[row], SCORE_DECIMALS),
        "rarity": None if scores is None else _number(scores.rarity[row], RARITY_DECIMALS),
    }
    if record["rarity"] is not None and scores is not None and bool(scores.rarity_at_least[row]):
        record["rarity_at_least"] = True
    return record | {
        "evidence": {
            name: _number(share, SCORE_DECIMALS)
            for name, share in zip(detections.evidence_names, detections.evidence[row], strict=True)
        },
        "keypoints": {
            name: [_number(x, PIXEL_DECIMALS), _number(y, PIXEL_DECIMALS), _number(visibility, SCORE_DECIMALS)]
            for name, (x, y, visibility) in zip(detections.keypoint_names, detections.keypoints[row], strict=True)
        },
        "zoom": _number(detections.zoom[row], SCORE_DECIMALS),
    }


def image_json(
    path: bytes, sha256: str, full_wh: tuple[int, int], detections: Detections, scores: FindingScores | None = None
) -> Record:
    """One image with all the findings given; `full_wh` is the upright full size in pixels."""
    return {
        **path_fields(path),
        "sha256": sha256,
        "width": int(full_wh[0]),
        "height": int(full_wh[1]),
        "detections": [detection_json(detections, row, scores) for row in range(len(detections))],
    }


def skipped_json(path: bytes, reason: str, detail: str) -> Record:
    """One file that gave no picture, by one of `core.types.SKIP_REASONS`."""
    return {**path_fields(path), "skipped": reason, "detail": detail}


def skipped_image_json(skipped: SkippedImage) -> Record:
    """`skipped_json` of a decoder's answer, under the absolute path of its entry."""
    return skipped_json(skipped.entry.path, skipped.reason, skipped.detail)


def hit_json(hit: Hit) -> Record:
    """One line of an answer, with its image and all of that image's findings."""
    row = hit.detection
    folded = {} if hit.others is None else {"duplicates": {"exact": hit.others.exact, "near": hit.others.near}}
    return {
        "rank": int(hit.rank),
        **path_fields(hit.path),
        "score": _number(hit.score, SCORE_DECIMALS),
        "by": hit.by,
        "image": image_json(hit.path, hit.sha256, hit.full_wh, hit.detections, hit.scores),
        "detection": None if row is None else detection_json(hit.detections, row, hit.scores),
        **folded,
    }


def to_text(record: Record) -> str:
    """One line of JSON. Only ASCII, so that it survives any terminal, locale and pipe unharmed."""
    return json.dumps(record, ensure_ascii=True, allow_nan=False)


def _number(value: Any, decimals: int) -> float | None:
    number = float(value)
    # Adding zero turns -0.0, which JSON would print, into 0.0.
    return round(number, decimals) + 0.0 if math.isfinite(number) else None
