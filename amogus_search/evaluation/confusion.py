"""What a detector got wrong, to look at: the worst misses and the worst false findings, as crops.

The worst miss is the largest one that was not found at the threshold: a person would have seen it first. The worst
false finding is the one with the highest score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from amogus_search.core.boxes import iou
from amogus_search.core.cropping import crop_window, cut, scale_boxes, to_crop
from amogus_search.core.metrics import match
from amogus_search.core.types import Boxes, DecodedImage, Detections, Pixels
from amogus_search.evaluation.detection import Judged, Scorer, ranking
from amogus_search.evaluation.labelled import LabelledImage, entries
from amogus_search.exports.pictures import shrunk
from amogus_search.ports import Decoder

LIMIT = 24
"""Cases of a kind in one report."""
_PAD_RATIO = 0.6
_CROP_PX = 288


@dataclass(frozen=True, eq=False)
class Case:
    """One error.

    kind:     "miss" or "false"
    box:      (4,) of the true box that was missed, or of the false finding
    score:    of the false finding; of a miss that of the best finding on the same place, NaN if there was none
    overlap:  IoU with that finding, or of a false finding with the nearest true box
    seen_px:  height as the detector saw it
    finding:  one row, the false finding or the one on the same place; none if there was none
    """

    kind: Literal["miss", "false"]
    image: LabelledImage
    box: Boxes
    score: float
    overlap: float
    seen_px: float
    finding: Detections
    judged: Judged


@dataclass(frozen=True, eq=False)
class Shown:
    """A case with its picture: a crop, and boxes in the crop's own pixels.

    missed: (n, 4) what the case is about, if it is a miss
    true:   (n, 4) the other true boxes that it touches
    found:  (n, 4) the finding, if there is one
    """

    case: Case
    pixels: Pixels
    missed: Boxes
    true: Boxes
    found: Boxes


def worst_misses(judged: Sequence[Judged], scorer: Scorer, threshold: float, limit: int = LIMIT) -> list[Case]:
    """True boxes that no finding at the threshold matches, largest first."""
    cases = [case for one in judged for case in _misses(one, scorer, threshold)]
    return sorted(cases, key=lambda case: -case.seen_px)[:limit]


def worst_false(judged: Sequence[Judged], scorer: Scorer, limit: int = LIMIT) -> list[Case]:
    """Findings that match no true box, best score first, also such below the threshold: they come next."""
    cases = [case for one in judged for case in _false(one, scorer)]
    return sorted(cases, key=lambda case: -case.score)[:limit]


def shown(cases: Sequence[Case], decoder: Decoder) -> list[Shown]:
    """The cases with their crops, in the same order; each picture is decoded once more."""
    by_path: dict[Path, list[int]] = {}
    for place, case in enumerate(cases):
        by_path.setdefault(case.image.path, []).append(place)
    images = [cases[places[0]].image for places in by_path.values()]
    done: dict[int, Shown] = {}
    for places, item in zip(by_path.values(), decoder.decode(entries(images)), strict=True):
        if isinstance(item, DecodedImage):
            done |= {place: _shown(cases[place], item) for place in places}
    return [done[place] for place in sorted(done)]


def _misses(one: Judged, scorer: Scorer, threshold: float) -> list[Case]:
    score = ranking(one.detections, scorer)
    rows = np.flatnonzero(score >= threshold)
    taken = match(one.detections.xyxy[rows], score[rows], one.truth, 0.5)
    overlaps = iou(one.truth, one.detections.xyxy)
    cases = []
    for true in np.setdiff1d(np.arange(len(one.truth)), taken):
        box = one.truth[true]
        near = np.flatnonzero(overlaps[true] > 0)
        best = near[np.argsort(-overlaps[true][near], kind="stable")][:1]
        height = float(box[3] - box[1]) * one.zoom
        found, overlap = (float(score[best[0]]), float(overlaps[true][best[0]])) if len(best) else (float("nan"), 0.0)
        cases.append(Case("miss", one.image, box, found, overlap, height, one.detections.keep(best), one))
    return cases


def _false(one: Judged, scorer: Scorer) -> list[Case]:
    score = ranking(one.detections, scorer)
    taken = match(one.detections.xyxy, score, one.truth, 0.5)
    overlaps = iou(one.detections.xyxy, one.truth).max(axis=1, initial=0)
    heights = (one.detections.xyxy[:, 3] - one.detections.xyxy[:, 1]) * one.zoom
    return [
        Case(
            "false",
            one.image,
            one.detections.xyxy[row],
            float(score[row]),
            float(overlaps[row]),
            float(heights[row]),
            one.detections.keep([row]),
            one,
        )
        for row in np.flatnonzero(taken < 0)
    ]


def _shown(case: Case, image: DecodedImage) -> Shown:
    height, width = image.pixels.shape[:2]
    own_wh = (width, height)
    window = crop_window(scale_boxes(case.box, image.full_wh, own_wh), own_wh, _PAD_RATIO)
    pixels = shrunk(cut(image.pixels, window), _CROP_PX)
    ratio = pixels.shape[1] / (window[2] - window[0])
    is_miss, truth = case.kind == "miss", case.judged.truth
    itself = (truth == case.box).all(axis=1) & is_miss
    near = (iou(case.box[None], truth)[0] > 0) & ~itself
    missed, true, found = (
        (to_crop(scale_boxes(boxes, image.full_wh, own_wh), window) * ratio).astype(np.float32)
        for boxes in (truth[itself], truth[near], case.finding.xyxy)
    )
    return Shown(case, pixels, missed, true, found)
