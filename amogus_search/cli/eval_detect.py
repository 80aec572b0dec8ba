"""`amogus eval detect`: a detector's findings beside the truth."""

from __future__ import annotations

import typer

from amogus_search.cli.eval_common import (
    THRESHOLD,
    DataArgument,
    HalfOption,
    HeldOutOption,
    ImagesOption,
    SplitOption,
    ThresholdOption,
    judged,
    labelled,
)
from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    FormatOption,
    ProfileOption,
    QuietOption,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect")(detect)


def detect(
    data: DataArgument,
    detector: DetectorOption = "amogus",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    threshold: ThresholdOption = THRESHOLD,
    split: SplitOption = "",
    images: ImagesOption = None,
    held_out: HeldOutOption = False,
    half: HalfOption = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Average precision, recall and false findings of a detector, one row a data set."""
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.detection import report
    from amogus_search.finder import Finder

    finder = Finder.load(detector)
    rows = []
    for one in data:
        pictures = labelled(one, split, held_out, half, pictures=images)
        measured = report(judged(finder, pictures, profile, quiet), finder.score, threshold)
        values = measured.to_dict()
        low, high = values.pop("false_interval")
        rows.append({"data": str(one), **values, "false_low": low, "false_high": high})
    write_rows(rows, format)
