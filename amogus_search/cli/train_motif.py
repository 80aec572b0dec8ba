"""`amogus train motif`: teach the detector anything that can be drawn. Needs the [train] extra."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption
from amogus_search.errors import MissingExtraError

if TYPE_CHECKING:
    from amogus_search.teaching import Lesson

DEFAULT_MINUTES = 30.0


def register(app: typer.Typer) -> None:
    """Add the command to `amogus train`."""
    app.command("motif")(motif)


def motif(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called: --detector motif:NAME.")],
    drawings: Annotated[
        Path,
        typer.Option(metavar="DIR", help="About ten pictures of it: transparent PNGs, or drawings on plain paper."),
    ],
    minutes: Annotated[float, typer.Option(help="About so long, all in all.")] = DEFAULT_MINUTES,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photos without it: grounds to plant it on, and pictures to be quiet on."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Its folder; by default $AMOGUS_MOTIFS/NAME or motifs/NAME."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of scenes and training.")] = 0,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Tensors to begin with; by default the shipped detector's.")
    ] = None,
    size: Annotated[int, typer.Option(min=64, max=1280, help="Side of the training pictures, in pixels.")] = 320,
    crewmate: Annotated[
        bool, typer.Option("--crewmate", help="It is a crewmate itself: do not teach it to leave others alone.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Drawing processes; 0: one for each core.")] = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Teach another motif from about ten drawings of it.

    They are cut out and planted in drawn scenes and photos; the shipped detector learns to find them for as long as
    there is time, and is calibrated. May be stopped at any time: the same command goes on.
    """
    _require_training()
    from amogus_search import motif_folders
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import note, write_record
    from amogus_search.teaching import Lesson, teach

    lesson = Lesson(
        name=motif_folders.checked_name(name),
        drawings=drawings,
        out=out or motif_folders.home() / name,
        minutes=minutes,
        photos=photos,
        start=start,
        seed=seed,
        side_px=size,
        is_crewmate=crewmate,
        workers=workers,
    )
    lesson = _with_command(lesson, out)
    with ProgressDisplay(quiet=quiet) as progress:
        taught = teach(lesson, progress)
    if not taught.new:
        note("it was taught before, for as long: nothing to do", quiet=quiet)
    write_record({"motif": name, "folder": str(taught.folder), **taught.metrics}, format)
    by_name = taught.folder == motif_folders.home() / name
    argument = name if by_name else str(taught.folder)
    note(f"look at {taught.folder / 'drawings.png'}: were they cut out well?", quiet=quiet)
    note(f"use it: amogus detect PATH --detector {motif_folders.PREFIX}{shlex.quote(argument)}", quiet=quiet)


def _with_command(lesson: Lesson, out: Path | None) -> Lesson:
    """The same, with the command line that teaches it again."""
    from dataclasses import replace

    words = ["amogus", "train", "motif", lesson.name, "--drawings", str(lesson.drawings)]
    words += ["--minutes", f"{lesson.minutes:g}", "--seed", str(lesson.seed), "--size", str(lesson.side_px)]
    for option, value in (("--photos", lesson.photos), ("--start", lesson.start), ("--out", out)):
        words += [option, str(value)] if value is not None else []
    words += ["--crewmate"] if lesson.is_crewmate else []
    return replace(lesson, command=shlex.join(words))


def _require_training() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None or find_spec("ultralytics") is None:
        raise MissingExtraError("teaching a motif needs torch and ultralytics", 'pip install "amogus_search[train]"')
