"""`amogus bench copies`: how well copies are told from other shots of the same thing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("copies")(copies)


def copies(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS...", help="Folders of photos.")],
    limit: Annotated[
        int | None, typer.Option("-n", "--limit", min=1, metavar="N", help="So many photos, evenly chosen.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="What is altered how.")] = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Alter photos in known ways, and count what `amogus duplicates` would call copies by their pixels.

    One row a way. The vectors' part in finding them is not measured here.
    """
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_copies import COPIES, OTHERS, run, summary
    from amogus_search.pipeline.copies import READ_PX
    from amogus_search.sources.folder import FolderSource
    from amogus_search.sources.workers import DecodePool

    entries = list(FolderSource(photos).scan())
    if limit is not None and len(entries) > limit:
        entries = [entries[place * len(entries) // limit] for place in range(limit)]
    ways = len(COPIES) + len(OTHERS)
    results = []
    with DecodePool(max_side=2 * READ_PX) as pool, ProgressDisplay(quiet=quiet) as progress:
        for result in run(pool.decode(iter(entries)), seed):
            results.append(result)
            progress("altering", len(results), ways * len(entries))
    write_rows([one.row() for one in summary(results)], format)
