"""`amogus train`: the detector and the embedder, from the renderer's pictures. Needs the [train] extra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import DetectorOption, QuietOption
from amogus_search.errors import MissingExtraError

app = typer.Typer(name="train", help="Train the models; runs can be stopped and go on.", no_args_is_help=True)

OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the run; the same one goes on.")]
PhotosOption = Annotated[
    Path | None, typer.Option("--photos", metavar="DIR", help="Photos without the motif, to learn from.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the whole run.")]


@app.command("detector")
def detector(
    out: OutArgument,
    data: Annotated[list[Path], typer.Option("--data", metavar="DIR", help="Data sets of `amogus synth scenes`.")],
    start: Annotated[Path | None, typer.Option(metavar="FILE", help="State dict to start from.")] = None,
    photos: PhotosOption = None,
    hard: Annotated[
        Path | None, typer.Option("--hard", metavar="FILE", help="False findings of `amogus train mine`, to unlearn.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 8,
    batch: Annotated[int, typer.Option(min=1)] = 32,
    size: Annotated[int, typer.Option(min=64, help="Side of the training pictures, in pixels.")] = 320,
    learning_rate: Annotated[float, typer.Option(min=0, help="Its peak; lower when going on from trained weights.")] = (
        1e-3
    ),
    negative_share: Annotated[float, typer.Option(min=0, max=1, help="How many pictures are bare photos.")] = 0.2,
    minutes: Annotated[float, typer.Option(min=0, help="Stop, resumably, after so long; 0: never.")] = 0.0,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Train the detector on drawn scenes; prints a line an epoch."""
    _require_torch()
    from amogus_search import registry, weights
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.training.detector import DetectorTraining, export_best, train_detector

    config = DetectorTraining(
        data=tuple(map(str, data)),
        start=str(start or ""),
        photos=str(photos or ""),
        hard=str(hard or ""),
        side_px=size,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        negative_share=negative_share,
        seed=seed,
        minutes=minutes,
    )
    with ProgressDisplay(quiet=quiet) as progress:

        def tick(epoch: int, done: int, total: int) -> None:
            progress(f"epoch {epoch + 1}", done, total)

        for result in train_detector(out, config, weights.motif(registry.DEFAULT), tick=tick):
            print(
                f"epoch {result.epoch}: AP50 {result.ap50:.3f}, recall {result.recall:.3f}, "
                f"{result.false_share:.2f} false a picture, {result.seconds:.0f} s",
                flush=True,
            )
    print(f"best weights: {export_best(out, config, weights.motif(registry.DEFAULT))}")


@app.command("mine")
def mine(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Folder of photos without the motif.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The list, one JSON object a line.")],
    detector: DetectorOption = "amogus",
    min_confidence: Annotated[float, typer.Option(min=0, max=1, help="Weaker ones are left alone.")] = 0.2,
    quiet: QuietOption = False,
) -> None:
    """List what a detector wrongly finds in photos.

    Held-out photos are left out. The list is for `amogus train detector --hard`.
    """
    from amogus_search import registry
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.evaluation.detection import judge
    from amogus_search.evaluation.labelled import held_out, read_dataset
    from amogus_search.settings import DEFAULT_PROFILE, PROFILES
    from amogus_search.sources.workers import DecodePool
    from amogus_search.training import mining

    images = read_dataset(photos)
    left_out = set(held_out(images))
    images = [image for image in images if image not in left_out]
    found = []
    with DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        for one in judge(images, pool, registry.load_detector(detector), PROFILES[DEFAULT_PROFILE]):
            found.append((one.image.path, one.size_wh, one.detections))
            progress("mining", len(found), len(images))
    mined = mining.hard_negatives(found, min_confidence)
    mining.write(mined, out)
    print(f"{out}: {len(mined)} false findings in {len(images)} photos")


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
    from amogus_search.training import pose_model
    from amogus_search.training.detector import DetectorTraining, export_tensors

    architecture = DetectorTraining(data=()).architecture
    pose_model.save_tensors(pose_model.blend(first, second, share), out, {"architecture": architecture})
    print(export_tensors(out, architecture, weights.motif(registry.DEFAULT)))


@app.command("embedder")
def embedder(
    out: OutArgument,
    photos: PhotosOption = None,
    backbone: Annotated[Path | None, typer.Option(metavar="FILE", help="COCO YOLOv8n state dict.")] = None,
    hard_negatives: Annotated[
        Path | None, typer.Option(metavar="DIR", help="PNG crops that a detector wrongly took for the motif.")
    ] = None,
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

    config = EmbedderTraining(
        out=out,
        photos=photos,
        backbone=backbone,
        hard_negatives=hard_negatives,
        epochs=epochs,
        batch=batch,
        seed=seed,
        threads=threads,
    )
    with ProgressDisplay(quiet=quiet) as progress:
        summary = train_embedder(config, progress)
    print(f"{summary['crops']} crops, {summary['words']} words, {summary['epochs']} epochs: weights in {out}")


def _require_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None or find_spec("ultralytics") is None:
        raise MissingExtraError("training needs torch and ultralytics", 'pip install "amogus_search[train]"')
