"""`amogus train`: the detector and the embedder, from the renderer's pictures. Needs the [train] extra."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amogus_search.cli import train_diffusion, train_lora, train_motif
from amogus_search.cli.parameters import DetectorOption, QuietOption, with_options
from amogus_search.cli.records import note
from amogus_search.errors import MissingExtraError

if TYPE_CHECKING:
    from amogus_search.training.recipe_run import Event

app = typer.Typer(name="train", help="Train the models; runs can be stopped and go on.", no_args_is_help=True)
train_motif.register(app)
train_diffusion.register(app)
train_lora.register(app)

OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the run; the same one goes on.")]
PhotosOption = Annotated[
    Path | None, typer.Option("--photos", metavar="DIR", help="Photos without the motif, to learn from.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the whole run.")]


@dataclass(frozen=True, kw_only=True)
class DetectorOptions:
    """What shapes a training run, named as in `DetectorTraining`; what is not given stays as the recipe has it."""

    data: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Data sets of `amogus synth scenes`; may be repeated.")
    ] = None
    start: Annotated[Path | None, typer.Option(metavar="FILE", help="State dict to start from.")] = None
    photos: PhotosOption = None
    hard: Annotated[
        Path | None, typer.Option(metavar="FILE", help="False findings of `amogus train mine`, to unlearn.")
    ] = None
    architecture: Annotated[
        str | None, typer.Option(metavar="NAME", help="yolov8n-pose (the default), yolo11n-pose or yolo26n-pose.")
    ] = None
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data; by default 8.")] = None
    batch: Annotated[int | None, typer.Option(min=1, help="Pictures a step; by default 32.")] = None
    side_px: Annotated[
        int | None, typer.Option("--size", min=64, help="Side of the training pictures, in pixels; by default 320.")
    ] = None
    learning_rate: Annotated[
        float | None,
        typer.Option(min=0, help="Its peak, by default 0.001; lower when going on from trained weights."),
    ] = None
    negative_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="How many pictures are bare photos; by default 0.2.")
    ] = None
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop a training, resumably, after so long; 0: never.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Of each training; by default 0.")] = None

    def given(self) -> dict[str, Any]:
        """The options that were given, as values of a recipe."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        texts = {key: str(values[key]) for key in ("start", "photos", "hard") if key in values}
        return values | texts | ({"data": list(map(str, values["data"]))} if "data" in values else {})


