"""`amogus bench unchanged`: what a run costs that finds nothing to do."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("unchanged")(unchanged)


def unchanged(
    files: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures, all of them in the index.")] = 100_000,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Runs; medians are reported.")] = 3,
    at: Annotated[
        Path | None,
        typer.Option("--at", metavar="DIR", help="Make pictures and index here, or use those made here before."),
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Write tiny pictures and an index that knows them, and time `amogus index` over them, stage by stage.

    One row a stage; the last one is the whole program, from its start to its end, without the clocks.
    """
    from amogus_search import registry
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_unchanged import Made, make, run
    from amogus_search.finder import Finder

    with tempfile.TemporaryDirectory() as temporary, ProgressDisplay(quiet=quiet) as progress:
        place = at or Path(temporary)
        made = Made(place / "photos", place / "index")
        if not made.index.exists():
            made = make(place, files, Finder.load(), registry.load_embedder(), told=progress)
        progress("timing", 0, None)
        rows = run(made, files, repeats)
    write_rows(rows, format)
