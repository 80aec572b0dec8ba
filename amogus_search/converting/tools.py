"""Who converts, who finds and who judges; where the results go, and in which form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import iou
from amogus_search.core.figure import Fitter
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import DecodedImage, FileEntry, Pixels, SkippedImage
from amogus_search.exports.converted import PictureFormat
from amogus_search.finder import DEFAULT, Finder, Found
from amogus_search.pipeline.convert import Judge
from amogus_search.ports import Converter
from amogus_search.settings import DEFAULT_PROFILE, PROFILES, Profile

_SAME_PLACE = 0.2
"""IoU from which a finding in a new crop is the one that was asked for."""


@dataclass(frozen=True, eq=False)
class Tools:
    """Who does the work.

    converter: the back end; None for a dry run
    fit:       lays the figure into keypoints
    finder:    finds what is to be converted; None if every input comes with its targets
    judge:     looks at new crops; None: nobody does
    threshold: which findings count
    profile:   how closely pictures are looked at
    """

    converter: Converter | None
    fit: Fitter
    finder: Finder | None = None
    judge: Finder | None = None
    threshold: Threshold = DEFAULT
    profile: Profile = PROFILES[DEFAULT_PROFILE]


@dataclass(frozen=True)
class Output:
    """Where to, and in which form.

    folder:    mirrors the inputs
    form:      `png` (exact), or `same` as the original
    overwrite: replace what is there already
    page:      write the page of befores and afters
    dry_run:   write masks and crops, and convert nothing
    """

    folder: Path
    form: PictureFormat = "png"
    overwrite: bool = False
    page: bool = True
    dry_run: bool = False


def judge_of(finder: Finder, profile: Profile = PROFILES[DEFAULT_PROFILE]) -> Judge:
    """A judge: the best amogusness (or raw score, if there is no calibration) of what is found about the box."""

    def judge(crops: Sequence[Pixels], boxes: Sequence[NDArray[np.float32]]) -> list[float]:
        entry = FileEntry(b"crop", b"crop", None)
        images = [DecodedImage(entry, crop, (crop.shape[1], crop.shape[0]), "", "crop") for crop in crops]
        return [_best(found, box) for found, box in zip(finder.find(images, profile), boxes, strict=True)]

    return judge


def _best(found: Found | SkippedImage, box: NDArray[np.float32]) -> float:
    if isinstance(found, SkippedImage) or not len(found.detections):
        return 0.0
    near = iou(found.detections.xyxy, box[None])[:, 0] >= _SAME_PLACE
    known = np.where(np.isnan(found.scores.amogusness), found.detections.confidence, found.scores.amogusness)
    return float(np.max(known[near], initial=0.0))


def identity(finder: Finder) -> dict[str, Any]:
    """What of a finder decides its answers."""
    return {
        "name": finder.detector.name,
        "fingerprint": finder.detector.fingerprint,
        "verifier": None if finder.verifier is None else finder.verifier.fingerprint,
        "calibration": finder.detector.calibration,
    }
