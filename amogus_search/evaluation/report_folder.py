"""A report on disk: a folder with report.json and report.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amogus_search.errors import UsageError
from amogus_search.evaluation import confusion
from amogus_search.evaluation.baseline import Change
from amogus_search.evaluation.detection import Scorer
from amogus_search.evaluation.page import Cases, report_page
from amogus_search.evaluation.report import MeasuredSet, read_report, report_text
from amogus_search.exports.folders import claim_folder, write_whole
from amogus_search.plotting import require
from amogus_search.ports import Decoder

JSON_NAME, PAGE_NAME = "report.json", "report.html"


def claim_report_folder(out: Path) -> None:
    """Make the folder ready, before anything is measured.

    Raises:
        UsageError: it holds something else than an earlier report.
        MissingExtraError: matplotlib is not installed (extra `eval`).
    """
    require()
    claim_folder(out, _is_report, "a report", overwrite=False)


def write_report(
    out: Path,
    report: Mapping[str, Any],
    sets: Sequence[MeasuredSet],
    scorer: Scorer,
    decoder: Decoder,
    changes: Sequence[Change] = (),
) -> Path:
    """Write both files into a claimed folder; the page is what comes back.

    Args:
        report: see `evaluation.report`.
        sets: the judged pictures behind it; the worst errors are shown, and their pictures decoded once more.
        scorer: what scored the findings.
        changes: beside a baseline, if there is one.
    """
    threshold = float(report["made"]["threshold"])
    cases: Cases = {
        one.name: (
            confusion.shown(confusion.worst_misses(one.judged, scorer, threshold), decoder),
            confusion.shown(confusion.worst_false(one.judged, scorer), decoder),
        )
        for one in sets
    }
    write_whole(out / JSON_NAME, report_text(report).encode())
    write_whole(out / PAGE_NAME, report_page(report, cases, changes).encode())
    return out / PAGE_NAME


def _is_report(folder: Path) -> bool:
    try:
        read_report(folder / JSON_NAME)
    except UsageError:
        return False
    return True
