"""The record of a training run: a line an epoch in `log.csv`, and the losses drawn in `losses.svg`."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from amogus_search.errors import MissingExtraError
from amogus_search.plotting import Axes, Series, line_chart
from amogus_search.whole_files import in_place_of

_COLUMN_OF = {
    "box_loss": "box_loss",
    "pose_loss": "pose_loss",
    "kobj_loss": "visibility_loss",
    "cls_loss": "class_loss",
    "dfl_loss": "dfl_loss",
    "l1_loss": "dfl_loss",  # YOLO26 regresses the sides directly where its elders learned a distribution
    "rle_loss": "likelihood_loss",
}
"""What the loss functions of ultralytics call their parts, and the column of the log where each stands."""


@dataclass(frozen=True)
class EpochResult:
    """One line of `log.csv`; losses are means over the epoch, false findings are per validation picture at 0.5.

    A loss that the architecture does not have is 0.
    """

    epoch: int
    seconds: float
    box_loss: float
    pose_loss: float
    visibility_loss: float
    class_loss: float
    dfl_loss: float
    ap50: float
    recall: float
    false_share: float
    likelihood_loss: float = 0.0


LOSSES = tuple(field.name for field in fields(EpochResult) if field.name.endswith("_loss"))


def by_column(parts: Mapping[str, float]) -> dict[str, float]:
    """The parts of a loss under the names of the log's columns, zero where there is none."""
    named = dict.fromkeys(LOSSES, 0.0)
    for name, value in parts.items():
        if name in _COLUMN_OF:
            named[_COLUMN_OF[name]] += float(value)
    return named


def read_log(path: Path) -> list[EpochResult]:
    """The epochs of a log, also of one that was written before a column was added; none if there is no file."""
    if not path.exists():
        return []
    known = {field.name for field in fields(EpochResult)}
    with path.open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if k in known and v} for row in csv.DictReader(file)]
    return [EpochResult(**(row | {"epoch": int(row["epoch"])})) for row in rows]  # type: ignore[arg-type]


def write_log(path: Path, result: EpochResult) -> list[EpochResult]:
    """Add an epoch to the log and give all of it; a line of the same epoch or a later one is replaced.

    A run that was killed after it wrote the line, and before its state was safe, does that epoch again.
    """
    results = [*(earlier for earlier in read_log(path) if earlier.epoch < result.epoch), result]
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: round(v, 5) for k, v in asdict(one).items()} for one in results)
    write_whole(path, text.getvalue())
    return results


def draw_losses(path: Path, results: list[EpochResult]) -> bool:
    """Draw the losses over the epochs as SVG; False, and nothing is drawn, where matplotlib is not installed."""
    epochs = [one.epoch for one in results]
    drawn = [(name, [getattr(one, name) for one in results]) for name in LOSSES]
    look = "line" if len(results) > 1 else "points"
    series = [
        Series(epochs, values, name.removesuffix("_loss"), look)  # type: ignore[arg-type]
        for name, values in drawn
        if any(values)
    ]
    try:
        write_whole(path, line_chart(series, Axes("Training losses", "epoch", "mean of the epoch", y_log=True)))
    except MissingExtraError:
        return False
    return True


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is never seen half written."""
    with in_place_of(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
