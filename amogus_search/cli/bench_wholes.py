"""`amogus bench wholes`: whole pictures searched by words, beside rclip."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.bench_peers import PhotosArgument, SeedOption, chosen
from amogus_search.cli.parameters import FormatOption, QuietOption
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.evaluation.benchmark_whole_images import Models, Rows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("wholes")(wholes)


def wholes(
    folder: PhotosArgument,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, metavar="N", help="So many, evenly chosen.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="How often they are indexed from nothing by each.")] = 3,
    counts: Annotated[str, typer.Option(metavar="LIST", help="Made pictures to ask among.")] = "1000,10000,100000",
    models: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the made models here, for the next time; by default they are removed."),
    ] = None,
    seed: SeedOption = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Indexing and asking for whole pictures, beside rclip, with one model of random weights in both programs' forms.

    rclip's own model is never downloaded. Both run as they are: whole commands on the same folder, in turns, and
    questions to indexes of made vectors. Needs the [clip] extra, onnx and rclip; the model takes some 2 GB of disk
    while it runs.
    """
    from amogus_search import registry
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_whole_images import asking, indexing
    from amogus_search.evaluation.rclip_peer import require_rclip

    require_rclip()
    wanted = _counts(counts)
    rows: list[Rows] = []
    with tempfile.TemporaryDirectory(prefix="amogus-bench-") as place, ProgressDisplay(quiet=quiet) as progress:
        work = Path(place)
        photos = _linked(folder, limit, work / "photos")
        both = _models(models or work / "models", seed, progress)
        rows += indexing(photos, work / "indexing", both, rounds, progress)
        embedder = registry.load_embedder(both.embedder)
        for count in wanted:
            rows += asking(count, work / str(count), both, embedder, progress)
    write_rows([row.to_dict() for row in rows], format)


def _counts(text: str) -> list[int]:
    try:
        counts = [int(word) for word in text.split(",") if word]
    except ValueError:
        counts = [0]
    if any(count < 10 for count in counts):
        raise UsageError(f"--counts {text}: these are no numbers of pictures", "give some, such as 1000,10000")
    return counts


def _linked(folder: Path, limit: int, place: Path) -> Path:
    """A folder with so many pictures, each under a name of its own; their bytes are not copied where that can be."""
    place.mkdir()
    for number, image in enumerate(chosen(folder, limit)):
        target = place / f"{number:06d}{image.path.suffix.lower()}"
        try:
            os.link(image.path, target)
        except OSError:
            target.write_bytes(image.path.read_bytes())
    return place


def _models(folder: Path, seed: int, progress: ProgressDisplay) -> Models:
    """The model in both forms, made if it is not there."""
    from amogus_search import runtime
    from amogus_search.evaluation.benchmark_whole_images import Models
    from amogus_search.evaluation.rclip_peer import ARCHITECTURE

    folder = folder.absolute()
    names = [folder / name for name in ("visual.onnx", "textual.onnx", "merges.txt.gz")]
    precision: runtime.Precision = "bf16" if runtime.cpu_has_bf16() else "f32"
    if not (folder / "openvino").is_dir():
        from amogus_search.embedders.open_clip_export import export_openvino
        from amogus_search.embedders.open_clip_made import make_random, write_merges, write_onnx

        progress(f"making a model of the shape {ARCHITECTURE}", 0, 3)
        model = make_random(ARCHITECTURE, folder / "clip", seed)
        progress("writing it for rclip", 1, 3)
        write_onnx(model, names[0], names[1])
        write_merges(names[2])
        progress("writing it for OpenVINO", 2, 3)
        export_openvino(model, folder / "openvino", precision)
    return Models(f"openvino:{folder / 'openvino'}", *names)
