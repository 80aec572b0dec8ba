"""`amogus eval`: how good it is, on pictures whose truth is known; and fitting a calibration to such pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    FormatOption,
    IndexOption,
    ProfileName,
    ProfileOption,
    QuietOption,
)
from amogus_search.errors import UsageError
from amogus_search.settings import DEFAULT_THRESHOLD, PROFILES

if TYPE_CHECKING:
    from amogus_search.evaluation.detection import Judged
    from amogus_search.evaluation.labelled import LabelledImage
    from amogus_search.finder import Finder

app = typer.Typer(name="eval", help="Measure on labelled pictures; fit a calibration.", no_args_is_help=True)

DataArgument = Annotated[
    list[Path], typer.Argument(metavar="DATA...", help="YOLO data sets, or folders of photos without the motif.")
]
HeldOutOption = Annotated[bool, typer.Option("--held-out", help="Only pictures that no training may have seen.")]
HalfOption = Annotated[
    Literal["fit", "report"] | None,
    typer.Option("--half", help="Only the half that calibrations are fitted on, or only the other one."),
]
SplitOption = Annotated[str, typer.Option("--split", metavar="NAME", help="Only images/NAME of each data set.")]


@app.command("detect")
def detect(
    data: DataArgument,
    detector: DetectorOption = "amogus",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Amogusness from which a finding counts.")] = (
        DEFAULT_THRESHOLD
    ),
    split: SplitOption = "",
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
    for folder in data:
        images = _labelled(folder, split, held_out, half)
        measured = report(_judged(finder, images, profile, quiet), finder.score, threshold)
        values = measured.to_dict()
        low, high = values.pop("false_interval")
        rows.append({"data": str(folder), **values, "false_low": low, "false_high": high})
    write_rows(rows, format)


@app.command("calibrate")
def calibrate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The calibration, as JSON.")],
    data: Annotated[list[Path], typer.Option("--data", metavar="DIR", help="Labelled pictures to fit on.")],
    background: Annotated[
        list[Path], typer.Option("--background", metavar="DIR", help="Ordinary photos without the motif, for rarity.")
    ],
    worth: Annotated[
        list[float] | None,
        typer.Option("--worth", help="How many pictures each --data stands for; by default as many as it has."),
    ] = None,
    detector: DetectorOption = "amogus",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    split: SplitOption = "",
    held_out: HeldOutOption = False,
    half: HalfOption = "fit",
    quiet: QuietOption = False,
) -> None:
    """Fit what turns a detector's scores into amogusness and rarity."""
    from amogus_search.evaluation.calibration import fit
    from amogus_search.finder import Finder

    if worth and len(worth) != len(data):
        raise UsageError(f"{len(worth)} times --worth for {len(data)} times --data", "give one for each, or none")
    finder = Finder.load(detector)
    groups = {}
    for number, folder in enumerate(data):
        judged = _judged(finder, _labelled(folder, split, held_out, half), profile, quiet)
        groups[str(folder)] = (judged, worth[number] if worth else float(len(judged)))
    photos = [image for folder in background for image in _labelled(folder, "", held_out)]
    made = {"detector": finder.detector.fingerprint, "profile": profile}
    fitted = fit(groups, _judged(finder, photos, profile, quiet), finder.detector.motif, made)
    out.write_text(json.dumps(fitted.to_dict(), indent=1) + "\n")
    print(f"{out}: calibration {fitted.id}")


@app.command("demo")
def demo(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="truth.json of `amogus synth demo`.")],
    index: IndexOption = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Amogusness from which a finding counts.")] = (
        DEFAULT_THRESHOLD
    ),
    overlap: Annotated[float, typer.Option(min=0.05, max=1, help="Least IoU of a finding and an amogus.")] = 0.4,
    format: FormatOption = "table",  # noqa: A002
) -> None:
    """Compare the index of a demo folder with the truth: found, missed and false, by size."""
    from amogus_search.cli.asking import opened_index
    from amogus_search.cli.records import write_rows
    from amogus_search.core.thresholds import Threshold
    from amogus_search.evaluation.demo import compare, read_truth
    from amogus_search.finder import UNCALIBRATED_CONFIDENCE

    hidden = read_truth(truth)
    with opened_index(index) as opened:
        hits = opened.best_images(None)
    counts = Threshold(min_amogusness=threshold, uncalibrated_confidence=UNCALIBRATED_CONFIDENCE)
    write_rows([row.to_dict() for row in compare(hits, hidden, threshold=counts, min_iou=overlap)], format)


def _labelled(
    folder: Path, split: str, only_held_out: bool, half: Literal["fit", "report"] | None = None
) -> list[LabelledImage]:
    from amogus_search.evaluation import labelled

    images = labelled.read_dataset(folder, split)
    images = labelled.held_out(images) if only_held_out else images
    return labelled.one_half(images, half == "fit") if half else images


def _judged(finder: Finder, images: list[LabelledImage], profile: ProfileName, quiet: bool) -> list[Judged]:
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.evaluation.detection import judge
    from amogus_search.sources.workers import DecodePool

    judged = []
    with DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        for one in judge(images, pool, finder.detector, PROFILES[profile], verifier=finder.verifier):
            judged.append(one)
            progress("judging", len(judged), len(images))
    return judged
