"""The options of `amogus convert` that say which findings are converted, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer

from amogus_search.cli.parameters import Format
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.core.conversion import Conversion
    from amogus_search.exports.converted import PictureFormat
    from amogus_search.ports import Converter

PICTURE_FORMATS = ("png", "same")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HowOptions:
    """How a finding is converted; defaults stand in `core.conversion`."""

    mask: Annotated[
        Literal["box", "ellipse", "silhouette"] | None,
        typer.Option(help="What about a box may change; by default silhouette, unless the back end likes another."),
    ] = None
    dilate: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="Grow the mask by so much of the box; below 0 shrinks it.")
    ] = None
    feather: Annotated[float | None, typer.Option(metavar="PERCENT", help="Fade out over so much of the box.")] = None
    pad: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="Context around the box that the back end sees.")
    ] = None
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="S", help="0 leaves it as it is, 1 keeps nothing.")
    ] = None
    color: Annotated[
        str | None, typer.Option(metavar="NAME", help="A colour by name or #rrggbb; by default the region's own.")
    ] = None
    style: Annotated[
        str | None,
        typer.Option(help="paint: auto, shaded, flat, ghost, stone, neon, pencil or pixel."),
    ] = None
    prompt: Annotated[
        str | None, typer.Option(help="For back ends that read; {color} and {evidence} are filled in.")
    ] = None
    negative_prompt: Annotated[str | None, typer.Option(help="What it must not look like.")] = None
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps.")] = None
    guidance: Annotated[float | None, typer.Option(help="How closely the prompt is followed.")] = None
    size: Annotated[int | None, typer.Option(metavar="PX", help="Side of the crop that the back end works on.")] = None
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same pictures.")] = 0
    seed_per: Annotated[
        Literal["finding", "image", "run"] | None, typer.Option(help="What has a seed of its own, made from --seed.")
    ] = None
    accept: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="A", help="Amogusness that the new crop must reach; by default 0.5."),
    ] = None
    tries: Annotated[int | None, typer.Option(min=1, metavar="K", help="So many seeds at most; the best is kept.")] = (
        None
    )
    look_again: Annotated[
        bool, typer.Option("--look-again/--no-look-again", help="Judge every new crop by the detector.")
    ] = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class WhichOptions:
    """Which findings of a picture are converted."""

    top: Annotated[int | None, typer.Option(min=1, metavar="K", help="At most so many a picture.")] = None
    min_area: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="SHARE", help="Smallest box, as a share of the picture.")
    ] = None
    max_area: Annotated[float | None, typer.Option(min=0, max=1, metavar="SHARE", help="Largest box.")] = None
    order: Annotated[
        Literal["score", "area", "left-to-right", "top-to-bottom", "centre"] | None,
        typer.Option(help="What --top counts from, and what is converted first."),
    ] = None


def formats_of(given: Sequence[str]) -> tuple[Format, PictureFormat]:
    """Form of the results and of the pictures; the words differ, so one option takes both."""
    results: Format = "table"
    pictures: PictureFormat = "png"
    for word in given:
        if word in PICTURE_FORMATS:
            pictures = cast("PictureFormat", word)
        elif word in get_args(Format):
            results = cast("Format", word)
        else:
            known = ", ".join((*get_args(Format), *PICTURE_FORMATS))
            raise UsageError(f"there is no format {word!r}", f"there are: {known}")
    return results, pictures


def backend_options_of(given: Sequence[str], style: str | None) -> Mapping[str, str]:
    """What KEY=VALUE words say, and the style."""
    options = {} if style is None else {"style": style}
    for word in given:
        key, separator, value = word.partition("=")
        if not separator or not key:
            raise UsageError(f"--backend-option {word!r} is not KEY=VALUE", "such as --backend-option style=neon")
        options[key] = value
    return options


def conversion_of(
    which: WhichOptions, how: HowOptions, target: Literal["box", "person"], converter: Converter
) -> Conversion:
    """What the options say, over what the back end likes, over the defaults of `core.conversion`."""
    from amogus_search.core.colours import parse_colour
    from amogus_search.core.conversion import PERSON_STRENGTH, Choice, Conversion, MaskOptions, Wish

    strength = PERSON_STRENGTH if how.strength is None and target == "person" else how.strength
    return Conversion(
        choice=Choice(**_given(top=which.top, min_area=which.min_area, max_area=which.max_area, order=which.order)),
        mask=MaskOptions(
            **_given(
                kind=how.mask or getattr(converter, "mask", None),
                dilate=_share(how.dilate),
                feather=_share(how.feather),
            ),
        ),
        wish=Wish(
            **_given(
                strength=strength,
                colour=None if how.color is None else parse_colour(how.color),
                prompt=getattr(converter, "prompt", None) if how.prompt is None else how.prompt,
                negative_prompt=how.negative_prompt,
                steps=how.steps,
                guidance=how.guidance,
            )
        ),
        target=target,
        **_given(pad=_share(how.pad), size_px=how.size, seed_per=how.seed_per, tries=how.tries),
        **({"accept": None} if not how.look_again else _given(accept=how.accept)),
        seed=how.seed,
    )


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _given(**values: Any) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in values.items() if value is not None}
