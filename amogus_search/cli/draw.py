"""`amogus draw`: crewmates from parameters, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.parameters import FormatOption
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.synth.portraits import Portrait, Wanted


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("draw")(draw)


def draw(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .png or .svg file for one, a folder for several.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=100_000, help="So many crewmates.")] = 1,
    colour: Annotated[str, typer.Option("--color", metavar="C", help="A colour of the game, #rrggbb, or any.")] = "any",
    hat: Annotated[str, typer.Option(metavar="NAME", help="A hat such as crown or 'top hat', none, or any.")] = "any",
    pose: Annotated[
        str,
        typer.Option(metavar="NAME", help="right, left, front, back, profile, walking, leaning, squat, tall, or any."),
    ] = "any",
    style: Annotated[
        str, typer.Option(metavar="NAME", help="A style such as flat, plush or neon, or any.")
    ] = "outlined",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same crewmates.")] = 0,
    size: Annotated[int, typer.Option(min=16, max=4096, help="Height without hat, in pixels.")] = 512,
    svg: Annotated[bool, typer.Option("--svg", help="An SVG beside each PNG, in plain colours.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over files that are there.")] = False,
    format: FormatOption = "table",  # noqa: A002
) -> None:
    """Draw crewmates: transparent PNGs, and SVGs; no model involved.

    An unknown colour, hat, pose or style is answered with the known ones.
    """
    from amogus_search.cli.records import write_rows
    from amogus_search.synth.portraits import Wanted, portrait

    wanted = Wanted(colour, hat, pose, style, size)
    single = out.suffix.lower() in (".png", ".svg")
    if single and number > 1:
        raise UsageError(f"{out} is one file, and {number} crewmates are asked for", "name a folder")
    if not single and out.suffix and not out.is_dir():
        raise UsageError(f"{out} is neither .png nor .svg", "name the file like red.png, or a folder")
    rows = []
    for count in range(number):
        one = portrait(wanted, seed + count)
        stem = out.with_suffix("") if single else out / f"{seed + count:04}_{one.name}"
        files = _files(out, stem, svg)
        _check(files, wanted, overwrite)
        for file in files:
            _write(file, one)
        rows += [{"file": str(file), "color": one.palette.name, "pose": one.pose, "style": one.style} for file in files]
    write_rows(rows, format)


def _files(out: Path, stem: Path, svg: bool) -> list[Path]:
    if out.suffix.lower() == ".svg":
        return [out]
    png = out if out.suffix.lower() == ".png" else stem.with_name(stem.name + ".png")
    return [png, png.with_suffix(".svg")] if svg else [png]


def _check(files: list[Path], wanted: Wanted, overwrite: bool) -> None:
    from amogus_search.synth.portraits import BUILD_OF_THEIR_OWN

    if wanted.style in BUILD_OF_THEIR_OWN and any(file.suffix.lower() == ".svg" for file in files):
        raise UsageError(f"the style {wanted.style!r} has no outline to write as SVG", "choose another style")
    there = next((file for file in files if file.exists()), None)
    if there is not None and not overwrite:
        raise UsageError(f"{there} is there already", "choose another name or seed, or pass --overwrite")


def _write(file: Path, one: Portrait) -> None:
    from amogus_search.exports.folders import write_whole
    from amogus_search.exports.pictures import encoded
    from amogus_search.synth.portraits import picture, vector

    file.parent.mkdir(parents=True, exist_ok=True)
    content = vector(one).encode() if file.suffix.lower() == ".svg" else encoded(picture(one), "PNG", 0)
    write_whole(file, content)
