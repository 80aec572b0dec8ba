"""`amogus synth`: pictures with amogi in them, drawn by the renderer, and the truth about them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from amogus_search.cli import synth_scribbles
from amogus_search.cli.parameters import FormatOption, QuietOption
from amogus_search.errors import UsageError

app = typer.Typer(
    name="synth", help="Draw amogi: training scenes, a contact sheet, a demo folder.", no_args_is_help=True
)
synth_scribbles.register(app)

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
Tier = Literal["mixed", "plain", "varied", "disguised", "mosaic"]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same pictures.")]


@app.command("scenes")
def scenes(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the data set.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="So many scenes.")] = 100,
    seed: SeedOption = 0,
    size: Annotated[int, typer.Option(min=64, max=4096, help="Side of the scenes, in pixels.")] = 320,
    tier: Annotated[Tier, typer.Option(help="How well the amogi are hidden; mosaic: pixel canvases only.")] = "mixed",
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Photos to plant into, less those held out from training; drawn grounds without them."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Drawing processes.")] = max(1, (os.cpu_count() or 1) - 1),
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Write a YOLO-pose data set: images, labels with boxes and keypoints, data.yaml, truth.jsonl."""
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_record
    from amogus_search.synth.dataset import write_pose_dataset

    with ProgressDisplay(quiet=quiet) as progress:
        summary = write_pose_dataset(
            out,
            number,
            seed,
            _photos(photos),
            size_wh=(size, size),
            tier=tier,
            workers=workers,
            progress=lambda done, total: progress("drawing", done, total),
        )
    counts = {"images": summary.images, "amogi": summary.amogi, "empty": summary.empty}
    write_record({**counts, "data_yaml": str(summary.data_yaml)}, format)


@app.command("sheet")
def sheet(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The picture file, .png or .jpg.")],
    columns: Annotated[int, typer.Option(min=1, max=100, help="Crewmates of each style.")] = 8,
    rows: Annotated[int | None, typer.Option(min=1, max=200, help="Rows; by default one for each style.")] = None,
    cell: Annotated[int, typer.Option(min=16, max=512, help="Side of one cell, in pixels.")] = 96,
    seed: SeedOption = 0,
) -> None:
    """Draw a contact sheet to look at: every style in its row."""
    import numpy as np
    from PIL import Image

    from amogus_search.synth.sheet import contact_sheet
    from amogus_search.synth.styles import STYLES

    if out.suffix.lower() not in PICTURES:
        raise UsageError(f"{out} has no picture extension", "name the sheet like sheet.png")
    picture = contact_sheet(np.random.default_rng(seed), columns, rows or len(STYLES), cell)
    Image.fromarray(picture).save(out)
    print(out)


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder; gets photos/ and truth.json.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="So many pictures.")] = 44,
    seed: SeedOption = 7,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Draw a demo folder: sample photographs with amogi hidden in most of them, and the truth beside.

    Needs the [demo] extra, whose package brings the photographs.
    """
    import json

    from amogus_search.cli.records import note, write_record
    from amogus_search.synth.demo import draw_demo, load_samples

    draw_demo(out, number, seed, load_samples())
    truth = json.loads((out / "truth.json").read_text(encoding="utf-8"))
    counts = [len(hidden) for hidden in truth.values()]
    write_record(
        {"photos": str(out / "photos"), "images": number, "amogi": sum(counts), "clean": counts.count(0)}, format
    )
    note(f"next: amogus index {out / 'photos'}", quiet=quiet)


def _photos(folder: Path | None) -> list[Path]:
    """Only photos that training may see: whoever trains on the scenes has seen them."""
    from amogus_search.core.splits import is_held_out

    if folder is None:
        return []
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURES]
    allowed = [path for path in found if not is_held_out(hashlib.sha256(path.read_bytes()).hexdigest())]
    if not allowed:
        raise UsageError(
            f"there are no photos to plant into in {folder}: {len(found)} pictures, all held out from training",
            "name a folder with more JPEG or PNG files, or leave it out",
        )
    return allowed
