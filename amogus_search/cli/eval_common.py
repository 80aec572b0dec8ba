"""What the measuring commands share: their options, the labelled pictures, and the models run over them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from amogus_search.cli.parameters import ProfileName
from amogus_search.settings import DEFAULT_THRESHOLD, PROFILES

if TYPE_CHECKING:
    from amogus_search.evaluation.detection import Judged
    from amogus_search.evaluation.labelled import LabelledImage
    from amogus_search.finder import Finder

Half: TypeAlias = Literal["fit", "report"]

DataArgument: TypeAlias = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA...", help="YOLO data sets, COCO label files (.json), or folders of photos without the motif."
    ),
]
LabelledOption: TypeAlias = Annotated[
    list[Path], typer.Option("--data", metavar="DATA", help="Labelled pictures to fit on.")
]
WorthOption: TypeAlias = Annotated[
    list[float] | None,
    typer.Option("--worth", help="How many pictures each data set stands for; by default as many as it has."),
]
HeldOutOption: TypeAlias = Annotated[
    bool, typer.Option("--held-out", help="Only pictures that no training may have seen.")
]
HalfOption: TypeAlias = Annotated[
    Half | None,
    typer.Option("--half", help="Only the half that calibrations are fitted on, or only the other one."),
]
SplitOption: TypeAlias = Annotated[
    str, typer.Option("--split", metavar="NAME", help="Only images/NAME of each data set.")
]
ImagesOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", help="Where the pictures of COCO labels are, if not beside them."),
]
ThresholdOption: TypeAlias = Annotated[
    float, typer.Option("--threshold", min=0, max=1, help="Amogusness from which a finding counts.")
]
THRESHOLD = DEFAULT_THRESHOLD


def labelled(
    data: Path, split: str, only_held_out: bool, half: Half | None = None, *, pictures: Path | None = None
) -> list[LabelledImage]:
    """The pictures of one DATA argument, less those that are not asked for.

    Args:
        pictures: where those of COCO labels are.
    """
    from amogus_search.evaluation import labelled as reading
    from amogus_search.evaluation.coco import read_coco

    images = read_coco(data, pictures) if data.suffix.lower() == ".json" else reading.read_dataset(data, split)
    images = reading.held_out(images) if only_held_out else images
    return reading.one_half(images, half == "fit") if half else images


def judged(finder: Finder, images: list[LabelledImage], profile: ProfileName, quiet: bool) -> list[Judged]:
    """The models' findings in every picture beside the truth, with progress on stderr."""
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.evaluation.detection import judge
    from amogus_search.pipeline.detect import decode_px
    from amogus_search.sources.workers import DecodePool

    done = []
    side = decode_px(finder.detector, PROFILES[profile])
    with DecodePool(max_side=side) as pool, ProgressDisplay(quiet=quiet) as progress:
        for one in judge(images, pool, finder.detector, PROFILES[profile], verifier=finder.verifier):
            done.append(one)
            progress("judging", len(done), len(images))
    return done
