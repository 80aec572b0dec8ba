"""`amogus eval embedder`: how well an embedder finds and tells apart crops that no training has seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amogus_search.core.types import Pixels
    from amogus_search.evaluation.labelled import LabelledImage
    from amogus_search.ports import Embedder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("embedder")(embedder)


def embedder(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the crops are drawn, or were drawn before.")],
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The photos that training was given; the held-out ones are used.")
    ] = None,
    name: Annotated[str, typer.Option("--embedder", metavar="NAME", help="What is measured.")] = "amogus",
    towers: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of `amogus train embedder`, in place of a name.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="DATA", help="Labelled pictures: how their crops differ from photos."),
    ] = None,
    by_style: Annotated[bool, typer.Option("--by-style", help="Only: which looks find their like.")] = False,
    captions: Annotated[int, typer.Option(min=1, help="So many captions are asked.")] = 600,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Measure an embedder on drawn crops, their captions, and crops of photos.

    caption hit: captions with a fitting crop among the first ten. same look hit: crops with another one of the same
    colour and style among their ten nearest. margin auc: the second look, crewmates against photo crops.
    """
    import numpy as np

    from amogus_search.cli.eval_common import labelled
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation import retrieval
    from amogus_search.training.embedder_captions import CREWMATE
    from amogus_search.training.embedder_heldout import CAPTION_SEED, attribute_captions, held_out_crops

    model = _loaded(name, towers)
    with ProgressDisplay(quiet=quiet) as progress:
        crops = held_out_crops(out, photos, progress=lambda done, total: progress("drawing", done, total))
    if by_style:
        mates = [row for row, true in enumerate(crops.facts) if CREWMATE in true]
        facts = [crops.facts[row] for row in mates]
        write_rows(retrieval.looks_by_style(model, [crops.pixels[row] for row in mates], facts), format)
        return
    chosen = attribute_captions(crops.facts, captions, np.random.default_rng(CAPTION_SEED))
    probes = [retrieval.Probe(caption.text, caption.facts) for caption in chosen]
    pixels = list(crops.pixels)
    report = retrieval.retrieval_report(model, pixels, crops.facts, probes, CREWMATE)
    report["ms_per_crop"] = round(retrieval.milliseconds_per_crop(model, pixels[:64]), 2)
    for folder in data or ():
        real = _crops(labelled(folder, "", only_held_out=False))
        photo = [crop for crop, true in zip(pixels, crops.facts, strict=True) if "kind:photo" in true]
        report[f"margin_auc_{folder.name}"] = round(retrieval.margin_auc(model, real, photo), 4)
    write_rows([report], format)


def _loaded(name: str, towers: Path | None) -> Embedder:
    if towers is None:
        from amogus_search import registry

        return registry.load_embedder(name)
    from amogus_search.embedders.openvino import load
    from amogus_search.training.embedder import IMAGE_FILE, TEXT_FILE, WORDS_FILE

    files = {"image": IMAGE_FILE, "text": TEXT_FILE, "words": WORDS_FILE}
    try:
        return load({role: (towers / file).read_bytes() for role, file in files.items()}, name=str(towers))
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be read: {error.strerror}", "give the OUT of `amogus train embedder`"
        ) from error


def _crops(images: Sequence[LabelledImage]) -> list[Pixels]:
    """The labelled things, cut out as the pipeline cuts findings."""
    import cv2

    from amogus_search.core.cropping import crop
    from amogus_search.settings import CROPS

    crops = []
    for image in images:
        pixels = cv2.imread(str(image.path), cv2.IMREAD_COLOR_RGB)
        boxes = image.truth((pixels.shape[1], pixels.shape[0]))
        crops += [crop(pixels, box, CROPS.pad_ratio) for box in boxes]
    return crops
