"""`amogus eval calibrate`: fit what makes amogusness and rarity out of raw scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.eval_common import (
    HalfOption,
    HeldOutOption,
    LabelledOption,
    SplitOption,
    WorthOption,
    judged,
    labelled,
)
from amogus_search.cli.parameters import DEFAULT_PROFILE_NAME, DetectorOption, ProfileOption, QuietOption
from amogus_search.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)


def calibrate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The calibration, as JSON.")],
    data: LabelledOption,
    background: Annotated[
        list[Path], typer.Option("--background", metavar="DIR", help="Ordinary photos without the motif, for rarity.")
    ],
    worth: WorthOption = None,
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
        found = judged(finder, labelled(folder, split, held_out, half), profile, quiet)
        groups[str(folder)] = (found, worth[number] if worth else float(len(found)))
    photos = [image for folder in background for image in labelled(folder, "", held_out)]
    made = {"detector": finder.detector.fingerprint, "profile": profile}
    fitted = fit(groups, judged(finder, photos, profile, quiet), finder.detector.motif, made)
    out.write_text(json.dumps(fitted.to_dict(), indent=1) + "\n")
    print(f"{out}: calibration {fitted.id}")
