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
    together: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pictures shown at a time, as when a folder is looked through.")
    ] = 12,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also the findings of pictures prepared ever more as ultralytics does.")
    ] = False,
    threads: ThreadsOption = 0,
    seed: SeedOption = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Speed and findings of the embedded detector beside ultralytics in PyTorch, with the same weights.

    The whole picture at 640 pixels, from the same decoded pixels, some pictures at a time; ultralytics gets them one by
    one, or as a list where a row says so. A row compares one with another: how many times as fast it is (and between
    what nine in ten pictures lie), and what share of the findings of either side above a confidence of 0.25 have a
    partner with a box of IoU >= 0.98 and a confidence within 0.02. Needs the [train] extra.
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
        for number, _ in enumerate(run(decoded, pairs, Plants(plants, (24.0, 400.0), seed=seed), together), 1):
            progress("pictures", min(number * together, len(images)), len(images))
    write_rows([pair.row() for pair in pairs], format)


def _pairs(weights: Path, threads: int, explain: bool) -> list[Pair]:
    """Who is compared with whom: ours with ultralytics as it comes, with as many threads as cores, and with lists."""
    from amogus_search import embedded
    from amogus_search.evaluation.benchmark_engine import Contender, Pair, alone, looking
    from amogus_search.evaluation.engine_causes import STEPS, prepared

    chosen_form = embedded.chosen_form()
    forms = [form for form in embedded.FORMS if embedded.is_computed(form)]
    detectors = {form: embedded.detector(form, threads=threads) for form in forms}
    own = {form: Contender(f"amogus {form}", looking(one), threads or None) for form, one in detectors.items()}
    single = Contender(f"amogus {chosen_form}, one by one", alone(detectors[chosen_form]), threads or None)
    usual, *others = _ultralytics(weights, threads)
    pairs = [Pair(own[chosen_form], usual), Pair(single, usual), *(Pair(own[chosen_form], other) for other in others)]
    pairs += [Pair(one, usual) for form, one in own.items() if form != chosen_form]
    pairs += [Pair(one, own["f32"]) for form, one in own.items() if form != "f32"]
    for step, how in STEPS.items() if explain else ():
        pairs.append(Pair(Contender(f"amogus f32, {step}", prepared(detectors["f32"], how), timed=False), usual))
    return pairs


def _ultralytics(weights: Path, threads: int) -> list[Contender]:
    """As its users call it: one picture after the other; then on all cores, and with a list."""
    from amogus_search.detectors.ultralytics import Predictor, load_yolo
    from amogus_search.evaluation.benchmark_engine import Contender, one_by_one, turned_round
    from amogus_search.settings import DETECT

    def predictor(threads: int) -> Predictor:
        made = Predictor(load_yolo(weights), side_px=640, min_confidence=DETECT.min_confidence, max_iou=DETECT.nms_iou)
        made.threads = threads or made.threads
        return made

    def singly(predict: Predictor) -> Contender:
        look = one_by_one(lambda image: predict(image.pixels))
        return Contender("ultralytics", look, predict.threads, turned_round)

    usual = predictor(threads)
    made = [singly(usual)]
    if not threads and usual.threads != cores():
        made.append(singly(predictor(cores())))
    listed = predictor(made[-1].threads or 0)
    looked = Contender(
        "ultralytics, a list",
        lambda images: listed.of_list([image.pixels for image in images]),
        listed.threads,
        turned_round,
    )
    return [*made, looked]
