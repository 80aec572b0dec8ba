"""`amogus eval calibrate` and `ablate`: fit what makes amogusness and rarity out of raw scores; say what adds what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.eval_common import (
    THRESHOLD,
    HalfOption,
    HeldOutOption,
    LabelledOption,
    SplitOption,
    ThresholdOption,
    WorthOption,
    judged,
    labelled,
)
from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    FormatOption,
    ProfileName,
    ProfileOption,
    QuietOption,
)
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.evaluation.detection import Judged
    from amogus_search.evaluation.labelled import LabelledImage
    from amogus_search.finder import Finder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)
    app.command("ablate")(ablate)


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
    from amogus_search.whole_files import in_place_of, refuse_special

    refuse_special(out)  # fitting takes long
    finder = Finder.load(detector)
    sets = {str(folder): labelled(folder, split, held_out, half) for folder in data}
    groups = _judged_groups(finder, sets, worth, profile, quiet)
    photos = [image for folder in background for image in labelled(folder, "", held_out)]
    made = {"detector": finder.detector.fingerprint, "profile": profile}
    fitted = fit(groups, judged(finder, photos, profile, quiet), finder.detector.motif, made)
    with in_place_of(out) as part:
        part.write_text(json.dumps(fitted.to_dict(), indent=1) + "\n")
    print(f"{out}: calibration {fitted.id}")


def ablate(
    data: LabelledOption,
    worth: WorthOption = None,
    detector: DetectorOption = "amogus",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    threshold: ThresholdOption = THRESHOLD,
    split: SplitOption = "",
    held_out: HeldOutOption = False,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """What each opinion adds: curves from the confidence, the parts, the colours and the second look, in steps.

    Each is fitted on the fitting half of the pictures and measured on the other half, in the mix that --worth states.
    """
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation import ablation
    from amogus_search.finder import Finder

    finder = Finder.load(detector)
    sets = {str(folder): labelled(folder, split, held_out) for folder in data}
    groups = _judged_groups(finder, sets, worth, profile, quiet)
    write_rows([row.to_dict() for row in ablation.ablate(groups, finder.detector.motif, threshold)], format)


def _judged_groups(
    finder: Finder,
    sets: Mapping[str, list[LabelledImage]],
    worth: list[float] | None,
    profile: ProfileName,
    quiet: bool,
) -> dict[str, tuple[list[Judged], float]]:
    """Every set judged, and how many pictures it stands for."""
    if worth and len(worth) != len(sets):
        raise UsageError(f"{len(worth)} times --worth for {len(sets)} times --data", "give one for each, or none")
    groups = {}
    for number, (name, images) in enumerate(sets.items()):
        found = judged(finder, images, profile, quiet)
        groups[name] = (found, worth[number] if worth else float(len(found)))
    return groups
