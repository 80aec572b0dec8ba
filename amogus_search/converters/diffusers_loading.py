"""A pipeline from its folder or from the hub, on its device, with adapters and ControlNet; nothing of it runs code.

The libraries are handed in by `diffusers`, the only module of the back end that imports them.
"""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amogus_search.converters.diffusers_folder import (
    component_class,
    digest_of,
    digest_of_file,
    libraries_of,
    lora_file,
    read_index,
)
from amogus_search.converters.diffusers_options import Loading, ModelName
from amogus_search.core.ids import fingerprint
from amogus_search.errors import ConversionError, MissingExtraError, UsageError, WeightsError

_NO_LINK = "can't find a pipeline linked"
"""What diffusers says where it knows no pipeline of a kind for a model."""


_WHOLE = "is the model whole, and of a kind that this version of diffusers knows?"


@dataclass(frozen=True, eq=False)
class Libraries:
    """diffusers, torch, and huggingface_hub."""

    diffusers: Any
    torch: Any
    hub: Any


@dataclass(frozen=True, eq=False)
class Loaded:
    """A pipeline that can be asked.

    pipe:        diffusers' own object
    parameters:  what its call takes
    device:      where it computes
    dtype:       torch's name of its precision
    fingerprint: of weights, adapters, classes and precision
    """

    pipe: Any
    parameters: frozenset[str]
    device: str
    dtype: Any
    fingerprint: str


def load(libraries: Libraries, loading: Loading) -> Loaded:
    """The pipeline, ready.

    Raises:
        UsageError: the model is not there, or something asked for does not go together with it.
        WeightsError: its files cannot be read.
        ConversionError: it does not fit into memory.
        MissingExtraError: a library that it needs is not installed.
    """
    diffusers, torch = libraries.diffusers, libraries.torch
    device = _device(torch, loading.device)
    folder = _folder(libraries, loading.model, loading)
    strange = [name for name in libraries_of(read_index(folder)) if not _known(diffusers, name)]
    if strange:
        raise UsageError(f"{folder} wants classes of {strange[0]}", "they may be of diffusers and transformers only")
    dtype = _dtype(torch, loading.dtype, device, folder)
    options = {"use_safetensors": None if loading.pickles else True, "local_files_only": True, "dtype": dtype}
    options |= {"variant": loading.variant} if loading.variant else {}
    about: dict[str, str] = {"model": digest_of(folder, variant=loading.variant, pickles=loading.pickles)}
    with _plain_words(torch, loading.model.text):
        parts = {}
        if loading.controlnet is not None:
            place = _folder(libraries, loading.controlnet, loading)
            about["controlnet"] = digest_of(place, pickles=loading.pickles)
            parts["controlnet"] = _controlnet(diffusers, place, options)
        pipe = _pipeline(diffusers, folder, loading.pipeline, {**options, **parts})
        if loading.scheduler:
            pipe.scheduler = _scheduler(diffusers, loading.scheduler, pipe.scheduler)
    about |= _with_loras(torch, pipe, loading)
    with _plain_words(torch, loading.model.text):
        _placed(pipe, loading, device)
    pipe.set_progress_bar_config(disable=True)
    about |= {"class": type(pipe).__name__, "scheduler": type(pipe.scheduler).__name__, "dtype": str(dtype)}
    return Loaded(pipe, frozenset(inspect.signature(pipe.__call__).parameters), device, dtype, fingerprint(about))


def is_memory(torch: Any, error: BaseException) -> bool:
    """Whether an error says that there is not enough memory; on every kind of device it says so in another way."""
    kinds = (MemoryError, *([torch.OutOfMemoryError] if hasattr(torch, "OutOfMemoryError") else []))
    words = str(error).lower()
    return isinstance(error, kinds) or "out of memory" in words or "can't allocate memory" in words


