"""Options that several commands share, and the way to take them as one value.

A command may have a parameter whose type is a dataclass of annotated options; `with_options` shows its fields to
Typer as options of their own. Defaults stand in `settings` and, for what only the command line has, here.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand

from amogus_search.errors import UsageError
from amogus_search.settings import DEFAULT_PROFILE, SEARCH, STRICTNESS

if TYPE_CHECKING:
    from amogus_search.core.thresholds import Threshold

Result = TypeVar("Result")

Format: TypeAlias = Literal["table", "json", "jsonl", "csv", "tsv"]
ProfileName: TypeAlias = Literal["fast", "balanced", "thorough"]
Strictness: TypeAlias = Literal["strict", "normal", "loose", "unhinged"]
By: TypeAlias = Literal["amogusness", "similarity", "mixed"]

FormatOption: TypeAlias = Annotated[Format, typer.Option("--format", "-f", help="Form of the results on stdout.")]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]
IndexOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--index", metavar="DIR", help="The index; by default $AMOGUS_INDEX, else ./index/default."),
]
ProfileOption: TypeAlias = Annotated[
    ProfileName, typer.Option("--profile", help="How closely each picture is looked at.")
]
DetectorOption: TypeAlias = Annotated[
    str, typer.Option("--detector", metavar="NAME", help="amogus, motif:NAME, or the path of a YOLO .pt or .onnx file.")
]
EmbedderOption: TypeAlias = Annotated[
    str, typer.Option("--embedder", metavar="NAME", help="amogus, or open_clip:MODEL/PRETRAINED.")
]
ExcludeOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Leave out matching files; may be repeated.")
]

DEFAULT_INDEX = Path("index") / "default"


def index_folder(given: Path | None) -> Path:
    """Where the index is: as given, else `$AMOGUS_INDEX`, else `./index/default`."""
    return given or Path(os.environ.get("AMOGUS_INDEX") or DEFAULT_INDEX)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a finding must reach; without any of these the command's own default counts (see `settings`)."""

    min_amogusness: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="S", help="Lowest amogusness of a finding, 0 to 1.")
    ] = None
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="C", help="Lowest raw detector score, 0 to 1.")
    ] = None
    strictness: Annotated[Strictness | None, typer.Option(help="Lowest amogusness by name: 0.8, 0.5, 0.2, 0.02.")] = (
        None
    )

    def resolved(self, default: Threshold | None = None) -> Threshold:
        """What was asked for; if nothing was, the default (amogusness 0.5, or a confidence where there is none).

        Raises:
            UsageError: both `--strictness` and `--min-amogusness` are given.
        """
        from amogus_search.core.thresholds import Threshold

        if self.strictness is not None and self.min_amogusness is not None:
            raise UsageError("--strictness and --min-amogusness say the same thing", "give one of them")
        lowest = STRICTNESS[self.strictness] if self.strictness is not None else self.min_amogusness
        if lowest is None and self.min_confidence is None:
            return _default_threshold() if default is None else default
        return Threshold(min_amogusness=lowest, min_confidence=self.min_confidence)


def _default_threshold() -> Threshold:
    from amogus_search.finder import DEFAULT  # brings the detectors' side in, which a question does not need

    return DEFAULT


@dataclasses.dataclass(frozen=True, kw_only=True)
class QueryOptions:
    """What to look for in an index, and how to rank it."""

    image: Annotated[
        str | None, typer.Option(metavar="FILE", help="Find what looks like this picture (any file, or a crop id).")
    ] = None
    box: Annotated[str | None, typer.Option(metavar="X1,Y1,X2,Y2", help="Only this box of the picture, in pixels.")] = (
        None
    )
    plus: Annotated[
        list[str] | None,
        typer.Option(metavar="X", help="Add a text, concept:NAME, a crop id or a picture; 0.5:X counts half."),
    ] = None
    minus: Annotated[list[str] | None, typer.Option(metavar="X", help="Take away what --plus would add.")] = None
    literal: Annotated[
        bool, typer.Option("--literal", "--no-ensemble", help="Embed short texts as they are, in no sentences.")
    ] = False
    limit: Annotated[
        int | None,
        typer.Option(
            "-n", "--limit", min=1, metavar="N", help="So many hits; by default 20, for crops and galleries 100."
        ),
    ] = None
    by: Annotated[
        By | None, typer.Option(help="Rank by this; by default similarity if there is something to compare with.")
    ] = None
    regions: Annotated[
        bool | None, typer.Option("--regions/--images", help="Rank findings, or images by their best one.")
    ] = None
    min_similarity: Annotated[
        float | None, typer.Option(min=-1, max=1, metavar="S", help="Lowest similarity to what is looked for, -1 to 1.")
    ] = None
    diverse: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="[LAMBDA]",
            help="Hits unlike each other; 1 looks at relevance alone, 0.5 if not given.",
        ),
    ] = None
    fold_duplicates: Annotated[
        bool, typer.Option("--fold-duplicates", help="Show copies of a picture, exact or near, once.")
    ] = False
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Only such: width >= 1000 and path like '%holiday%'.")
    ] = None


class WithDiverse(TyperCommand):
    """A command whose `--diverse` may stand without its number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--diverse` its usual number where none follows."""
        ends = args.index("--") if "--" in args else len(args)
        words = [
            f"{word}={SEARCH.diversity}" if word == "--diverse" and not _is_number(args[place + 1 :]) else word
            for place, word in enumerate(args[:ends])
        ]
        return list(super().parse_args(ctx, [*words, *args[ends:]]))


def _is_number(following: Sequence[str]) -> bool:
    try:
        float(following[0])
    except (IndexError, ValueError):
        return False
    return True


def with_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """The command with the fields of its dataclass parameters as options of their own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {
        name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint) and name != "return"
    }
    fields = {name: [field.name for field in dataclasses.fields(group)] for name, group in groups.items()}

    @wraps(command)
    def flat(**values: Any) -> Result:
        for name, group in groups.items():
            values[name] = group(**{field: values.pop(field) for field in fields[name]})
        return command(**values)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _parameters_of(groups[parameter.name])
        else:
            parameters.append(_keyword(parameter.name, hints[parameter.name], parameter.default))
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del flat.__wrapped__
    return flat


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_keyword(field.name, hints[field.name], field.default) for field in dataclasses.fields(group)]


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


DEFAULT_PROFILE_NAME: ProfileName = "balanced"
assert DEFAULT_PROFILE_NAME == DEFAULT_PROFILE
