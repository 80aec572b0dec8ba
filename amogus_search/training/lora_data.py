"""What `amogus export dreambooth` wrote, as pictures with captions, and pictures of everything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from amogus_search.core.types import Pixels
from amogus_search.errors import AmogusError, DecodeError, UsageError
from amogus_search.exports.dreambooth import METADATA
from amogus_search.pipeline.resize import resize

_KINDS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Example:
    """One picture and what is said of it."""

    path: Path
    text: str


@dataclass(frozen=True)
class LoraData:
    """What is learnt, and what must not be forgotten.

    instances: amogi, with their captions
    classes:   pictures without any; may be empty
    digest:    of all files and captions, in order
    """

    instances: tuple[Example, ...]
    classes: tuple[Example, ...]
    digest: str


def read_data(folder: Path, class_prompt: str) -> LoraData:
    """All examples of a folder, in the order of its captions; class pictures sorted by name.

    Args:
        folder: OUT of `amogus export dreambooth`.
        class_prompt: what is said of every class picture.

    Raises:
        UsageError: the folder holds no such data.
        AmogusError: a file cannot be read.
    """
    metadata = folder / "instance" / METADATA
    if not metadata.is_file():
        raise UsageError(f"{folder} holds no data for DreamBooth", "make it: amogus export dreambooth OUT")
    instances = tuple(_captioned(metadata))
    if not instances:
        raise UsageError(f"{metadata} names no picture", "make it anew: amogus export dreambooth OUT")
    found = sorted((folder / "class").iterdir()) if (folder / "class").is_dir() else []
    classes = tuple(Example(path, class_prompt) for path in found if path.suffix.lower() in _KINDS)
    digest = hashlib.sha256()
    for example in (*instances, *classes):
        digest.update(f"{_sha256(example.path)}:{example.text}\n".encode())
    return LoraData(instances, classes, digest.hexdigest())


def read_square(path: Path, side_px: int) -> tuple[Pixels, int]:
    """(side, side, 3) uint8 of the middle square of a picture, and the side that it had.

    Raises:
        DecodeError: it is no picture.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    # ultralytics, once loaded, has Image.open look for a HEIF decoder in whatever Pillow cannot read.
    except (OSError, ValueError, SyntaxError, Warning, ImportError, Image.DecompressionBombError) as error:
        raise DecodeError("corrupt", f"{path}: {error}") from None
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    return (square if side == side_px else resize(square, (side_px, side_px))), side


def _captioned(metadata: Path) -> Iterator[Example]:
    try:
        lines = metadata.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise AmogusError(
            f"{metadata} cannot be read: {error}", "make the data anew: amogus export dreambooth"
        ) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _row(line)
        name, text = row.get("file_name"), row.get("text")
        if not isinstance(name, str) or not isinstance(text, str):
            raise UsageError(f"line {number} of {metadata} has no file_name and text", "one JSON object a line")
        path = metadata.parent / name
        if not path.is_file():
            raise UsageError(f"line {number} of {metadata}: there is no {path}", "leave out the line")
        yield Example(path, text)


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AmogusError(f"{path} cannot be read: {error.strerror}", "is the data whole?") from None