@app.command("detector")
@with_options
def detector(
    out: OutArgument,
    options: DetectorOptions,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="A recipe in TOML, or the name of ours: detector.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="STEP.KEY=VALUE", help="Replace one value of the recipe.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Train the detector on drawn scenes; prints a line an epoch.

    With --config the steps of a recipe are done one after the other, each in a folder below OUT: drawing scenes,
    training, mining false findings, blending. Options count for every step that trains. Run it again to go on.
    """
    from amogus_search.training.recipe import read_recipe

    recipe = read_recipe(config, options.given(), settings or ())
    _require_torch()
    from amogus_search import registry, weights
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.training.recipe_run import run_recipe

    if importlib.util.find_spec("matplotlib") is None:
        note('losses.svg is not drawn: pip install "amogus_search[train]" brings matplotlib', quiet=quiet)
    workers = max(1, (os.cpu_count() or 1) - 1)
    with ProgressDisplay(quiet=quiet) as progress:
        for event in run_recipe(out, recipe, weights.motif(registry.DEFAULT), tick=progress, workers=workers):
            print(_told(event), flush=True)


def _told(event: Event) -> str:
    """One line of what happened."""
    prefix = f"{event.step}: " if event.step else ""
    if event.epoch is not None:
        one = event.epoch
        measured = f"AP50 {one.ap50:.3f}, recall {one.recall:.3f}, {one.false_share:.2f} false a picture"
        return f"{prefix}epoch {one.epoch}: {measured}, {one.seconds:.0f} s"
    told = {
        "kept": "done before, kept",
        "paused": "its minutes are over; the same command goes on. Best weights so far",
        "done": "done",
    }
    return f"{prefix}{told[event.what]}: {event.made}"


@app.command("mine")
def mine(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Folder of photos without the motif.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The list, one JSON object a line.")],
    detector: DetectorOption = "amogus",
    min_confidence: Annotated[float, typer.Option(min=0, max=1, help="Weaker ones are left alone.")] = 0.2,
    quiet: QuietOption = False,
) -> None:
    """List what a detector wrongly finds in photos.

    Held-out photos are left out. The list is for `amogus train detector --hard` and `train embedder --hard-negatives`.
    """
    from amogus_search import registry
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.sources.workers import DecodePool
    from amogus_search.training import mining
    from amogus_search.training.negatives import mine_false_findings

    with DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        mined, number = mine_false_findings(
            photos,
            registry.load_detector(detector),
            pool,
            min_confidence=min_confidence,
            tick=lambda done, total: progress("mining", done, total),
        )
    mining.write(mined, out)
    print(f"{out}: {len(mined)} false findings in {number} photos")


@app.command("blend")
def blend(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="best.safetensors of a run.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="That of a run that went on from it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .safetensors file to write.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="How much of the second.")] = 0.5,
) -> None:
    """Write the weighted mean of two runs, and its ONNX form beside it."""
    _require_torch()
    from amogus_search import registry, weights
    from amogus_search.training.recipe_run import blend_files

    print(blend_files(first, second, share, out, weights.motif(registry.DEFAULT)))


@app.command("blend-embedder")
def blend_embedder(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="OUT of a run of train embedder.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="That of a run that went on from it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="How much of the second.")] = 0.5,
) -> None:
    """Write the weighted mean of two runs of the embedder."""
    _require_torch()
    from amogus_search.training.embedder_blend import blend_towers

    blend_towers(first, second, share, out)
    print(out)


@app.command("embedder")
def embedder(
    out: OutArgument,
    photos: PhotosOption = None,
    backbone: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Tensors of a YOLOv8n, of COCO or of our detector.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An earlier run's .safetensors or checkpoint.pt, to go on from.")
    ] = None,
    hard_negatives: Annotated[
        Path | None,
        typer.Option(metavar="LIST|DIR", help="What a detector wrongly found: OUT of train mine, or PNGs."),
    ] = None,
    frozen: Annotated[int, typer.Option(min=0, max=10, help="First layers of the backbone that stay as they are.")] = 4,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate of new layers.")] = 1.5e-3,
    backbone_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate of the backbone.")] = 4e-4,
    crops: Annotated[int | None, typer.Option(min=40, help="Crops of all kinds together; by default 35,600.")] = None,
    more_crops: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="OUT of an earlier run, whose crops are used as well.")
    ] = None,
    likeness_weight: Annotated[
        float, typer.Option(min=0, help="Of the loss that brings crops of one look together.")
    ] = 0.5,
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    batch: Annotated[int, typer.Option(min=2)] = 256,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Train the embedder on drawn crops and captions."""
    _require_torch()
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.training.embedder import EmbedderTraining, train_embedder
    from amogus_search.training.embedder_crops import USUAL_COUNTS, CropCounts

    config = EmbedderTraining(
        out=out,
        photos=photos,
        backbone=backbone,
        start=start,
        hard_negatives=hard_negatives,
        counts=USUAL_COUNTS if crops is None else CropCounts.shared_out(crops),
        more_crops=tuple(more_crops or ()),
        frozen=frozen,
        rate=rate,
        backbone_rate=backbone_rate,
        likeness_weight=likeness_weight,
        epochs=epochs,
        batch=batch,
        seed=seed,
        threads=threads,
    )
    with ProgressDisplay(quiet=quiet) as progress:
        summary = train_embedder(config, progress)
    print(f"{summary['crops']} crops, {summary['words']} words, {summary['epochs']} epochs: weights in {out}")


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("ultralytics") is None:
        raise MissingExtraError("training needs torch and ultralytics", 'pip install "amogus_search[train]"')
