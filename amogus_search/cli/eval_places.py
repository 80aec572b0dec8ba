"""`amogus eval rplace` and `amogus eval needle`: the smallest places, on a pixel canvas and in large photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
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
    app.command("needle")(with_options(needle))


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


def needle(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Large photos without the motif.")],
    thresholds: Thresholds,
    draws: Annotated[int, typer.Option("-n", "--draws", min=1, metavar="N", help="How many needles.")] = 100,
    area: Annotated[float, typer.Option(min=1e-6, max=0.2, help="Of a needle, as a share of the photo.")] = 0.001,
    tier: Annotated[Literal["plain", "varied", "disguised", "mixed"], typer.Option(help="How it is drawn.")] = "varied",
    detector: DetectorOption = "amogus",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    seed: SeedOption = 0,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="OUT", help="Folder for contact sheets and needles.json.")
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Hide one small rendered amogus at a time in large photos, and count what is found.

    Recall at IoU 0.5 with its 95 % interval; false findings per photo, as the photos are and with the needles in them.
    """
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation import needle as measure
    from amogus_search.evaluation.labelled import entries, read_dataset
    from amogus_search.finder import Finder
    from amogus_search.sources.workers import DecodePool

    images = read_dataset(photos)
    finder = Finder.load(detector)
    settings = measure.NeedleSettings(draws=draws, area=area, tier=tier, seed=seed)
    with DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        for test in measure.run(
            pool.decode(entries(images)),
            len(images),
            lambda pictures: finder.find(pictures, PROFILES[profile]),
            thresholds.resolved(),
            settings,
        ):
            progress("photos", len(test.bare_false), len(images))
    if report is not None:
        measure.write_report(report, test, {"detector": detector, "profile": profile})
    write_rows([test.to_dict()], format)
