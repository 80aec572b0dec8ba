"""A recipe for a detector: the steps that make its weights, read from a TOML file. Nothing is run here.

    photos = "photos"           # for every step that takes photos, unless it names its own
    [training]                  # for every step that trains, unless it says otherwise: fields of `DetectorTraining`
    batch = 32
    [[step]]
    name = "scenes"             # its folder below that of the recipe's run
    do = "scenes"               # or "train", "mine", "blend": see `Scenes`, `Train`, `Mine`, `Blend`
    number = 12000

A step takes what an earlier one made by naming it. Other paths in the file are relative to the file. A file with
nothing but `[training]` is one training run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from amogus_search.errors import UsageError
from amogus_search.training.detector_settings import DetectorTraining

EMBEDDED = "amogus"
"""As `start` or `detector` of a step: the detector that travels with the package."""

Table: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Render a data set, as `amogus synth scenes` does.

    seed, number, tier, side_px: which scenes
    photos: folder of photos to plant into; held-out ones are left out; empty: drawn grounds
    """

    paths: ClassVar[tuple[str, ...]] = ("photos",)
    name: str
    seed: int
    number: int
    tier: str = "mixed"
    side_px: int = 320
    photos: str = ""


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train on data sets; `data`, `start` and `hard` may name earlier steps, `start` also the embedded detector."""

    paths: ClassVar[tuple[str, ...]] = ("data", "start", "photos", "hard")
    name: str
    training: DetectorTraining


@dataclass(frozen=True, kw_only=True)
class Mine:
    """List what a detector wrongly finds in photos that training may see.

    detector: an earlier step, or any name that `--detector` takes
    """

    paths: ClassVar[tuple[str, ...]] = ("detector", "photos")
    name: str
    detector: str
    photos: str
    min_confidence: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Blend:
    """The weighted mean of two steps' weights, or of two .safetensors files; `share` of it from the second."""

    paths: ClassVar[tuple[str, ...]] = ("first", "second")
    name: str
    first: str
    second: str
    share: float = 0.5


Step: TypeAlias = Scenes | Train | Mine | Blend
KINDS: Mapping[str, type[Step]] = {"scenes": Scenes, "train": Train, "mine": Mine, "blend": Blend}


@dataclass(frozen=True)
class Recipe:
    """Steps in their order; a single training run is one step without a name, in the run's own folder."""

    steps: tuple[Step, ...] = field(default=())

    def to_dict(self) -> Table:
        """Plain JSON values of all that was settled."""
        return {"steps": [{"do": _kind_of(step), **asdict(step)} for step in self.steps]}


