"""`amogus bench detector`: networks, precisions and input sizes beside each other, on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.evaluation.benchmark_detector import Candidate
    from amogus_search.evaluation.labelled import LabelledImage

PRECISIONS = ("fp32", "bf16", "int8")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detector")(detector)


def detector(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A YOLO data set, or COCO labels (.json).")],
    weights: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="amogus, or an .onnx file; may be repeated.")
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="LIST", help="Of fp32, bf16 and int8; times are compared with the first.")
    ] = "fp32,bf16",
    size: Annotated[str, typer.Option(metavar="LIST", help="Sides of the input in pixels, multiples of 32.")] = "640",
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only images/NAME; by default val where there is one.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("-n", "--limit", min=1, metavar="N", help="So many pictures, evenly chosen.")
    ] = None,
    ranges: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Pictures that int8 learns its ranges from; by default images/train beside val, else drawn scenes.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Of the runtime; 0: as many as it likes.")] = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Average precision, recall, keypoints, time and size of every combination.

    Whole pictures are fitted into the input, and each is shown to all combinations before the next one comes. int8
    needs the [int8] extra.
    """
    from amogus_search.cli.eval_common import labelled
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_detector import compare
    from amogus_search.sources.workers import DecodePool

    precisions, sizes = _precisions(precision), _sizes(size)
    if split is None:
        split = "val" if (data / "images" / "val").is_dir() else ""
    images = labelled(data, split, only_held_out=False)
    chosen = images[:: max(1, len(images) // limit)][:limit] if limit else images
    candidates = [_candidate(name) for name in weights or ["amogus"]]
    with DecodePool() as pool, ProgressDisplay(quiet=quiet) as progress:
        rows = compare(
            candidates,
            precisions,
            sizes,
            chosen,
            pool,
            ranges_from=_ranges(ranges, data, split, pool),
            threads=threads,
            tick=progress,
        )
    write_rows([row.to_dict() for row in rows], format)


def _precisions(text: str) -> list[Any]:
    named = [word.strip() for word in text.split(",")]
    for name in named:
        if name not in PRECISIONS:
            raise UsageError(f"--precision {text}: there is no {name!r}", f"there are: {', '.join(PRECISIONS)}")
    return list(dict.fromkeys(named))


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(word) for word in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or any(size < 32 or size % 32 for size in sizes):
        raise UsageError(f"--size {text}: these are no sizes", "give multiples of 32, such as 320,640")
    return list(dict.fromkeys(sizes))


def _candidate(name: str) -> Candidate:
    from amogus_search import registry
    from amogus_search import weights as embedded
    from amogus_search.evaluation.benchmark_detector import Candidate

    if name in embedded.names("detector"):
        entry = embedded.entry("detector", name)
        return Candidate(name, embedded.read(entry.files["model"]), embedded.motif(entry.about["motif"]))
    if not name.endswith(".onnx"):
        raise UsageError(
            f"--weights {name} is no .onnx file", f"give one, or of {', '.join(embedded.names('detector'))}"
        )
    return Candidate(name, Path(name).read_bytes(), registry.load_detector(name).motif)


def _ranges(folder: Path | None, data: Path, split: str, decoder: Any) -> Callable[[int], Any]:
    from amogus_search.evaluation.labelled import read_dataset
    from amogus_search.evaluation.range_tiles import drawn_tiles, picture_tiles

    pictures: list[LabelledImage] = []
    if folder is not None:
        pictures = read_dataset(folder)
    elif split == "val" and (data / "images" / "train").is_dir():
        pictures = read_dataset(data, "train")
    return lambda size: picture_tiles(pictures, decoder, size) if pictures else drawn_tiles(size)
