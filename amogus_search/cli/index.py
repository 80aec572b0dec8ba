"""`amogus index`: make an index say the same as the folders do."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from amogus_search.cli.budget import BudgetOptions, generation_of, notes_on_structure
from amogus_search.cli.parameters import (
    ExcludeOption,
    Format,
    FormatOption,
    IndexOption,
    ProfileName,
    QuietOption,
    index_folder,
    with_options,
)

if TYPE_CHECKING:
    from amogus_search.indexing import Choice, Run
    from amogus_search.pipeline.index import IndexReport

INTERRUPTED, PARTLY_SKIPPED = 130, 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("index")(with_options(index))


def index(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures and folders of pictures.")],
    budget: BudgetOptions,
    index: IndexOption = None,
    profile: Annotated[
        ProfileName | None, typer.Option(help="How closely each picture is looked at; balanced for a new index.")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="amogus, motif:NAME, or a YOLO .pt or .onnx file; as before by default."),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="amogus, open_clip:MODEL/PRETRAINED, or openvino:FOLDER; as before by default. Another than before "
            "makes new vectors for all that was found, without looking for it again.",
        ),
    ] = None,
    exclude: ExcludeOption = None,
    confirm_deletions: Annotated[
        bool, typer.Option("--confirm-deletions", help="Missing files were really deleted, however many.")
    ] = False,
    retry_skipped: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            "--retry-skipped",
            help="Try files again that could not be read before, or killed a process.",
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Then keep it up to date until you stop it: needs the extra [watch].")
    ] = False,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Index folders of pictures, or bring their index up to date.

    Adds new pictures, updates changed ones, removes deleted ones. May be stopped at any time (Ctrl-C) and run again;
    what is done is kept. The pictures are never written to.
    """
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.stopping import StopRequest
    from amogus_search.indexing import Choice, Run, index_paths

    folder = index_folder(index)
    before = generation_of(folder)
    with StopRequest(quiet=quiet) as stop:
        with ProgressDisplay(quiet=quiet) as progress:
            run = Run(
                exclude=exclude or (),
                confirm_deletions=confirm_deletions,
                retry_skipped=retry_skipped,
                own_place=index is not None or bool(os.environ.get("AMOGUS_INDEX")),
                progress=progress,
                should_stop=stop.wanted,
                budget=budget.resolved if budget.is_said else None,
            )
            choice = Choice(detector, embedder, profile)
            if watch:
                _follow(paths, folder, choice, run, format=format, quiet=quiet)
            report = index_paths(paths, folder, choice, run)
        # A signal that comes when all is done must not end the words about it, which read the index once more.
        _tell(report, folder, before, format=format, quiet=quiet)
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)
    if report.inaccessible:
        raise typer.Exit(PARTLY_SKIPPED)


def _tell(report: IndexReport, folder: Path, before: object, *, format: Format, quiet: bool) -> None:  # noqa: A002
    """What a whole run did."""
    from amogus_search.cli.records import note, write_record

    for text in (*report.notes, *notes_on_structure(folder, before)):
        note(text, quiet=quiet)
    if format == "table":
        _print_report(report, folder, quiet)
    else:
        write_record(_record(report, folder), format)


def _follow(
    paths: list[Path],
    folder: Path,
    choice: Choice,
    run: Run,
    *,
    format: Format,  # noqa: A002
    quiet: bool,
) -> NoReturn:
    """Index until somebody stops it: a line on stderr for each run; in other formats than a table a record too."""
    from amogus_search.cli.records import note, write_record
    from amogus_search.watching import follow

    before, is_first = generation_of(folder), True
    for item in follow(paths, folder, choice, run):
        if isinstance(item, str):
            note(item, quiet=quiet)
        elif is_first:
            is_first = False
            _tell(item, folder, before, format=format, quiet=quiet)
            if not item.interrupted:
                note("watching; Ctrl-C ends it", quiet=quiet)
        else:
            note(_line(item), quiet=quiet)
            if format != "table":
                write_record(_record(item, folder), format)
        sys.stdout.flush()
    raise typer.Exit(INTERRUPTED)


def _line(report: IndexReport) -> str:
    """One run in one line."""
    from amogus_search.cli.progress import duration

    reasons = ", ".join(f"{count} {reason}" for reason, count in report.reasons.items())
    return (
        f"{time.strftime('%H:%M:%S')} {report.indexed - report.changed} added, {report.changed} changed, "
        f"{report.removed} removed"
        + (f", {report.skipped} skipped ({reasons})" if report.skipped else "")
        + f", in {duration(report.seconds)}"
        + (f"; stopped with {report.unfinished} to go" if report.interrupted else "")
    )


def _record(report: IndexReport, folder: Path) -> dict[str, object]:
    names = (
        "scanned",
        "indexed",
        "changed",
        "unchanged",
        "skipped",
        "removed",
        "reused",
        "unfinished",
        "interrupted",
        "reembedded",
        "kept",
    )
    return {
        "index": str(folder),
        **{name: getattr(report, name) for name in names},
        "seconds": round(report.seconds, 2),
    }


def _print_report(report: IndexReport, folder: Path, quiet: bool) -> None:
    from amogus_search.cli.progress import duration, speed
    from amogus_search.cli.records import note

    print(
        f"{report.scanned} scanned = {report.indexed} indexed + {report.unchanged} unchanged + {report.skipped} skipped"
        + (f"; {report.removed} removed" if report.removed else "")
    )
    reasons = ", ".join(f"{count} {reason}" for reason, count in report.reasons.items())
    if reasons:
        listed = " (amogus status --skipped lists them)" if report.skipped > report.kept else ""
        note(f"skipped: {reasons}{listed}", quiet=quiet)
    if report.interrupted:
        note(f"stopped: {report.unfinished} to go; the same command goes on from here", quiet=quiet)
    rate = f", {speed(report.indexed / report.seconds)} pictures a second" if report.indexed and report.seconds else ""
    note(f"{duration(report.seconds)}{rate}, index: {folder}", quiet=quiet)
