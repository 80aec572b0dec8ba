"""`amogus bench tiles`: what is saved by not looking everywhere, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    FormatOption,
    ProfileOption,
    QuietOption,
    Thresholds,
    with_options,
)
from amogus_search.settings import PROFILES


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tiles")(with_options(tiles))


def tiles(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS...", help="Folders of photos without the motif.")],
    thresholds: Thresholds,
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    detector: DetectorOption = "amogus",
    limit: Annotated[
        int | None, typer.Option("-n", "--limit", min=1, metavar="N", help="So many photos of each, evenly chosen.")
    ] = None,
    plants: Annotated[int, typer.Option(min=1, help="Amogi planted in each photo, to count what is lost.")] = 24,
    smallest: Annotated[float, typer.Option(min=4, help="Their least height, pixels of the photo.")] = 10,
    largest: Annotated[float, typer.Option(min=4, help="Their greatest height.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="What is planted where.")] = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Tile passes saved by the gate over ordinary photos, and planted amogi lost by it.

    One row for each setting of the gate (hint_confidence in settings.py; 0: only tiles without structure are skipped).
    Every tile is looked at, so a run takes as long as one without a gate, twice.
    """
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_tiles import TilesSettings, run
    from amogus_search.evaluation.labelled import entries, read_dataset
    from amogus_search.finder import Finder
    from amogus_search.sources.workers import DecodePool

    images = []
    for folder in photos:
        there = read_dataset(folder)
        images += there[:: max(1, len(there) // limit)][:limit] if limit else there
    settings = TilesSettings(plants=plants, height_px=(smallest, max(smallest, largest)), seed=seed)
    with DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        decoded = pool.decode(entries(images))
        for bench in run(decoded, Finder.load(detector), PROFILES[profile], thresholds.resolved(), settings):
            progress("photos", bench.photos, len(images))
    write_rows(bench.rows(), format)
