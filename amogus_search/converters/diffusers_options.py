"""What the back end `diffusers` is told on the command line, read and checked before any library is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from amogus_search.errors import UsageError

HUB = "hf-hub:"
Control: TypeAlias = Literal["inpaint", "outline", "tone"]
Offload: TypeAlias = Literal["none", "model", "sequential"]
DTYPES = ("float32", "float16", "bfloat16")
_OPTIONS = (
    *("pipeline", "lora", "controlnet", "control", "control_scale", "hide", "scheduler", "device", "dtype", "batch"),
    *("slicing", "tiling", "offload", "variant", "revision", "pickles"),
)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_STRONGEST = 10.0


@dataclass(frozen=True)
class ModelName:
    """Where a model lies.

    text:   as the user wrote it
    folder: on this machine; None: on the hub, under `text` without its prefix
    """

    text: str
    folder: Path | None

    @property
    def hub_name(self) -> str:
        """ORG/NAME."""
        return self.text.removeprefix(HUB)


@dataclass(frozen=True)
class Lora:
    """One adapter: a .safetensors file, or a folder with one, and how much of it is added."""

    path: Path
    weight: float = 1.0


@dataclass(frozen=True)
class Loading:
    """What decides how a pipeline is loaded.

    model:      which
    pipeline:   `auto`, `inpaint`, `img2img`, or the name of one of diffusers' classes
    loras:      added in this order
    controlnet: None: without, unless the pipeline has one of its own
    scheduler:  name of one of diffusers' classes; "": the model's own
    device:     `auto`, `cpu`, `cuda`, `cuda:N` or `mps`
    dtype:      one of `DTYPES`, or `auto`
    slicing, tiling, offload: to save memory, at a cost in time
    variant:    of the weight files, such as fp16
    revision:   of a model on the hub
    pickles:    also read weights that are not safetensors
    """

    model: ModelName
    pipeline: str = "auto"
    loras: tuple[Lora, ...] = ()
    controlnet: ModelName | None = None
    scheduler: str = ""
    device: str = "auto"
    dtype: str = "auto"
    slicing: bool = False
    tiling: bool = False
    offload: Offload = "none"
    variant: str = ""
    revision: str = ""
    pickles: bool = False


@dataclass(frozen=True)
class Calling:
    """What decides how a loaded pipeline is asked.

    control:       what a ControlNet is shown
    control_scale: how much it has to say; None: the pipeline's own default
    hide:          whether the figure is to be seen from afar only
    batch:         jobs at once; None: what suits the device
    """

    control: Control = "inpaint"
    control_scale: float | None = None
    hide: bool = False
    batch: int | None = None


@dataclass(frozen=True)
class Asked:
    """All of it."""

    loading: Loading
    calling: Calling = field(default_factory=Calling)


def read_options(argument: str, options: Mapping[str, str]) -> Asked:
    """What the command line says.

    Args:
        argument: name of the model: a folder, ORG/NAME or hf-hub:ORG/NAME.
        options: see docs/CONVERTING.md.

    Raises:
        UsageError: an option is not known, or a value cannot be used.
    """
    strangers = sorted(set(options) - set(_OPTIONS))
    if strangers:
        raise UsageError(f"the back end diffusers has no option {strangers[0]!r}", f"it has: {', '.join(_OPTIONS)}")
    model = model_name(argument)
    if "revision" in options and model.folder is not None:
        raise UsageError("a folder has no revision", "revisions are of models on the hub")
    loading = Loading(
        model,
        pipeline=options.get("pipeline", "auto"),
        loras=_loras(options.get("lora", "")),
        controlnet=model_name(options["controlnet"]) if "controlnet" in options else None,
        scheduler=options.get("scheduler", ""),
        device=_device(options.get("device", "auto")),
        dtype=_one_of("dtype", options.get("dtype", "auto"), ("auto", *DTYPES)),
        slicing=_yes("slicing", options),
        tiling=_yes("tiling", options),
        offload=_one_of("offload", options.get("offload", "none"), get_args(Offload)),  # type: ignore[arg-type]
        variant=options.get("variant", ""),
        revision=options.get("revision", ""),
        pickles=_yes("pickles", options),
    )
    return Asked(loading, _calling(options))


def model_name(text: str) -> ModelName:
    """A folder of this machine, or a name on the hub: only what cannot be meant as a folder is one.

    Raises:
        UsageError: it is neither.
    """
    if text.startswith(HUB) and _HUB_NAME.fullmatch(text.removeprefix(HUB)):
        return ModelName(text, None)
    path = Path(text).expanduser()
    if text and path.is_dir():
        return ModelName(text, path)
    if path.suffix.lower() in _FILES:
        raise UsageError(
            f"{text} is one file, and a pipeline is a folder",
            "diffusers makes one of it: StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)",
        )
    # A misspelt folder must not become a question to somebody's server.
    if _HUB_NAME.fullmatch(text) and not Path(text.partition("/")[0]).exists():
        return ModelName(text, None)
    if not text:
        raise UsageError("the back end diffusers needs a model", "--backend diffusers:FOLDER or diffusers:ORG/NAME")
    hint = f"{HUB}{text} means the one on the hub" if _HUB_NAME.fullmatch(text) else "name a folder, or ORG/NAME"
    raise UsageError(f"there is no folder {text}", hint)


def _calling(options: Mapping[str, str]) -> Calling:
    hide = "hide" in options
    if hide and {"control", "control_scale"} & set(options):
        raise UsageError("hide says both control and control_scale", "leave them out, or leave out hide")
    scale = options.get("hide", options.get("control_scale"))
    batch = options.get("batch")
    return Calling(
        control="tone" if hide else _one_of("control", options.get("control", "inpaint"), get_args(Control)),  # type: ignore[arg-type]
        control_scale=None if scale is None else _number("hide" if hide else "control_scale", scale),
        hide=hide,
        batch=None if batch is None else _count("batch", batch),
    )


def _loras(text: str) -> tuple[Lora, ...]:
    """PATH[:weight] with commas between; a path that is there as it stands is taken as it stands."""
    if not text:
        return ()
    if Path(text).expanduser().exists():
        return (_lora(text),)
    return tuple(_lora(part) for part in text.split(","))


def _lora(text: str) -> Lora:
    path = Path(text).expanduser()
    if path.exists():
        return Lora(path)
    place, separator, weight = text.rpartition(":")
    path = Path(place).expanduser()
    if not separator or not path.exists():
        raise UsageError(f"there is no LoRA {text}", "lora=FILE.safetensors, or FOLDER, with :WEIGHT after it")
    return Lora(path, _number("lora", weight, least=-_STRONGEST))


def _device(text: str) -> str:
    if text in ("auto", "cpu", "cuda", "mps") or re.fullmatch(r"cuda:\d{1,3}", text):
        return text
    raise UsageError(f"device={text} cannot be used", "auto, cpu, cuda, cuda:N or mps")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"{name}={value} cannot be used", ", ".join(known))
    return value


def _yes(name: str, options: Mapping[str, str]) -> bool:
    return _one_of(name, options.get(name, "no"), ("yes", "no")) == "yes"


def _number(name: str, value: str, *, least: float = 0.0) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number <= _STRONGEST:
        raise UsageError(f"{name}: {value!r} cannot be used", f"a number from {least:g} to {_STRONGEST:g}")
    return number


def _count(name: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 1024:
        raise UsageError(f"{name}={value} cannot be used", "a whole number from 1 to 1024")
    return int(value)
