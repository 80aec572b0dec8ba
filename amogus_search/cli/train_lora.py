"""`amogus train lora`: teach a diffusion model what an amogus is. Needs the [diffusion] extra."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption
from amogus_search.errors import MissingExtraError

_NEEDS = ("torch", "diffusers", "transformers", "peft")


def register(app: typer.Typer) -> None:
    """Add the command to `amogus train`."""
    app.command("lora")(lora)


def lora(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the run; the same one goes on.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="OUT of `amogus export dreambooth`.")],
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Folder of a Stable Diffusion pipeline (1, 2 or XL), or ORG/NAME.")
    ],
    steps: Annotated[int, typer.Option(min=1, help="Of the optimizer, all in all.")] = 800,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapter: how much it can learn.")] = 16,
    rate: Annotated[float, typer.Option(min=0, help="Learning rate.")] = 1e-4,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once, and as many class pictures.")] = 1,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches a step.")] = 1,
    size: Annotated[
        int | None, typer.Option(min=64, metavar="PX", help="Side of the pictures; by default the model's own.")
    ] = None,
    prior_weight: Annotated[float, typer.Option(min=0, help="How much class pictures count; 0 leaves them out.")] = 1.0,
    class_prompt: Annotated[str | None, typer.Option(help="What is said of class pictures.")] = None,
    save_every: Annotated[int, typer.Option(min=1, metavar="STEPS", help="Steps between two checkpoints.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the whole run.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="Of the model; the adapter is always float32.")
    ] = "auto",
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Take less memory and more time.")] = False,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Train a LoRA on what `amogus export dreambooth` wrote, for `amogus convert --backend diffusers:MODEL`.

    May be stopped at any time: the same command goes on after the last checkpoint.
    """
    if any(find_spec(name) is None for name in _NEEDS):
        raise MissingExtraError(
            "training a LoRA needs diffusers, transformers, peft and torch", 'pip install "amogus_search[diffusion]"'
        )
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import note, write_record
    from amogus_search.exports.dreambooth_command import CLASS_PROMPT
    from amogus_search.training.lora import LoraTraining, train_lora

    config = LoraTraining(
        data,
        model,
        out,
        steps=steps,
        rank=rank,
        learning_rate=rate,
        batch=batch,
        accumulate=accumulate,
        side_px=size,
        prior_weight=prior_weight,
        class_prompt=CLASS_PROMPT if class_prompt is None else class_prompt,
        save_every=save_every,
        seed=seed,
        device=device,
        dtype=dtype,
        checkpointing=checkpointing,
    )
    with ProgressDisplay(quiet=quiet) as progress:
        done = train_lora(config, progress)
    if done.loss is None:
        note("it was trained before, for as many steps: nothing to do", quiet=quiet)
    loss = None if done.loss is None else round(done.loss, 5)
    row = {"adapter": str(done.adapter), "steps": done.steps, "instances": done.instances, "classes": done.classes}
    write_record(row | {"loss": loss}, format)
    words = ["--backend", f"diffusers:{model}", "--backend-option", f"lora={done.adapter}"]
    note(f"use it: amogus convert PATH --out OUT {shlex.join(words)}", quiet=quiet)
