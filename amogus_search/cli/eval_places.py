"""`amogus eval rplace` and `amogus eval needle`: the smallest places, on a pixel canvas and in large photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import (
    DetectorOption,
    FormatOption,
    ProfileName,
    ProfileOption,
    QuietOption,
    Thresholds,
    with_options,
)
from amogus_search.settings import PROFILES

CANVAS_PROFILE: ProfileName = "thorough"
"""The crewmates of a canvas are five pixels tall."""

SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Which are drawn at random.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rplace")(with_options(rplace))


def rplace(
    canvas: Annotated[Path, typer.Argument(metavar="CANVAS", help="A canvas of single pixels, such as r/place.")],
    report: Annotated[Path, typer.Option("--report", metavar="OUT", help="Folder for pictures and summary.json.")],
    thresholds: Thresholds,
    matches: Annotated[
        Path | None, typer.Option("--matches", metavar="CSV", help="Known matches: columns rule, x, y, w, h.")
    ] = None,
    detector: DetectorOption = "amogus",
    profile: ProfileOption = CANVAS_PROFILE,
    seed: SeedOption = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Draw the findings over a pixel canvas and compare them with template rules.

    One row for the detector `template`, and one for each rule of --matches. Look at unmatched.png in the report: what
    no rule knows may still be one.
    """
    from amogus_search.cli.records import note, write_rows
    from amogus_search.core.types import SkippedImage
    from amogus_search.evaluation import rplace as measure
    from amogus_search.finder import Finder

    threshold = thresholds.resolved()
    image = measure.read_canvas(canvas)
    references = measure.read_matches(matches) if matches else {}
    found = {}
    for name in dict.fromkeys(("template", detector)):
        note(f"{name} looks at {canvas}", quiet=quiet)
        (item,) = Finder.load(name).find([image], PROFILES[profile])
        assert not isinstance(item, SkippedImage)
        found[name] = item
    # The list that matters most comes first: its misses are drawn on the canvas.
    references["template"] = found["template"].detections.xyxy
    counted = threshold.passes(found[detector].detections, found[detector].scores)
    comparison = measure.compare(found[detector], counted, references)
    measure.write_report(
        report, image.pixels, comparison, {"canvas": str(canvas), "detector": detector, "profile": profile}, seed=seed
    )
    values = comparison.to_dict()
    shared = {"findings": values["findings"], "unmatched": values["unmatched"]}
    write_rows([{**row, **shared} for row in values["references"]], format)
