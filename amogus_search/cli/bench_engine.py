"""`amogus bench engine`: the embedded detector beside ultralytics' `predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.bench_peers import (
    PhotosArgument,
    SeedOption,
    ThreadsOption,
    chosen,
    cores,
    embedded_detector,
    ultralytics_weights,
)
from amogus_search.cli.parameters import FormatOption, QuietOption

if TYPE_CHECKING:
    from pathlib import Path

    from amogus_search.evaluation.benchmark_engine import Contender, Pair


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("engine")(engine)


def engine(
    folder: PhotosArgument,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, metavar="N", help="So many, evenly chosen.")] = 60,
    plants: Annotated[int, typer.Option(min=0, help="Amogi drawn into each, so that there is something to find.")] = 3,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also the findings of pictures prepared ever more as ultralytics does.")
    ] = False,
    threads: ThreadsOption = 0,
    seed: SeedOption = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Speed and findings of the embedded detector beside ultralytics in PyTorch, with the same weights.

    The whole picture at 640 pixels, one at a time, from the same decoded pixels. A row compares one with another: how
    many times as fast it is (and between what nine in ten pictures lie), and what share of the findings of either side
    above a confidence of 0.25 have a partner with a box of IoU >= 0.98 and a confidence within 0.02. Needs the [train]
    extra.
    """
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_engine import run
    from amogus_search.evaluation.comparing import Plants
    from amogus_search.evaluation.labelled import entries
    from amogus_search.sources.workers import DecodePool

    images = chosen(folder, limit)
    with ultralytics_weights() as weights, DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        pairs = _pairs(weights, threads, explain)
        decoded = pool.decode(entries(images))
        for number, _ in enumerate(run(decoded, pairs, Plants(plants, (24.0, 400.0), seed=seed)), 1):
            progress("pictures", number, len(images))
    write_rows([pair.row() for pair in pairs], format)


def _pairs(weights: Path, threads: int, explain: bool) -> list[Pair]:
    """Who is compared with whom: ours with ultralytics as it comes, and with as many threads as there are cores."""
    from amogus_search.evaluation.benchmark_engine import Contender, Pair, embedded
    from amogus_search.evaluation.engine_causes import STEPS, prepared

    usual = _ultralytics(weights, threads)
    others = [usual]
    if not threads and usual.threads != cores():
        others.append(_ultralytics(weights, cores()))
    exact_detector = embedded_detector("f32", threads)
    exact = Contender("amogus f32", embedded(exact_detector), threads or None)
    own, default = [exact], embedded_detector(threads=threads)
    if default.precision != "f32":
        own.insert(0, Contender(f"amogus {default.precision}", embedded(default), threads or None))
    pairs = [Pair(one, other) for one in own for other in others]
    pairs += [Pair(one, exact) for one in own if one is not exact]
    for step, how in STEPS.items() if explain else ():
        pairs.append(Pair(Contender(f"amogus f32, {step}", prepared(exact_detector, how), timed=False), usual))
    return pairs


def _ultralytics(weights: Path, threads: int) -> Contender:
    from amogus_search.detectors.ultralytics import Predictor, load_yolo
    from amogus_search.evaluation.benchmark_engine import Contender, turned_round
    from amogus_search.settings import DETECT

    yolo = load_yolo(weights)
    predict = Predictor(yolo, side_px=640, min_confidence=DETECT.min_confidence, max_iou=DETECT.nms_iou)
    predict.threads = threads or predict.threads
    return Contender("ultralytics", lambda image: predict(image.pixels), predict.threads, turned_round)