def _folder(libraries: Libraries, name: ModelName, loading: Loading) -> Path:
    """Where the model lies; one on the hub is downloaded, or found among earlier downloads."""
    if name.folder is not None:
        return name.folder
    options: dict[str, Any] = {"use_safetensors": None if loading.pickles else True}
    options |= {"variant": loading.variant} if loading.variant else {}
    is_model = name is loading.model
    if is_model and loading.revision:
        options["revision"] = loading.revision
    try:
        if is_model:
            return Path(libraries.diffusers.DiffusionPipeline.download(name.hub_name, **options))
        return Path(libraries.hub.snapshot_download(name.hub_name, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # downloads share no base class
        raise UsageError(
            f"{name.hub_name} cannot be had from the hub: {first_line(error)}",
            "check the name, the connection, and whether one must log in for it (hf auth login)",
        ) from error


def _known(diffusers: Any, library: str) -> bool:
    return library in ("diffusers", "transformers") or hasattr(diffusers.pipelines, library)


def _is_class(kind: Any) -> bool:
    # inspect.isclass would narrow what is Any to a class without methods.
    return inspect.isclass(kind)


def _controlnet(diffusers: Any, folder: Path, options: dict[str, Any]) -> Any:
    kind: Any = getattr(diffusers, component_class(folder), None)
    if not (_is_class(kind) and issubclass(kind, diffusers.ModelMixin) and "ControlNet" in kind.__name__):
        raise UsageError(f"{folder} holds no ControlNet", "controlnet=FOLDER, one that was made for this kind of model")
    return kind.from_pretrained(folder, **{key: value for key, value in options.items() if key != "variant"})


def _pipeline(diffusers: Any, folder: Path, wanted: str, options: dict[str, Any]) -> Any:
    """By the class that was named; else the model's own if it inpaints; else what diffusers links to it."""
    own = read_index(folder)["_class_name"]
    named = own if wanted in ("auto", "inpaint", "img2img") else wanted
    kind: Any = getattr(diffusers, named, None)
    if not (_is_class(kind) and issubclass(kind, diffusers.DiffusionPipeline)):
        raise UsageError(
            f"diffusers {diffusers.__version__} has no pipeline {named}", "pipeline=CLASS, as it spells it"
        )
    takes = set(inspect.signature(kind.__call__).parameters)
    if wanted == named and "image" not in takes:
        raise UsageError(f"{named} takes no picture", "pipeline=inpaint or img2img, or a class that does")
    fits = "mask_image" in takes and ("controlnet" not in options or "control_image" in takes)
    if wanted == named or (fits and wanted != "img2img"):
        return kind.from_pretrained(folder, **options)
    kinds = {"inpaint": diffusers.AutoPipelineForInpainting, "img2img": diffusers.AutoPipelineForImage2Image}
    for auto in [kinds[wanted]] if wanted in kinds else kinds.values():
        try:
            return auto.from_pretrained(folder, **options)
        except ValueError as error:
            if _NO_LINK not in str(error):
                raise
    if "image" in takes and "controlnet" not in options and wanted == "auto":
        return kind.from_pretrained(folder, **options)
    raise UsageError(f"diffusers knows no {wanted} pipeline for {own}", "pipeline=CLASS names one of its classes")


def _scheduler(diffusers: Any, name: str, before: Any) -> Any:
    kind: Any = getattr(diffusers, name, None)
    if not (_is_class(kind) and hasattr(kind, "set_timesteps") and issubclass(kind, diffusers.SchedulerMixin)):
        raise UsageError(f"diffusers has no scheduler {name}", "such as scheduler=DPMSolverMultistepScheduler")
    return kind.from_config(before.config)


def _with_loras(torch: Any, pipe: Any, loading: Loading) -> dict[str, str]:
    """Adds the adapters; their digests."""
    if not loading.loras:
        return {}
    if not hasattr(pipe, "load_lora_weights"):
        raise UsageError(f"{type(pipe).__name__} takes no LoRA", "leave out lora=")
    if importlib.util.find_spec("peft") is None:
        raise MissingExtraError("a LoRA needs peft", 'pip install "amogus_search[diffusion]"')
    about: dict[str, str] = {}
    names = [f"lora_{number}" for number in range(len(loading.loras))]
    for name, lora in zip(names, loading.loras, strict=True):
        file = lora_file(lora)
        about[name] = f"{digest_of_file(file)}:{lora.weight:g}"
        with _plain_words(torch, str(file), "is it a LoRA of this kind of model?"):
            options = {"weight_name": file.name, "adapter_name": name}
            pipe.load_lora_weights(str(file.parent), local_files_only=True, use_safetensors=True, **options)
            if name not in {one for some in pipe.get_list_adapters().values() for one in some}:
                raise UsageError(f"{file} has nothing for {type(pipe).__name__}", "is it a LoRA of this kind of model?")
    pipe.set_adapters(names, adapter_weights=[lora.weight for lora in loading.loras])
    return about


def _placed(pipe: Any, loading: Loading, device: str) -> None:
    """Onto the device, or partly, with what saves memory there."""
    if loading.slicing:
        pipe.enable_attention_slicing()
        _vae(pipe).enable_slicing()
    if loading.tiling:
        _vae(pipe).enable_tiling()
    if loading.offload == "none":
        pipe.to(device)
    elif device == "cpu":
        raise UsageError("there is no device beside the CPU to move the model to", "leave out offload=")
    elif loading.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)


def _vae(pipe: Any) -> Any:
    if not hasattr(getattr(pipe, "vae", None), "enable_tiling"):
        raise UsageError(f"{type(pipe).__name__} has no VAE that works in parts", "leave out slicing= and tiling=")
    return pipe.vae


def _device(torch: Any, wanted: str) -> str:
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    if wanted == "auto":
        return there[0]
    kind, _, number = wanted.partition(":")
    if kind not in there or (number and int(number) >= torch.cuda.device_count()):
        raise UsageError(f"there is no device {wanted} here", f"there is {' and '.join(there)}")
    return wanted


def _dtype(torch: Any, wanted: str, device: str, folder: Path) -> Any:
    """Half precision where there is a GPU; models made of transformers overflow in float16."""
    if wanted != "auto":
        return getattr(torch, wanted)
    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if "transformer" in read_index(folder) else torch.float16


@contextmanager
def _plain_words(
    torch: Any, what: str, hint: str = "is the model whole, and of a kind that this diffusers knows?"
) -> Iterator[None]:
    """Foreign errors in our words, foreign warnings not at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UsageError, WeightsError, MissingExtraError):
        raise
    except Exception as error:  # whatever diffusers, transformers, peft, safetensors and torch raise
        if is_memory(torch, error):
            raise ConversionError(
                f"{what} does not fit into memory",
                "--backend-option dtype=bfloat16, or offload=model or sequential beside a GPU",
            ) from error
        if isinstance(error, ImportError):
            raise MissingExtraError(f"{what}: {first_line(error)}", 'pip install "amogus_search[diffusion]"') from error
        raise WeightsError(f"{what} cannot be loaded: {first_line(error)}", hint) from error


def first_line(error: BaseException) -> str:
    """What an error says, in a line."""
    words = str(error).strip() or type(error).__name__
    return " ".join(words.splitlines()[0].split())[:300]
