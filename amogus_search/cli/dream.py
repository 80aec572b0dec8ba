"""`amogus dream`: a picture grows amogi by gradient ascent, in a copy."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption, Thresholds, with_options
from amogus_search.errors import AmogusError, UsageError

if TYPE_CHECKING:
    from amogus_search.core.types import Boxes, DecodedImage, Pixels
    from amogus_search.dreaming.ascent import Dream, Objective
    from amogus_search.dreaming.regions import Region
    from amogus_search.finder import Finder

_FREE = 0.3
"""Freedom of the colours if there is a text, which may name a colour."""
DETECTOR = "detector"
"""What is dreamt of if nothing is said: whatever the detector hunts."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dream")(with_options(dream))


@dataclasses.dataclass(frozen=True, kw_only=True)
class HowOptions:
    """How it dreams; defaults stand in `dreaming.ascent.Dream`."""

    places: Annotated[int | None, typer.Option(min=1, metavar="N", help="Grow so many; by default 3.")] = None
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="S", help="The most that a channel changes, 0 to 1.")
    ] = None
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Steps of each octave.")] = None
    octaves: Annotated[int | None, typer.Option(min=1, max=8, metavar="N", help="Sizes, from small to large.")] = None
    size: Annotated[
        int | None, typer.Option(min=48, max=2048, metavar="PX", help="Shorter side of the largest octave.")
    ] = None
    jitter: Annotated[
        float | None, typer.Option(min=0, max=0.5, metavar="SHARE", help="Roll before each step, of the shorter side.")
    ] = None
    tv: Annotated[
        float | None, typer.Option("--tv", min=0, metavar="W", help="Weight of the total variation: more is smoother.")
    ] = None
    softness: Annotated[
        float | None, typer.Option(min=0, max=3, metavar="P", help="How much more large shapes count than small ones.")
    ] = None
    colors: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="S", help="Freedom to leave the picture's own colours.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same dream.")] = 0

    def dream(self, *, free: float | None) -> Dream:
        """The defaults with what was given; `free`: how free its colours are if nothing is said."""
        from amogus_search.dreaming.ascent import Dream

        names = {"size": "size_px", "colors": "colours"}
        given: dict[str, Any] = {"colours": free} if self.colors is None else {}
        given |= {names.get(name, name): value for name, value in vars(self).items() if value is not None}
        return Dream(**{name: value for name, value in given.items() if value is not None})


@dataclasses.dataclass(frozen=True, kw_only=True)
class WhereOptions:
    """Where it dreams."""

    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X1,Y1,X2,Y2", help="Only inside this box, in pixels; may be repeated."),
    ] = None
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Boxes from JSON (as `detect` prints it) or COCO.")
    ] = None
    findings: Annotated[
        bool, typer.Option("--findings", help="In what the detector finds; a threshold says what counts.")
    ] = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilmOptions:
    """The way there, as pictures."""

    frames: Annotated[Path | None, typer.Option(metavar="DIR", help="A PNG a step into this folder.")] = None
    video: Annotated[Path | None, typer.Option(metavar="FILE", help="A video: .mp4, .gif or .webp.")] = None
    fly: Annotated[
        int, typer.Option(min=0, metavar="N", help="Then so many more frames that fly into it while it dreams on.")
    ] = 0
    rate: Annotated[float, typer.Option(min=1, max=120, metavar="FPS", help="Frames a second of the video.")] = 20.0


