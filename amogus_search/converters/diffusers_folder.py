"""A pipeline's folder, looked at before a library opens it: is it one, does it bring code, and what is its digest?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amogus_search.converters.diffusers_options import Lora
from amogus_search.errors import UsageError, WeightsError

INDEX = "model_index.json"
_WEIGHTS = (".safetensors", ".bin")
_WORDS = (".json", ".txt", ".model")
_LORA = "pytorch_lora_weights.safetensors"


def read_index(folder: Path) -> Mapping[str, Any]:
    """What `model_index.json` says.

    Raises:
        UsageError: the folder holds no pipeline, or one that brings its own code.
        WeightsError: the file cannot be read.
    """
    if not (folder / INDEX).is_file():
        raise UsageError(
            f"{folder} holds no pipeline of diffusers: it has no {INDEX}",
            "name the folder that save_pretrained wrote, or that was downloaded whole",
        )
    index = _json(folder / INDEX)
    code = _code(folder, index)
    if code:
        raise UsageError(
            f"{folder} brings code of its own ({code}), which is never run here",
            "use a pipeline whose classes are those of diffusers and transformers",
        )
    return index


def libraries_of(index: Mapping[str, Any]) -> set[str]:
    """Where the classes of the components come from."""
    return {str(value[0]) for value in index.values() if isinstance(value, list) and len(value) == 2 and all(value)}


def component_class(folder: Path) -> str:
    """The class that a single model's `config.json` names, such as `ControlNetModel`.

    Raises:
        UsageError: the folder holds none.
        WeightsError: the file cannot be read.
    """
    config = folder / "config.json"
    name = _json(config).get("_class_name") if config.is_file() else None
    if not isinstance(name, str):
        raise UsageError(
            f"{folder} holds no model of diffusers", "name the folder of a ControlNet, with its config.json"
        )
    return name


def lora_file(lora: Lora) -> Path:
    """The .safetensors file of an adapter.

    Raises:
        UsageError: a folder holds none or several; or the file is another kind, which could run code when it is loaded.
    """
    path = lora.path
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        named = [file for file in found if file.name == _LORA]
        if len(named or found) != 1:
            raise UsageError(f"{path} holds {len(found)} .safetensors files", "name the one that is the LoRA")
        return (named or found)[0]
    if path.suffix.lower() != ".safetensors":
        raise UsageError(f"{path} is no .safetensors file", "other kinds could run code when they are loaded")
    return path


def digest_of(folder: Path, *, variant: str = "", pickles: bool = False) -> str:
    """Of all that a pipeline or a single model reads of its folder, by place and content.

    Raises:
        WeightsError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(_used(folder, variant, pickles)):
        digest.update(f"{path.relative_to(folder).as_posix()}:{digest_of_file(path)}\n".encode())
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Its sha256.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}", "is the model whole?") from None


def _used(folder: Path, variant: str, pickles: bool) -> Iterator[Path]:
    parts = _parts(folder)
    for part in parts:
        weights = [path for path in part.iterdir() if path.suffix in _WEIGHTS[: 1 + pickles]]
        of_variant = [path for path in weights if variant and f".{variant}." in path.name]
        usual = of_variant or [path for path in weights if "." not in path.stem]
        yield from [path for path in usual if path.suffix == _WEIGHTS[0]] or usual
        yield from (path for path in part.iterdir() if path.suffix in _WORDS)
    if folder not in parts:
        yield folder / INDEX


def _parts(folder: Path) -> list[Path]:
    """The folders of its components; weights beside `model_index.json` are other forms of the same model."""
    if not (folder / INDEX).is_file():
        return [folder]
    named = [name for name, value in _json(folder / INDEX).items() if isinstance(value, list) and all(value)]
    return [folder / name for name in named if (folder / name).is_dir()]


def _code(folder: Path, index: Mapping[str, Any]) -> str:
    """The file that a library would run for this pipeline; "" if there is none."""
    own = index.get("_class_name")
    if not isinstance(own, str):
        return f"{own[0]}.py" if isinstance(own, list) and own else "no _class_name"
    parts = {name: value[0] for name, value in index.items() if isinstance(value, list) and value}
    files = [f"{name}/{library}.py" for name, library in parts.items()]
    return next((file for file in files if (folder / file).exists()), "")


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise WeightsError(f"{path} cannot be read: {words}", "is the model whole?") from None
    if not isinstance(values, dict):
        raise WeightsError(f"{path} holds no JSON object", "is the model whole?")
    return values
