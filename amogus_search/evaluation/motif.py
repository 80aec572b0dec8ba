"""How good a taught motif is, and its calibration: on drawn scenes and photos that it was not taught with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.calibration import Calibration, Curve, uncalibrated
from amogus_search.core.splits import is_for_fitting
from amogus_search.evaluation.calibration import expected_error, findings_of, fit
from amogus_search.evaluation.detection import Judged, judge, report
from amogus_search.evaluation.labelled import LabelledImage, read_dataset
from amogus_search.ports import Decoder, Detector
from amogus_search.settings import DEFAULT_PROFILE, DEFAULT_THRESHOLD, PROFILES

_WORTH = {"photos": 8.0, "without": 2.0}
"""Pictures without the motif to one scene: ordinary photos are many, drawn pictures full of doodles are not."""

Metrics = dict[str, float | int | None]


@dataclass(frozen=True)
class MotifSets:
    """What a motif is measured on.

    seen:    data set of scenes with drawings that it was taught with, in other scenes
    unseen:  likewise with drawings kept aside; None if there were too few to keep any
    without: drawn scenes in which there is nothing to find
    photos:  ordinary photos without the motif that it was not taught with; may be empty
    """

    seen: Path
    unseen: Path | None
    without: Path
    photos: tuple[Path, ...] = ()


def measure(
    detector: Detector,
    sets: MotifSets,
    decoder: Decoder,
    made: Mapping[str, Any],
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Calibration, Metrics]:
    """A calibration fitted on one half of the pictures, and figures from the other.

    Average precision needs no calibration, and is that of all scenes.

    Args:
        detector: newly taught.
        sets: the pictures.
        decoder: reads them.
        made: what to write down in the calibration.
        tick: called with (pictures judged, all).
    """
    judged = _judge(detector, sets, decoder, tick)
    bare = "photos" if judged["photos"] else "without"
    scenes = [*judged["seen"], *judged["unseen"]]
    fitted = _fit(_half(scenes, True), _half(judged[bare], True), bare, detector, made)
    return fitted, {
        "ap50_seen": _ap50(judged["seen"]),
        "ap50_unseen": _ap50(judged["unseen"]),
        **_at_threshold(_half(scenes, False), fitted),
        "calibration_error": _error(_half(scenes, False), _half(judged[bare], False), bare, fitted),
        "false_per_100_without": _false_per_100(_half(judged["without"], False), fitted),
        "false_per_100_photos": _false_per_100(_half(judged["photos"], False), fitted),
        "measured_scenes": len(scenes),
        "measured_without": len(judged["without"]),
        "measured_photos": len(judged["photos"]),
    }


def _judge(
    detector: Detector, sets: MotifSets, decoder: Decoder, tick: Callable[[int, int], None]
) -> dict[str, list[Judged]]:
    images = {
        "seen": read_dataset(sets.seen, "val"),
        "unseen": read_dataset(sets.unseen, "val") if sets.unseen else [],
        "without": read_dataset(sets.without, "val"),
        "photos": [LabelledImage(path, None) for path in sets.photos],
    }
    total, done = sum(map(len, images.values())), 0
    judged: dict[str, list[Judged]] = {name: [] for name in images}
    for name, some in images.items():
        for one in judge(some, decoder, detector, PROFILES[DEFAULT_PROFILE]):
            judged[name].append(one)
            done += 1
            tick(done, total)
    return judged


def _half(judged: Sequence[Judged], for_fitting: bool) -> list[Judged]:
    """One half by content; all of them where there are too few to divide."""
    half = [one for one in judged if is_for_fitting(one.sha256) == for_fitting]
    return half if half and len(half) < len(judged) else list(judged)


def _fit(
    scenes: Sequence[Judged], bare: Sequence[Judged], name: str, detector: Detector, made: Mapping[str, Any]
) -> Calibration:
    groups = {"scenes": (scenes, 1.0), name: (bare, _WORTH[name])}
    found = {key: group for key, group in groups.items() if any(len(one.detections) for one in group[0])}
    notes = {**made, "detector": detector.fingerprint, "profile": DEFAULT_PROFILE, "bare": name}
    if not found:  # it finds nothing at all, so there is nothing to learn what its confidences mean
        plain = Curve(0.0, 1.0)
        return Calibration(plain, plain, np.zeros(len(bare)), notes)
    return fit(found, bare, detector.motif, notes)


def _ap50(judged: Sequence[Judged]) -> float | None:
    if not judged:
        return None
    return _number(report(judged, uncalibrated, DEFAULT_THRESHOLD).ap50_confidence)


def _at_threshold(judged: Sequence[Judged], calibration: Calibration) -> Metrics:
    """Recall and precision at the default threshold."""
    measured = report(judged, calibration.score, DEFAULT_THRESHOLD)
    return {"recall": _number(measured.recall), "precision": _number(measured.precision)}


def _error(scenes: Sequence[Judged], bare: Sequence[Judged], name: str, calibration: Calibration) -> float | None:
    """How far amogusness is from the share that it states, in the mix of pictures that it was fitted for."""
    groups = [(scenes, 1.0), (bare, _WORTH[name])]
    found = [(some, worth) for some, worth in groups if any(len(one.detections) for one in some)]
    if not found:
        return None
    pooled = [findings_of(some) for some, _ in found]
    weight = np.concatenate(
        [np.full(len(correct), worth / len(some)) for (some, worth), (_, correct) in zip(found, pooled, strict=True)]
    )
    probability = np.concatenate([calibration.amogusness(detections) for detections, _ in pooled])
    return _number(expected_error(probability, np.concatenate([correct for _, correct in pooled]), weight=weight))


def _false_per_100(judged: Sequence[Judged], calibration: Calibration) -> float | None:
    return _number(report(judged, calibration.score, DEFAULT_THRESHOLD).false_per_100) if judged else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
