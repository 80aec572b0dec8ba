"""The report of a detector on labelled pictures, as plain JSON values (version 1).

{"format": "amogus_search detection report", "version": 1,
 "made": {"package", "detector", "fingerprint", "calibration": id | null, "profile", "threshold", ...},
 "data": [Data]}

Data      {"name", "digest", "pictures", "true", "findings", "calibrated": bool, "worth": {name: pictures} | null,
           "metrics": {name: Bounded}, "levels": [Level], "sizes": [Size],
           "precision_recall": [{"score", "precision", "recall"}],
           "reliability": {"amogusness": [Bin], "confidence": [Bin]}, "records": [Record]}
Bounded   {"value", "low", "high"}: 95 % of the resamples of the pictures lie between the two
Level     {"name", "threshold", "target", "precision", "precision_low", "precision_high", "recall", "findings", "false",
           "false_per_100", "false_low", "false_high", "rarity", "rarity_low", "rarity_high": number | null}
Size      {"frame": "input" | "image", "band", "true", "ap50": Bounded, "recall": Bounded}
Bin       {"stated", "real", "weight", "findings"}
Record    {"path", "sha256", "size": [w, h], "zoom", "truth": [[x1, y1, x2, y2]],
           "findings": [[x1, y1, x2, y2, confidence, score]], "points": [found, visible]}

What cannot be measured is null. The metrics are those of `evaluation.measures.headline`, and the sizes are its frames
and bands. A level's target is its threshold: amogusness is the share of such findings that are real, so of all findings
above a threshold at least that share should be. Precision has an exact binomial interval, false findings an exact
Poisson one, rarity ("1 in N ordinary photos") the one of the background photos behind the calibration. The last of
several Data is all of them together, in the mix that `worth` states; it has no records. All metrics can be computed
again from the records, which is how a later report is compared with this one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.calibration import Calibration
from amogus_search.core.intervals import proportion_interval
from amogus_search.core.metrics import Matches, poisson_interval, precision_recall
from amogus_search.errors import UsageError
from amogus_search.evaluation import measures
from amogus_search.evaluation.calibration import reliability
from amogus_search.evaluation.detection import Judged
from amogus_search.evaluation.measures import Pooled, Weights
from amogus_search.evaluation.records import ImageRecord, dataset_digest, records_of
from amogus_search.finder import Finder
from amogus_search.settings import STRICTNESS

FORMAT, VERSION = "amogus_search detection report", 1
ROUNDS, SEED = 200, 0
"""Resamples behind an interval; more would only smooth its second digit."""
TOGETHER = "together"
_CURVE_POINTS = 200
_DECIMALS = 4


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """One data set: its judged pictures and what a report keeps of them.

    worth: how many pictures it stands for when sets are put together
    """

    name: str
    judged: Sequence[Judged]
    records: Sequence[ImageRecord]
    worth: float


def measured_set(name: str, judged: Sequence[Judged], finder: Finder, worth: float | None = None) -> MeasuredSet:
    """A data set made ready for reports; by default it is worth as many pictures as it has."""
    return MeasuredSet(name, judged, records_of(judged, finder.score), worth or float(len(judged)))


def report_json(
    sets: Sequence[MeasuredSet], calibration: Calibration | None, made: Mapping[str, Any]
) -> dict[str, Any]:
    """The report of the module's docstring.

    Args:
        sets: what was judged.
        calibration: the one that scored the findings, if any.
        made: what to write down; needs `threshold`.
    """
    threshold = float(made["threshold"])
    data = [_data(one.name, [one], threshold, calibration) for one in sets]
    if len(sets) > 1:
        data.append(_data(TOGETHER, sets, threshold, calibration))
    return {"format": FORMAT, "version": VERSION, "made": dict(made), "data": data}


def read_report(path: Path) -> dict[str, Any]:
    """A stored report.

    Raises:
        UsageError: the file cannot be read, is no report, or is one of another version.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        known = report["format"] == FORMAT
        version = report["version"]
        for one in report["data"]:
            one["name"], one["digest"], one["records"], one["metrics"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{path} is no report: {type(error).__name__}: {error}", "write one with: amogus eval detect DATA --report"
        ) from None
    if not known or version != VERSION:
        raise UsageError(f"{path} is a report of version {version!r}, not {VERSION}", "measure the baseline again")
    return dict(report)


def report_text(report: Mapping[str, Any]) -> str:
    """The report as JSON, a line a record, so that it is small and two of them can be told apart by eye."""
    text = json.dumps(report, ensure_ascii=True, allow_nan=False)
    return text.replace('{"path": ', '\n{"path": ') + "\n"


def plain(value: float, decimals: int = _DECIMALS) -> float | None:
    """A number for JSON: rounded, None where there is nothing to measure."""
    return round(float(value), decimals) + 0.0 if math.isfinite(value) else None


