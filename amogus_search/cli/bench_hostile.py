"""`amogus bench hostile`: odd, broken and hostile files among good photos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import DetectorOption, EmbedderOption, FormatOption, ProfileOption, QuietOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("hostile")(hostile)


def hostile(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Hostile files, with a MANIFEST.csv.")],
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS...", help="Good photos to mix them with.")],
    detector: DetectorOption = "amogus",
    embedder: EmbedderOption = "amogus",
    profile: ProfileOption = "fast",
    limit: Annotated[
        int | None, typer.Option("-n", "--limit", min=1, metavar="N", help="So many photos, evenly chosen.")
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Index good photos alone, then mixed with hostile files; exit code 1 if anything did not end as it must.

    The manifest is a CSV with the columns file, category, expected (decode, skip:REASON, or several with " or "
    between them) and gate (exact: it must end so; anything else: only the run must go on). One line a category: how
    many were tried, ended wrong, or were skipped by another reason word than the manifest's.
    """
    from amogus_search.cli.records import note, write_rows
    from amogus_search.evaluation.benchmark_hostile import read_manifest, run
    from amogus_search.indexing import Choice
    from amogus_search.sources.folder import FolderSource

    good = [Path(os.fsdecode(entry.path)) for entry in FolderSource(photos).scan() if entry.problem is None]
    if limit is not None and len(good) > limit:
        good = [good[place * len(good) // limit] for place in range(limit)]
    report = run(read_manifest(folder), good, Choice(detector, embedder, profile))
    write_rows(report.rows(), format)
    for file in report.other_word:
        note(f"other word: {file.path.name}: {report.states[file]}, not {file.expected}", quiet=quiet)
    for file in report.wrong:
        note(f"wrong: {file.path.name}: {report.states[file] or 'no state'}, not {file.expected}")
    for photo in report.differing:
        note(f"differs: {photo}")
    note(f"{report.scanned} files in {report.seconds:.1f} s", quiet=quiet)
    if report.wrong or report.differing:
        raise typer.Exit(1)
