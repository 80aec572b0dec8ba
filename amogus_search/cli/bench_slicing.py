"""`amogus bench slicing`: our windows beside SAHI's slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.bench_peers import (
    PhotosArgument,
    SeedOption,
    ThreadsOption,
    chosen,
    ultralytics_weights,
)
from amogus_search.cli.parameters import FormatOption, QuietOption

if TYPE_CHECKING:
    from pathlib import Path

    from amogus_search.evaluation.benchmark_slicing import Side


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("slicing")(slicing)


def slicing(
    folder: PhotosArgument,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, metavar="N", help="So many, evenly chosen.")] = 12,
    plants: Annotated[int, typer.Option(min=1, help="Amogi drawn into each: the truth for recall.")] = 40,
    smallest: Annotated[float, typer.Option(min=4, help="Their least height, pixels of the photo.")] = 20,
    largest: Annotated[float, typer.Option(min=4, help="Their greatest height.")] = 400,
    overlap: Annotated[float, typer.Option(min=0, max=0.9, help="Share of a window that its neighbour sees.")] = 0.2,
    min_confidence: Annotated[float, typer.Option(min=0, max=1, help="Of a finding that counts, both sides.")] = 0.25,
    threads: ThreadsOption = 0,
    seed: SeedOption = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Speed and recall of our windows beside SAHI's sliced inference, with the same weights, on large photos.

    Windows of 640 pixels and the whole picture. Four rows: SAHI; ours with the same windows; ours with every window
    that it has, half sizes too; and ours as it works, without windows that hold not even a candidate. Speeds are
    against SAHI, and so is what was found only here or only there. Needs the [train] and [peers] extras.
    """
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_slicing import run
    from amogus_search.evaluation.comparing import Plants
    from amogus_search.evaluation.labelled import entries
    from amogus_search.evaluation.slicing_peer import require_sahi
    from amogus_search.sources.workers import DecodePool

    require_sahi()
    images = chosen(folder, limit)
    drawn = Plants(plants, (smallest, max(smallest, largest)), seed=seed)
    with ultralytics_weights() as weights, DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        sides = _sides(weights, overlap, min_confidence, threads)
        for number, _ in enumerate(run(pool.decode(entries(images)), sides, drawn), 1):
            progress("photos", number, len(images))
    write_rows([side.row(sides[0]) for side in sides], format)


def _sides(weights: Path, overlap: float, min_confidence: float, threads: int) -> list[Side]:
    import numpy as np

    from amogus_search import embedded
    from amogus_search.detectors.ultralytics import load_yolo, torch_threads
    from amogus_search.evaluation.benchmark_slicing import ALIKE, Side, ours
    from amogus_search.evaluation.slicing_peer import Slicer

    slicer = Slicer(load_yolo(weights), tile_px=640, overlap=overlap, min_confidence=min_confidence)
    slicer(np.zeros((640, 640, 3), np.uint8))  # the first picture makes ultralytics choose its threads
    in_torch = torch_threads(threads)
    detector = embedded.detector(threads=threads)
    name = f"amogus {embedded.chosen_form()}"
    alike = ours(detector, overlap=overlap, min_confidence=min_confidence, everywhere=True, profile=ALIKE)
    all_windows = ours(detector, overlap=overlap, min_confidence=min_confidence, everywhere=True)
    as_it_works = ours(detector, overlap=overlap, min_confidence=min_confidence)
    return [
        Side("SAHI", lambda image: (slicer(image.pixels), slicer.looks(image.full_wh)), in_torch),
        Side(f"{name}, SAHI's windows", alike, threads or None),
        Side(f"{name}, everywhere", all_windows, threads or None),
        Side(name, as_it_works, threads or None),
    ]