def _data(name: str, sets: Sequence[MeasuredSet], threshold: float, calibration: Calibration | None) -> dict[str, Any]:
    records = [record for one in sets for record in one.records]
    pooled = measures.pool_records(records)
    weights = np.concatenate([np.full(len(one.records), one.worth / max(1, len(one.records))) for one in sets])
    weights = weights if len(sets) > 1 else pooled.once
    draws = weights * measures.resamples(pooled.images, ROUNDS, SEED)
    return {
        "name": name,
        "digest": dataset_digest(judged for one in sets for judged in one.judged),
        "pictures": pooled.images,
        "true": len(pooled.true_image),
        "findings": len(pooled.image),
        "calibrated": calibration is not None,
        "worth": {one.name: one.worth for one in sets} if len(sets) > 1 else None,
        "metrics": _bounded(lambda w: measures.headline(pooled, threshold, w), weights, draws),
        "levels": [_level(pooled, level, at, weights, calibration) for level, at in STRICTNESS.items()],
        "sizes": [
            _size(pooled, frame, band, threshold, weights, draws)
            for frame in measures.FRAMES
            for band in measures.BANDS
        ],
        "precision_recall": _curve(pooled, weights),
        "reliability": {
            "amogusness": _bins(pooled, pooled.score, weights),
            "confidence": _bins(pooled, pooled.confidence, weights),
        },
        "records": [record.to_dict() for record in records] if len(sets) == 1 else [],
    }


def _bounded(
    measure: Callable[[Weights], dict[str, float]], weights: Weights, draws: NDArray[np.float64]
) -> dict[str, dict[str, float | None]]:
    values, spread = measure(weights), measures.resampled(measure, draws)
    rows = {}
    for name, value in values.items():
        seen = spread[name][np.isfinite(spread[name])]
        low, high = np.percentile(seen, [2.5, 97.5]) if len(seen) and math.isfinite(value) else (math.nan, math.nan)
        rows[name] = {"value": plain(value), "low": plain(low), "high": plain(high)}
    return rows


def _size(
    pooled: Pooled, frame: str, band: str, threshold: float, weights: Weights, draws: NDArray[np.float64]
) -> dict[str, Any]:
    low, high = measures.BANDS[band]
    sizes = pooled.true_heights[frame]
    row = {"frame": frame, "band": band, "true": int(((sizes >= low) & (sizes < high)).sum())}
    return row | _bounded(lambda w: measures.in_band(pooled, frame, band, threshold, w), weights, draws)


def _level(
    pooled: Pooled, name: str, threshold: float, weights: Weights, calibration: Calibration | None
) -> dict[str, Any]:
    """One strictness level; intervals are of the plain counts, values of the weighted ones."""
    values = measures.counted(pooled, threshold, weights)
    above = pooled.score >= threshold
    real = int(pooled.correct[0][above].sum())
    wrong = int(above.sum()) - real
    precision = proportion_interval(real, real + wrong) if real + wrong else (math.nan, math.nan)
    false = poisson_interval(wrong, max(1, pooled.images) / 100)
    rarity: tuple[float, ...] = (math.nan, math.nan, math.nan)
    if calibration is not None and len(calibration.background):
        rarity = (float(calibration.rarity(np.asarray([threshold]))[0][0]), *calibration.rarity_interval(threshold))
    return {
        "name": name,
        "threshold": threshold,
        "target": threshold,
        "precision": plain(values["precision"]),
        "precision_low": plain(precision[0]),
        "precision_high": plain(precision[1]),
        "recall": plain(values["recall"]),
        "findings": real + wrong,
        "false": wrong,
        "false_per_100": plain(values["false_per_100"]),
        "false_low": plain(false[0]),
        "false_high": plain(false[1]),
        "rarity": plain(rarity[0], 1),
        "rarity_low": plain(rarity[1], 1),
        "rarity_high": plain(rarity[2], 1),
    }


def _curve(pooled: Pooled, weights: Weights) -> list[dict[str, float | None]]:
    """Points of the precision-recall curve, from the best score down, thinned out evenly."""
    expected = float(weights[pooled.true_image].sum())
    if not expected or not len(pooled.score):
        return []
    precision, recall = precision_recall(Matches(pooled.score, pooled.correct[0], expected, weights[pooled.image]))
    rows = np.unique(np.linspace(0, len(recall) - 1, _CURVE_POINTS).round().astype(int))
    return [
        {"score": plain(pooled.score[row]), "precision": plain(precision[row]), "recall": plain(recall[row])}
        for row in rows
    ]


def _bins(pooled: Pooled, probability: NDArray[np.float32], weights: Weights) -> list[dict[str, Any]]:
    found = reliability(probability, pooled.correct[0], weight=weights[pooled.image])
    return [{k: v if isinstance(v, int) else plain(v) for k, v in asdict(one).items()} for one in found]
