"""`amogus train`: the detector and the embedder, from the renderer's pictures. Needs the [train] extra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.parameters import QuietOption
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
    epochs: Annotated[int, typer.Option(min=1)] = 8,
    batch: Annotated[int, typer.Option(min=1)] = 32,
    size: Annotated[int, typer.Option(min=64, help="Side of the training pictures, in pixels.")] = 320,
    minutes: Annotated[float, typer.Option(min=0, help="Stop, resumably, after so long; 0: never.")] = 0.0,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Train the detector on drawn scenes; prints a line an epoch."""
    _require_torch()
    from amogus_search import registry, weights
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.training.detector import DetectorTraining, train_detector

    config = DetectorTraining(
        data=tuple(map(str, data)),
        start=str(start or ""),
        photos=str(photos or ""),
        side_px=size,
        epochs=epochs,
        batch=batch,
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
    """Train the embedder's image and text towers on drawn crops and their captions."""
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
