"""`amogus bench index`: indexing at full length, on one core and on more, with an eye on its memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import FormatOption, ProfileName, QuietOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("index")(index)


def index(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH...]", help="Pictures and folders.")] = None,
    generated: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Draw so many small pictures and index these.")
    ] = None,
    cores: Annotated[
        str, typer.Option(metavar="LIST", help="One run on so many cores each, as 1,2; 0: on all there are.")
    ] = "0",
    profile: Annotated[ProfileName, typer.Option(help="How closely each picture is looked at.")] = "balanced",
    detector: Annotated[str, typer.Option(metavar="NAME", help="As for `amogus index`.")] = "amogus",
    embedder: Annotated[str, typer.Option(metavar="NAME", help="As for `amogus index`.")] = "amogus",
    at: Annotated[
        Path | None, typer.Option("--at", metavar="DIR", help="Draw pictures here, and use those drawn here before.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write speed over pictures as SVG, and beside it memory as NAME-memory.svg."),
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Index pictures anew in a process of its own, and watch its speed and its memory.

    One row for each number of cores. Memory is that of the process and its decoding processes together; its slope
    leaves out the first fifth of the pictures. With --format json, every look at it is there too.
    """
    from amogus_search import plotting
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_record, write_rows
    from amogus_search.errors import UsageError
    from amogus_search.evaluation.benchmark_index import Order, generate, memory_plot, run, speed_plot
    from amogus_search.exports.folders import write_whole
    from amogus_search.sources.folder import FolderSource

    if (generated is None) is (not paths):
        raise UsageError("it takes pictures or --generated N", "amogus bench index --generated 2000")
    numbers = cores.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise UsageError(f"--cores is {cores!r}", "as in --cores 1,2; 0 for all there are")
    if plot is not None:
        plotting.require()
    courses = []
    with tempfile.TemporaryDirectory(prefix="amogus-bench-") as temporary, ProgressDisplay(quiet=quiet) as progress:
        folders = paths or generate(at or Path(temporary) / "photos", generated or 0, progress)
        count = generated or sum(1 for _ in FolderSource(folders).scan())
        for done, number in enumerate(numbers):
            progress("indexing", done, len(numbers))
            place = f"{temporary}/index{done}"
            order = Order([str(path) for path in folders], place, profile, detector, embedder, cores=int(number))
            courses.append(run(order, count))
    if plot is not None:
        write_whole(plot, speed_plot(courses).encode())
        write_whole(plot.with_name(f"{plot.stem}-memory.svg"), memory_plot(courses).encode())
    rows = [course.row() for course in courses]
    if format == "json":
        runs = [{**row, "samples": course.samples} for row, course in zip(rows, courses, strict=True)]
        write_record({"profile": profile, "generated": generated, "runs": runs}, "json")
        return
    write_rows(rows, format)
