"""`amogus eval detect`: a detector's findings beside the truth, as rows, as a report, and beside a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from amogus_search.cli.eval_common import (
    THRESHOLD,
    DataArgument,
    HalfOption,
    HeldOutOption,
    ImagesOption,
    SplitOption,
    ThresholdOption,
    WorthOption,
    judged,
    labelled,
)
from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    Format,
    FormatOption,
    ProfileOption,
    QuietOption,
)
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.evaluation.report import MeasuredSet
    from amogus_search.finder import Finder

ReportOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--report", metavar="OUT", help="Write OUT/report.json and the page OUT/report.html."),
]
BaselineOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="A stored report.json: say what got better or worse; exit code 1 if anything is worse beyond the noise.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect")(detect)


def detect(
    data: DataArgument,
    detector: DetectorOption = "amogus",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    threshold: ThresholdOption = THRESHOLD,
    report: ReportOption = None,
    baseline: BaselineOption = None,
    split: SplitOption = "",
    images: ImagesOption = None,
    held_out: HeldOutOption = False,
    half: HalfOption = None,
    worth: WorthOption = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Average precision, recall and false findings of a detector, one row a data set.

    With --report also AP by size, keypoints, calibration, every strictness level, and the worst errors to look at. With
    --baseline the rows are the comparison: metric, before, now, noise, verdict.
    """
    from amogus_search.evaluation.report import measured_set
    from amogus_search.finder import Finder

    if worth and len(worth) != len(data):
        raise UsageError(f"{len(worth)} times --worth for {len(data)} data sets", "give one for each, or none")
    outcome = Outcome(report, baseline, format, quiet)
    finder = Finder.load(detector)
    sets = []
    for number, one in enumerate(data):
        pictures = labelled(one, split, held_out, half, pictures=images)
        found = judged(finder, pictures, profile, quiet)
        sets.append(measured_set(str(one), found, finder, worth[number] if worth else None))
    asked = {"split": split, "held_out": held_out, "half": half}
    outcome.present(finder, sets, {"profile": profile, "threshold": threshold, **asked})


class Outcome:
    """Where the measurements go. What cannot be used is refused before the models run."""

    def __init__(self, out: Path | None, baseline: Path | None, form: Format, quiet: bool) -> None:
        from amogus_search.evaluation.report import read_report
        from amogus_search.evaluation.report_folder import claim_report_folder

        self._baseline = None if baseline is None else read_report(baseline)
        if out is not None:
            claim_report_folder(out)
        self._out, self._form, self._quiet = out, form, quiet

    def present(
        self,
        finder: Finder,
        sets: Sequence[MeasuredSet],
        asked: dict[str, Any],
        *,
        columns: Callable[[MeasuredSet], dict[str, Any]] = lambda measured: {},
    ) -> None:
        """Rows on stdout, the report into its folder.

        Args:
            finder: what found.
            sets: what was judged.
            asked: for the report; needs `threshold`.
            columns: more of them for the row of a set.

        Raises:
            typer.Exit: with code 1, when something is worse than in the baseline.
        """
        from amogus_search import __version__
        from amogus_search.cli.records import note, write_rows
        from amogus_search.evaluation.baseline import compare, is_worse
        from amogus_search.evaluation.report import report_json
        from amogus_search.evaluation.report_folder import write_report
        from amogus_search.sources.workers import DecodePool

        made = {
            "package": __version__,
            "detector": finder.detector.name,
            "fingerprint": finder.detector.fingerprint,
            "calibration": finder.calibration.id if finder.calibration else None,
            **asked,
        }
        rows = [_row(finder, one, asked["threshold"]) | columns(one) for one in sets]
        if self._out is None and self._baseline is None:
            write_rows(rows, self._form)
            return
        report = report_json(sets, finder.calibration, made)
        changes = compare(report, self._baseline) if self._baseline else []
        if self._out is not None:
            with DecodePool() as pool:
                page = write_report(self._out, report, sets, finder.score, pool, changes)
            note(f"look at it: {page}", quiet=self._quiet)
        write_rows([change.to_dict() for change in changes] if self._baseline else rows, self._form)
        if is_worse(changes):
            note("worse than the baseline, beyond the noise", quiet=self._quiet)
            raise typer.Exit(1)


def _row(finder: Finder, measured: MeasuredSet, threshold: float) -> dict[str, Any]:
    from amogus_search.evaluation.detection import report

    values = report(measured.judged, finder.score, threshold).to_dict()
    low, high = values.pop("false_interval")
    return {"data": measured.name, **values, "false_low": low, "false_high": high}
