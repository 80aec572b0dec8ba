"""`amogus train diffusion`: the model of the back end `diffusion`. Needs the [diffusion] extra."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import QuietOption
from amogus_search.errors import MissingExtraError


def register(app: typer.Typer) -> None:
    """Add the command to `amogus train`."""
    app.command("diffusion")(diffusion)


def diffusion(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the run; the same one goes on.")],
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Photos that crewmates are drawn into; without, drawn grounds.")
    ] = None,
    crops: Annotated[int, typer.Option(min=64, help="How many are drawn.")] = 32_000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over them.")] = 6,
    batch: Annotated[int, typer.Option(min=1, help="Crops a step.")] = 32,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 8e-4,
    seed: Annotated[int, typer.Option(min=0, help="Of the whole run.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Of the training; as many processes draw.")] = 1,
    quiet: QuietOption = False,
) -> None:
    """Train the small diffusion model that `amogus convert --backend diffusion` asks, on drawn crops.

    Prints the weights file. May be stopped at any time: the same command goes on after the last finished epoch.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "diffusers")):
        raise MissingExtraError("training it needs torch and diffusers", 'pip install "amogus_search[diffusion]"')
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.training.diffusion import DiffusionTraining, train_diffusion

    config = DiffusionTraining(out, photos, crops, epochs, batch, rate, seed=seed, threads=threads)
    with ProgressDisplay(quiet=quiet) as progress:
        print(train_diffusion(config, progress))
