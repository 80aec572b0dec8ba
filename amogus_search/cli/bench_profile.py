"""`amogus bench profile`: where the time of indexing goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import FormatOption, ProfileName, QuietOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("profile")(profile)


def profile(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures and folders of pictures.")],
    profile: Annotated[ProfileName, typer.Option(help="How closely each picture is looked at.")] = "balanced",
    detector: Annotated[str, typer.Option(metavar="NAME", help="As for `amogus index`.")] = "amogus",
    embedder: Annotated[str, typer.Option(metavar="NAME", help="As for `amogus index`.")] = "amogus",
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Runs, in turns with the models alone.")] = 3,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Index pictures anew and say where the time goes, and how near it comes to the models' own speed.

    Everything the models are shown is kept, and shown to them once more with nothing in between: `of the models` is the
    time of that by the time of indexing; `of the networks` counts the networks alone, without their input, the decoding
    of their output and its suppression. The stages are those of another run with clocks on its parts, thread by thread;
    threads go on at once. Nothing is kept.
    """
    import os

    from amogus_search import registry
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import note, write_record, write_rows
    from amogus_search.evaluation.benchmark_profile import Subject, run
    from amogus_search.finder import Finder
    from amogus_search.sources.folder import FolderSource

    source = FolderSource([os.fsencode(path) for path in paths])
    subject = Subject(source, Finder.load(detector), registry.load_embedder(embedder), profile)
    with ProgressDisplay(quiet=quiet) as progress:
        measured = run(subject, rounds, progress)
    if format == "json":
        write_record({**measured.summary(), "stages": measured.stages}, "json")
        return
    write_rows(measured.stages, format)
    for name, value in measured.summary().items():
        note(f"{name.replace('_', ' ')}: {value}", quiet=quiet)