def shipped() -> dict[str, Path]:
    """The recipes that travel with the package, by name."""
    folder = Path(str(resources.files("amogus_search.training"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_recipe(path: Path | None, options: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Recipe:
    """What a file and the command line ask for.

    Args:
        path: the file, or the name of a shipped recipe; None: a single run of `options` alone.
        options: fields of `DetectorTraining` that replace those of every step that trains; `photos` and `side_px`
            count for every other step too, and `start` only for steps that do not go on from an earlier one.
        settings: "STEP.KEY=VALUE", VALUE in TOML (or plain text): replaces one value of the file.

    Raises:
        UsageError: the file cannot be read, or a key, a value or a step's name in it means nothing.
    """
    content = _load(path) if path else {}
    steps = list(content.pop("step", [])) or [{"name": "", "do": "train"}]
    shared = {"training": content.pop("training", {}), "photos": content.pop("photos", "")}
    _refuse_unknown(content, ("photos", "training", "step"), "the recipe")
    for setting in settings:
        _apply_setting(setting, shared, steps)
    names = [step.get("name", "") for step in steps]
    _check_names(names)
    tables = [_with_options(_filled(step, shared), names, options or {}) for step in steps]
    return Recipe(tuple(_step(table, names) for table in _needed(tables)))


def _load(path: Path) -> Table:
    found = path if path.suffix == ".toml" or path.exists() else shipped().get(str(path), path)
    try:
        content = tomllib.loads(found.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(shipped())
        raise UsageError(
            f"the recipe {path} cannot be read: {error.strerror}", f"give a .toml file, or a shipped one: {known}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file: {error}", "mend it there") from None
    _make_absolute(content, found.resolve().parent)
    return content


def _make_absolute(content: Table, folder: Path) -> None:
    steps = content.get("step", [])
    if not isinstance(steps, list) or not all(isinstance(step, dict) and step.get("name") for step in steps):
        raise UsageError("each step of the recipe needs a name", 'write [[step]], and below it name = "..."')
    kept = {EMBEDDED, "", *(step["name"] for step in steps)}
    for table in (content, content.get("training", {}), *steps):
        for key in {key for kind in KINDS.values() for key in kind.paths} & set(table):
            value = table[key]
            if isinstance(value, list):
                table[key] = [v if v in kept else str(folder / str(v)) for v in value]
            elif value not in kept and ":" not in str(value):  # motif:NAME and the like are names, not paths
                table[key] = str(folder / str(value))


def _check_names(names: Sequence[Any]) -> None:
    for number, name in enumerate(names):
        if not isinstance(name, str) or "/" in name or name in (EMBEDDED, *names[:number]):
            raise UsageError(f"a step cannot be called {name!r}", "give each step a plain name of its own")


def _apply_setting(setting: str, shared: Table, steps: list[Table]) -> None:
    """One STEP.KEY=VALUE, training.KEY=VALUE or photos=VALUE of the command line."""
    place, equals, text = setting.partition("=")
    owner, _, key = place.strip().rpartition(".")
    if not equals or not key:
        raise UsageError(f"--set {setting} is no setting", "write STEP.KEY=VALUE, such as first.epochs=3")
    tables = {"": shared, "training": shared["training"], **{step["name"]: step for step in steps if step["name"]}}
    if owner not in tables:
        raise UsageError(
            f"--set {setting}: there is no step {owner!r}", _suggest(owner, [name for name in tables if name])
        )
    try:
        tables[owner][key] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        tables[owner][key] = text


def _filled(step: Table, shared: Table) -> Table:
    """A step's table with what all steps have in common."""
    kind = str(step.get("do", ""))
    if kind not in KINDS:
        raise UsageError(f"step {step['name']!r} has do = {kind!r}", _suggest(kind, list(KINDS)))
    common = dict(shared["training"]) if kind == "train" else {}
    if "photos" in KINDS[kind].paths and shared["photos"]:
        common.setdefault("photos", shared["photos"])
    return common | step


def _with_options(table: Table, names: Sequence[str], options: Mapping[str, Any]) -> Table:
    """The table with what the command line says in its place."""
    known = _field_names(KINDS[table["do"]])
    fitting = {key: value for key, value in options.items() if key in known}
    if table["do"] == "scenes":
        fitting = {key: value for key, value in fitting.items() if key in ("photos", "side_px")}
    if table["do"] == "mine":
        fitting = {key: value for key, value in fitting.items() if key == "photos"}
    if table.get("start") and table["start"] in names:
        fitting.pop("start", None)
    return table | fitting


def _needed(tables: Sequence[Table]) -> list[Table]:
    """Without the renderings and lists that no step uses, for the command line may have put others in their place."""
    used = {value for table in tables for value in _references(table)}
    return [table for table in tables if table["do"] in ("train", "blend") or table["name"] in used]


def _references(table: Table) -> Iterator[str]:
    for key in KINDS[table["do"]].paths:
        value = table.get(key, "")
        yield from map(str, value if isinstance(value, (list, tuple)) else [value])


def _step(table: Table, names: Sequence[str]) -> Step:
    where, kind = f"step {table['name']!r}" if table["name"] else "the training run", KINDS[table["do"]]
    values = {key: value for key, value in table.items() if key not in ("do", "name")}
    _refuse_unknown(values, _field_names(kind), where)
    later = set(names[names.index(table["name"]) :]) & set(_references(table)) - {""}
    if later:
        raise UsageError(
            f"{where} takes what {later.pop()!r} makes, which comes later", "change the order of the steps"
        )
    if kind is Train:
        return Train(name=table["name"], training=_checked(DetectorTraining, values, where))
    made: Step = _checked(kind, values | {"name": table["name"]}, where)
    return made


def _field_names(kind: type[Any]) -> list[str]:
    owner = DetectorTraining if kind is Train else kind
    return [one.name for one in fields(owner) if one.name != "name"]


def _checked(kind: type[Any], values: Table, where: str) -> Any:
    """A dataclass of the values, each of the type that the field says."""
    missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in values]
    if missing:
        raise UsageError(f"{where} lacks {', '.join(missing)}", "write it into the recipe, or give the option")
    types = {one.name: str(one.type) for one in fields(kind)}
    return kind(**{key: _typed(value, types[key], f"{key} of {where}") for key, value in values.items()})


def _typed(value: Any, wanted: str, what: str) -> Any:
    if wanted == "tuple[str, ...]" and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if wanted == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if (wanted == "int" and type(value) is int) or (wanted == "str" and isinstance(value, str)):
        return value
    names = {"tuple[str, ...]": "a list of texts", "float": "a number", "int": "a whole number", "str": "a text"}
    raise UsageError(f"{what} is {value!r}", f"it must be {names[wanted]}")


def _refuse_unknown(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where} has an unknown key {key!r}", _suggest(key, known))


def _suggest(given: str, known: Sequence[str]) -> str:
    near = get_close_matches(given, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"there are: {', '.join(known)}"


def _kind_of(step: Step) -> str:
    return next(name for name, kind in KINDS.items() if isinstance(step, kind))
