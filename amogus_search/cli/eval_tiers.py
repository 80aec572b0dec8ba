"""`amogus eval tiers`: the frozen sets of drawn scenes, drawn (or reused) and measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.eval_common import THRESHOLD, ThresholdOption, judged
from amogus_search.cli.eval_detect import BaselineOption, Outcome, ReportOption
from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    FormatOption,
    ProfileOption,
    QuietOption,
)
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.evaluation.labelled import LabelledImage
    from amogus_search.evaluation.report import MeasuredSet

_SMALL = "8 to 16"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tiers")(tiers)


def tiers(
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Where the sets are drawn, or were drawn before.")
    ] = None,
    tier: Annotated[
        list[str] | None, typer.Option("--tier", metavar="NAME", help="plain, varied, disguised; all by default.")
    ] = None,
    detector: DetectorOption = "amogus",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    threshold: ThresholdOption = THRESHOLD,
    report: ReportOption = None,
    baseline: BaselineOption = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Take the renderer as it is now for the frozen one; measures nothing.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Drawing processes.")] = max(1, (os.cpu_count() or 1) - 1),
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Measure on the frozen sets of drawn scenes: the same pictures for every detector and every version.

    The first scenes of each set are drawn again and compared with what was frozen; a renderer that draws otherwise is
    refused. Besides the columns of `eval detect` there is the AP50 of amogi 8 to 16 pixels tall, in pixels of the
    scene (small ap50) and as the detector saw them (small input ap50), and the keypoints' PCK@0.1.
    """
    from amogus_search.evaluation import tiers as frozen
    from amogus_search.evaluation.report import measured_set
    from amogus_search.finder import Finder

    if freeze:
        print(frozen.freeze())
        return
    if out is None:
        raise UsageError("there is no folder to draw the sets in", "amogus eval tiers OUT")
    wanted = frozen.names(tier or ())
    outcome = Outcome(report, baseline, format, quiet)
    finder = Finder.load(detector)
    sets = []
    for name in wanted:
        images = _drawn(name, out / name, workers, quiet)
        sets.append(measured_set(name, judged(finder, images, profile, quiet), finder))
    asked = {"profile": profile, "threshold": threshold}
    outcome.present(finder, sets, asked, columns=lambda one: _columns(one, threshold))


def _drawn(name: str, folder: Path, workers: int, quiet: bool) -> list[LabelledImage]:
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.evaluation import tiers as frozen

    tier = frozen.frozen_tiers()[name]
    with ProgressDisplay(quiet=quiet) as progress:
        frozen.check(tier)
        return frozen.rendered(
            tier, folder, workers=workers, progress=lambda done, total: progress(f"drawing {name}", done, total)
        )


def _columns(measured: MeasuredSet, threshold: float) -> dict[str, float | int | None]:
    from amogus_search.evaluation import measures
    from amogus_search.evaluation.report import plain

    pooled = measures.pool_records(measured.records)
    row: dict[str, float | int | None] = {"pck10": plain(measures.headline(pooled, threshold, pooled.once)["pck10"])}
    for frame, name in (("image", "small"), ("input", "small_input")):
        low, high = measures.BANDS[_SMALL]
        heights = pooled.true_heights[frame]
        row[name] = int(((heights >= low) & (heights < high)).sum())
        row[f"{name}_ap50"] = plain(measures.in_band(pooled, frame, _SMALL, threshold, pooled.once)["ap50"])
    return row