def dream(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture; it is not written to.")],
    out: Annotated[Path, typer.Option("--out", metavar="OUT", help="A .png file for the result.")],
    where: WhereOptions,
    how: HowOptions,
    film: FilmOptions,
    thresholds: Thresholds,
    toward: Annotated[
        list[str] | None,
        typer.Option(
            metavar="detector|TEXT", help="What the detector hunts (the default), or a text; both if given twice."
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option(metavar="NAME", help="amogus, motif:NAME, or the path of a YOLO .pt file.")
    ] = "amogus",
    embedder: Annotated[
        str, typer.Option(metavar="NAME", help="For a TEXT: amogus, or open_clip:MODEL/PRETRAINED.")
    ] = "amogus",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over files that are there.")] = False,
    format: FormatOption = "table",  # noqa: A002 - the option's own name
    quiet: QuietOption = False,
) -> None:
    """Let a picture dream of amogi, by gradient ascent.

    A copy of it changes until the detector, or an embedder, sees in it what it was told to see. Needs PyTorch: the
    extra [train], and [clip] for an open_clip model. Without --box it grows them where it already sees the most of one.
    Prints the detector's amogusness before and after.
    """
    from amogus_search.cli.records import note, write_rows
    from amogus_search.dreaming.run import judged
    from amogus_search.finder import Finder

    aims = toward or [DETECTOR]
    wanted = how.dream(free=_FREE if aims != [DETECTOR] else None)
    _check(image, out, film, overwrite)
    objective = _objective(aims, detector, embedder)
    finder = Finder.load(detector)
    picture = _read(image)
    before = judged(finder, picture.pixels)
    regions = _regions(image, picture, where, finder, thresholds, choose=how.places is not None)
    if not regions:
        raise AmogusError(
            "nothing was found to dream in", "lower the threshold: --min-amogusness 0.02, or leave it out"
        )
    pixels, places = _dreamt(picture, regions, objective, wanted, film, quiet=quiet)
    _write(image, out, picture, pixels)
    after = judged(finder, pixels)
    note(f"{before.best:.2f} -> {after.best:.2f}, {before.count} -> {after.count} found; see {out}", quiet=quiet)
    row = {
        "file": str(out),
        "places": len(places),
        "amogusness_before": round(before.best, 4),
        "amogusness_after": round(after.best, 4),
        "found_before": before.count,
        "found_after": after.count,
    }
    boxes = {"boxes": [[round(float(v), 1) for v in box] for box in places]}
    write_rows([row | boxes if format in ("json", "jsonl") else row], format)


def _check(image: Path, out: Path, film: FilmOptions, overwrite: bool) -> None:
    """Refuses names that cannot be written, before anything is computed."""
    from amogus_search.dreaming.film import VIDEOS
    from amogus_search.exports.folders import claim_folder

    if out.suffix.lower() != ".png":
        raise UsageError(f"{out} is no .png file", "name the result like dream.png")
    if film.video is not None and film.video.suffix.lower() not in VIDEOS:
        raise UsageError(f"{film.video} is no video that can be written", f"let its name end in {', '.join(VIDEOS)}")
    for file in (out, film.video):
        if file is None:
            continue
        if os.path.realpath(file) == os.path.realpath(image):
            raise UsageError(f"{file} is the picture itself", "photos are never written to: choose another name")
        if os.path.lexists(file) and not overwrite:
            raise UsageError(f"{file} is there already", "choose another name, or pass --overwrite")
        file.parent.mkdir(parents=True, exist_ok=True)
    if film.fly and film.frames is None and film.video is None:
        raise UsageError("a flight is seen in frames or in a video only", "add --video FILE or --frames DIR")
    if film.frames is not None:
        claim_folder(film.frames, lambda folder: False, "an empty folder", overwrite=overwrite)


def _read(image: Path) -> DecodedImage:
    from amogus_search.asking import image_reader
    from amogus_search.errors import DecodeError

    with image_reader() as read:
        try:
            return read(os.path.abspath(os.fsencode(image)))
        except DecodeError as error:
            raise AmogusError(f"{image} cannot be read: {error.reason}: {error.detail}", "give a picture") from error


def _regions(
    image: Path,
    picture: DecodedImage,
    where: WhereOptions,
    finder: Finder,
    thresholds: Thresholds,
    *,
    choose: bool,
) -> list[Region]:
    from amogus_search.asking import parsed_box
    from amogus_search.converting.inputs import from_boxes
    from amogus_search.dreaming.regions import regions_of
    from amogus_search.finder import Found

    given = [bool(where.box), where.boxes is not None, where.findings]
    if sum(given) > 1:
        raise UsageError("--box, --boxes and --findings say where in different ways", "give one of them")
    if not any(given):
        return regions_of(picture.full_wh, [])
    if where.box:
        boxes = [list(parsed_box(text)) for text in where.box]
    elif where.boxes is not None:
        (one,) = from_boxes(where.boxes, [image])
        boxes = [target.box_xyxy.tolist() for target in one.targets or ()]
    else:
        (found,) = finder.find([picture])
        assert isinstance(found, Found)
        boxes = found.keep(thresholds.resolved()).detections.xyxy.tolist()
    return regions_of(picture.full_wh, boxes, choose=choose and bool(where.box)) if boxes else []


def _objective(aims: Sequence[str], detector: str, embedder: str) -> Objective:
    from amogus_search.errors import MissingExtraError

    try:
        from amogus_search.dreaming.networks import detector_objective, direction_objective
        from amogus_search.dreaming.together import Together
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"a dream needs gradients, and {error.name} is not installed", 'pip install "amogus_search[train]"'
        ) from error
    objectives: list[Objective] = [
        detector_objective(detector) if aim == DETECTOR else direction_objective(aim, embedder) for aim in aims
    ]
    return objectives[0] if len(objectives) == 1 else Together(objectives)


def _dreamt(
    picture: DecodedImage,
    regions: list[Region],
    objective: Objective,
    wanted: Dream,
    film: FilmOptions,
    *,
    quiet: bool,
) -> tuple[Pixels, Boxes]:
    import numpy as np

    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.dreaming.film import Film
    from amogus_search.dreaming.flight import fly
    from amogus_search.dreaming.run import FRAME_PX, dreamt
    from amogus_search.exports.pictures import shrunk

    with Film(film.frames, film.video, film.rate) as reel, ProgressDisplay(quiet=quiet) as progress:
        pixels, places = dreamt(
            picture.pixels, regions, objective, wanted, reel, lambda done, of: progress("dreaming", done, of)
        )
        if film.fly:
            small = shrunk(pixels, FRAME_PX)
            nearby = np.asarray(places * (small.shape[1] / pixels.shape[1]), np.float32)
            fly(small, objective, wanted, reel, film.fly, boxes=nearby, told=lambda n, of: progress("flying", n, of))
    return pixels, places


def _write(image: Path, out: Path, picture: DecodedImage, pixels: Pixels) -> None:
    import numpy as np

    from amogus_search.exports.converted import encoded_picture
    from amogus_search.exports.folders import write_whole
    from amogus_search.settings import DECODE
    from amogus_search.sources.extras import read_extras

    extras = read_extras(os.path.abspath(os.fsencode(image)), picture.sha256, DECODE)
    changed = np.asarray((pixels != picture.pixels).any(axis=2), np.float32)
    write_whole(out, encoded_picture(pixels, changed, extras, "png").content)
