"""The plots of a report's data set, from its plain JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from amogus_search.evaluation.measures import BANDS, FRAMES, pool_records
from amogus_search.evaluation.records import ImageRecord
from amogus_search.plotting import Axes, Series, bar_chart, histogram, line_chart, reliability_chart

_SHARE = (0.0, 1.03)


def plots(data: Mapping[str, Any]) -> Iterator[str]:
    """SVG drawings: precision and recall, reliability, sizes, scores; what cannot be drawn is left out."""
    if data["precision_recall"]:
        yield _precision_recall(data)
    if data["reliability"]["amogusness"]:
        yield _reliability(data)
    if data["true"]:
        yield _sizes(data)
    if data["records"] and data["findings"]:
        yield _scores(data)


def _precision_recall(data: Mapping[str, Any]) -> str:
    points = data["precision_recall"]
    curve = Series([point["recall"] for point in points], [point["precision"] for point in points])
    levels = [level for level in data["levels"] if level["precision"] is not None]
    marks = Series(
        [one["recall"] for one in levels], [one["precision"] for one in levels], "strictness levels", "points"
    )
    return line_chart([curve, marks], Axes("Precision and recall, IoU 0.5", "recall", "precision", _SHARE, _SHARE))


def _reliability(data: Mapping[str, Any]) -> str:
    bins = data["reliability"]["amogusness"]
    what = "amogusness" if data["calibrated"] else "confidence"
    error = data["metrics"]["calibration_error"]["value"]
    title = f"Reliability of {what}, {len(bins)} bins of equal mass, off by {error:.3f}"
    around = Axes(title, f"stated {what}", "share that was real", (-0.03, 1.03), (0.0, 1.08))
    return reliability_chart([one["stated"] for one in bins], [one["real"] for one in bins], around)


def _sizes(data: Mapping[str, Any]) -> str:
    values = [
        (f"{frame} pixels", [_value(row["ap50"]["value"]) for row in data["sizes"] if row["frame"] == frame])
        for frame in FRAMES
    ]
    return bar_chart(list(BANDS), values, Axes("AP50 by size", "height of the true box, px", "AP50", None, (0.0, 1.12)))


def _scores(data: Mapping[str, Any]) -> str:
    pooled = pool_records([ImageRecord.from_dict(record) for record in data["records"]])
    real = pooled.correct[0]
    what = "amogusness" if data["calibrated"] else "confidence"
    around = Axes(f"Findings by {what}", what, "findings", (0.0, 1.0), y_log=True)
    return histogram([("real", pooled.score[real]), ("false", pooled.score[~real])], around)


def _value(value: float | None) -> float:
    return np.nan if value is None else value
