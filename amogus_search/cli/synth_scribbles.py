"""`amogus synth scribbles`: drawings of a symbol on paper, to try `amogus train motif` with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def register(app: typer.Typer) -> None:
    """Add the command to `amogus synth`."""
    app.command("scribbles")(scribbles)


def scribbles(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the drawings.")],
    symbol: Annotated[Literal["eye", "star", "cactus"], typer.Option(help="What to draw.")] = "eye",
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="So many drawings.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same drawings.")] = 0,
) -> None:
    """Draw a symbol by an unsure hand, on paper under a lamp: something to teach to `amogus train motif`."""
    from amogus_search.synth.scribbles import write_scribbles

    for path in write_scribbles(out, symbol, number, seed):
        print(path)
