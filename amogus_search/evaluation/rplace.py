"""A pixel canvas with thousands of crewmates: what a detector finds beside what template rules find.

No template is the truth: it knows its own shapes only, and a part of what it matches is chance. So recall is told for
each list of matches by itself, and what no template knows goes onto a sheet, to be judged by eye.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.boxes import iou
from amogus_search.core.types import Boxes, DecodedImage, FileEntry, Pixels
from amogus_search.errors import UsageError
from amogus_search.evaluation import sheets
from amogus_search.exports.folders import write_whole
from amogus_search.exports.pictures import encoded
from amogus_search.finder import Found
from amogus_search.settings import DECODE
from amogus_search.sources.decode import decode_file

OVERLAPS = (0.5, 0.4, 0.3)
"""IoU from which a match counts as found: where the last finds much more than the first, boxes are badly placed."""
_KNOWN_IOU = 0.3
"""A finding that overlaps no match by so much is one that no template knows."""
_OVERLAY_PX, _OVERLAY_ZOOM = 8000, 16
"""Longest side of the canvas with its findings, and how much it is enlarged at most."""
_MISSES_SHOWN = 60


@dataclass(frozen=True)
class Recall:
    """How many of one list of matches were found.

    boxes:     how long the list is
    at:        IoU -> share found at the threshold
    any_score: share found at all, at IoU 0.5: the rest of the misses is for the calibration to win
    """

    reference: str
    boxes: int
    at: Mapping[float, float]
    any_score: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        shares = {f"recall_iou_{overlap:g}": _rounded(share) for overlap, share in self.at.items()}
        return {
            "reference": self.reference,
            "boxes": self.boxes,
            **shares,
            "recall_any_score": _rounded(self.any_score),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """One canvas.

    found:      every finding, whatever its score
    counted:    (n,) whether it reaches the threshold
    unknown:    (n,) whether it does and no template knows it
    references: name -> (m, 4) matches
    recalls:    one for each reference
    """

    found: Found
    counted: Any
    unknown: Any
    references: Mapping[str, Boxes]
    recalls: tuple[Recall, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        counted, unknown = int(self.counted.sum()), int(self.unknown.sum())
        return {
            "findings": counted,
            "findings_below_threshold": len(self.counted) - counted,
            "unmatched": unknown,
            "unmatched_share": _rounded(unknown / counted) if counted else None,
            "references": [recall.to_dict() for recall in self.recalls],
        }


def read_canvas(path: Path) -> DecodedImage:
    """The canvas; DecodeError if it cannot be read."""
    name = bytes(path.resolve())
    picture = decode_file(name, DECODE)
    return DecodedImage(FileEntry(name, name, None), picture.pixels, picture.full_wh, picture.sha256, picture.format)


def read_matches(path: Path) -> dict[str, Boxes]:
    """Rule -> (n, 4) boxes of a CSV file with the columns rule, x, y, w and h.

    Raises:
        UsageError: it cannot be read as such.
    """
    boxes: dict[str, list[tuple[float, ...]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                x, y, width, height = (float(row[column]) for column in ("x", "y", "w", "h"))
                boxes.setdefault(row["rule"], []).append((x, y, x + width, y + height))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no list of template matches: {type(error).__name__}: {error}",
            "give a CSV file with the columns rule, x, y, w, h",
        ) from None
    return {rule: np.asarray(rows, np.float32) for rule, rows in boxes.items()}


def compare(found: Found, counted: Any, references: Mapping[str, Boxes]) -> Comparison:
    """The findings beside every list of matches.

    Args:
        found: all findings in the canvas.
        counted: (n,) bool, whether each reaches the threshold.
        references: name -> (m, 4) boxes.
    """
    boxes = found.detections.xyxy
    known = np.zeros(len(boxes), bool)
    recalls = []
    for name, reference in references.items():
        overlap = iou(reference, boxes)
        known |= overlap.max(axis=0, initial=0) >= _KNOWN_IOU
        best = np.where(counted, overlap, 0).max(axis=1, initial=0)
        at = {least: _share(best >= least) for least in OVERLAPS}
        recalls.append(Recall(name, len(reference), at, _share(overlap.max(axis=1, initial=0) >= OVERLAPS[0])))
    return Comparison(found, counted, counted & ~known, references, tuple(recalls))


def write_report(out: Path, pixels: Pixels, comparison: Comparison, about: Mapping[str, Any], *, seed: int = 0) -> None:
    """The canvas with its findings, a sheet of findings that no template knows, one of misses a list, and the figures.

    Args:
        out: a folder; `canvas.png`, `unmatched.png`, `missed_NAME.png` and `summary.json` are written into it.
        about: what else goes into the summary.
        seed: which of the findings and misses are drawn.
    """
    out.mkdir(parents=True, exist_ok=True)
    missed = {name: _missed(comparison, boxes) for name, boxes in comparison.references.items()}
    pictures = {"canvas": _canvas(pixels, comparison, missed), "unmatched": _unmatched(pixels, comparison, seed)}
    for name, boxes in missed.items():
        rows = sheets.drawn_at_random(len(boxes), _MISSES_SHOWN, seed)
        pictures["missed_" + re.sub(r"[^\w-]", "_", name)] = sheets.sheet(
            [_miss(pixels, comparison, boxes[row]) for row in rows]
        )
    for name, picture in pictures.items():
        write_whole(out / f"{name}.png", encoded(picture, "PNG", 0))
    summary = {**about, "seed": seed, **comparison.to_dict()}
    write_whole(out / "summary.json", (json.dumps(summary, indent=1) + "\n").encode())


def _missed(comparison: Comparison, boxes: Boxes) -> Boxes:
    counted = comparison.found.detections.xyxy[comparison.counted]
    missed: Boxes = boxes[iou(boxes, counted).max(axis=1, initial=0) < OVERLAPS[0]]
    return missed


def _canvas(pixels: Pixels, comparison: Comparison, missed: Mapping[str, Boxes]) -> Pixels:
    boxes = comparison.found.detections.xyxy
    known = comparison.counted & ~comparison.unknown
    first_missed = next(iter(missed.values()), np.zeros((0, 4), np.float32))
    layers = [
        (first_missed, sheets.CYAN),
        (boxes[known], sheets.GREEN),
        (boxes[comparison.unknown], sheets.MAGENTA),
    ]
    return sheets.overlay(pixels, layers, min(_OVERLAY_ZOOM, max(1, _OVERLAY_PX // max(pixels.shape[:2]))))


def _unmatched(pixels: Pixels, comparison: Comparison, seed: int, most: int = 100) -> Pixels:
    rows = np.flatnonzero(comparison.unknown)
    scores, boxes = _scores(comparison), comparison.found.detections.xyxy
    chosen = rows[sheets.drawn_at_random(len(rows), most, seed)]
    return sheets.sheet([sheets.cell(pixels, boxes[row], f"{n} {scores[row]:.2f}") for n, row in enumerate(chosen, 1)])


def _miss(pixels: Pixels, comparison: Comparison, box: Boxes) -> Pixels:
    """A missed match with the best score of what overlaps it at all."""
    overlap = iou(box[None], comparison.found.detections.xyxy)[0]
    near = overlap > 0.1
    scores = _scores(comparison)
    caption = f"{scores[near].max():.2f} iou {overlap[near].max():.2f}" if near.any() else "nothing"
    return sheets.cell(pixels, box, caption, colour=sheets.CYAN)


def _scores(comparison: Comparison) -> Any:
    amogusness = comparison.found.scores.amogusness
    return np.where(np.isnan(amogusness), comparison.found.detections.confidence, amogusness)


def _share(found: Any) -> float:
    return float(found.mean()) if len(found) else float("nan")


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
