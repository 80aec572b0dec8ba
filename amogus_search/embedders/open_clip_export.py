"""From an open_clip model to a folder that runs in OpenVINO without PyTorch, compared with the model first."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from amogus_search import runtime
from amogus_search.core.types import Pixels, Vectors
from amogus_search.embedders import open_clip
from amogus_search.embedders.clip_openvino import (
    CARD_NAME,
    FORMAT,
    IMAGES,
    MERGES_NAME,
    REST_NAME,
    TOKENIZER_NAME,
    VECTORS,
    WORDS,
    ExportedClip,
)
from amogus_search.embedders.clip_pixels import ClipPixels
from amogus_search.embedders.clip_tokens import CLEANINGS, ClipTokens
from amogus_search.embedders.open_clip import OpenClipEmbedder
from amogus_search.embedders.open_clip_text import write_plan
from amogus_search.errors import AmogusError, UsageError
from amogus_search.ports import Embedder

LEAST_COSINE = 0.9999
"""Between a vector of the model and that of the export; below it, there is no export."""
_TEXTS = ("a red amogus", "Two grey bins & a cat, it's 2021!", "", "a photo of " + "very " * 200 + "long words")
_SIDES = ((224, 224), (31, 77), (400, 260), (9, 9), (180, 1000), (640, 480))
_TIMED = 5


@dataclass(frozen=True)
class ExportReport:
    """What was written, how alike it is, and how much faster, both measured in one run on the same crops.

    folder:         the new folder
    least_cosine:   the least alike of all pairs of vectors, of crops and of texts
    model_ms, export_ms: median milliseconds a crop, preparing it included
    """

    folder: Path
    least_cosine: float
    model_ms: float
    export_ms: float

    @property
    def speed_up(self) -> float:
        """How many times faster the export is."""
        return self.model_ms / self.export_ms


def export_openvino(model: OpenClipEmbedder, out: Path, precision: runtime.Precision = "f32") -> ExportReport:
    """Write a model as a folder for `ExportedClip`; the folder is there whole and compared, or not at all.

    Args:
        model: on the CPU.
        out: must not exist.
        precision: that the image tower computes in; with bf16 the vectors must be as alike as with f32. On a CPU
            without bf16 such an export computes in f32, and is another embedder there.

    Raises:
        UsageError: it exists, or cannot be made, or this CPU cannot try that precision.
        AmogusError: OpenVINO cannot take the model over, or the vectors are not alike.
    """
    if out.exists():
        raise UsageError(f"{out} is there already", "choose another name, or remove it")
    if precision == "bf16" and not runtime.cpu_has_bf16():
        raise UsageError("this CPU does not compute in bf16, so nothing could be compared", "export it in f32")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"cannot make {part}: {error.strerror}", "choose another place") from error
    try:
        _write(model, part, precision)
        report = compared(model, ExportedClip(part))
        _sync(part)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return ExportReport(out, report.least_cosine, report.model_ms, report.export_ms)


def compared(model: Embedder, export: ExportedClip) -> ExportReport:
    """How alike the vectors are, and how fast they are made.

    Raises:
        AmogusError: they are not alike.
    """
    crops = _crops()
    cosines = np.concatenate(
        [
            _cosines(model.embed_images(crops), export.embed_images(crops)),
            _cosines(model.embed_texts(_TEXTS), export.embed_texts(_TEXTS)),
        ]
    )
    if not cosines.min() >= LEAST_COSINE:
        raise AmogusError(
            f"the export of {model.name} would give other vectors (cosine {cosines.min():.5f}, at least "
            f"{LEAST_COSINE} is wanted); nothing was written",
            "export it in f32" if export.precision == "bf16" else "use the model itself",
        )
    return ExportReport(export.folder, float(cosines.min()), *_milliseconds(model, export, crops))


def _write(model: OpenClipEmbedder, folder: Path, precision: runtime.Precision) -> None:
    towers = (("image", IMAGES), ("text", WORDS))
    with model.towers() as modules:
        for (role, input_name), (module, example) in zip(towers, modules, strict=True):
            network = runtime.network_of_torch(module, example, input_name=input_name, output_name=VECTORS)
            runtime.save_network(network, folder / f"{role}.xml", half_weights=False)
    pixels, tokens = ClipPixels.of(model.preprocessing), _write_tokenizer(model, folder)
    plan = write_plan(model, folder, _TEXTS)
    files = {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    constants = {name: digest for name, digest in files.items() if not name.endswith((".xml", REST_NAME))}
    card = {
        "format": FORMAT,
        "source": model.name,
        "dimension": model.dimension,
        "pixels": pixels.as_json(),
        "tokens": tokens,
        "files": files,
        "precision": precision,
        "plain_text": plan,
        # What its vectors depend on; the .xml files hold, beside the graph, names that differ from export to export,
        # and REST_NAME holds numbers of the model.
        "answers": {"model": model.fingerprint, "pixels": pixels.as_json(), "tokens": tokens, "constants": constants},
        "made_with": {**open_clip.versions(), "openvino": runtime.version()},
    }
    (folder / CARD_NAME).write_text(json.dumps(card, indent=1), encoding="utf-8")


def _write_tokenizer(model: OpenClipEmbedder, folder: Path) -> dict[str, Any]:
    """Write what reads texts, and describe it: without PyTorch where that gives the same numbers."""
    length = int(model.tokens([""]).shape[1])
    table = open_clip.merges_table()
    for cleaning in CLEANINGS:
        if np.array_equal(ClipTokens(table, length, cleaning)(_TEXTS), model.tokens(_TEXTS)):
            (folder / MERGES_NAME).write_bytes(table)
            return {"kind": "clip", "length": length, "cleaning": cleaning}
    theirs = model.tokenizer()
    if not hasattr(theirs, "save_pretrained"):
        raise AmogusError(f"the tokeniser of {model.name} cannot be written to a folder", "use the model itself")
    theirs.save_pretrained(str(folder / TOKENIZER_NAME))
    return {"kind": "transformers", "length": length, "options": open_clip.tokenizer_options(theirs)}


def _crops() -> list[Pixels]:
    """Made pictures of several shapes: soft colours, edges and noise."""
    rng = np.random.default_rng(5)
    crops = []
    for height, width in _SIDES:
        across, down = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 4, height))
        soft = np.stack([np.sin(across + down * k) for k in (1, 2, 3)], axis=-1) * 100 + 128
        soft[height // 4 : height // 2, width // 3 : width // 2] = (200, 20, 30)
        crops.append(np.clip(soft + rng.normal(0, 12, soft.shape), 0, 255).astype(np.uint8))
    return crops


def _milliseconds(model: Embedder, export: Embedder, crops: Sequence[Pixels]) -> tuple[float, float]:
    """Median times of a crop in full batches, taken in turns, so that whatever else the machine does slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    some = [crops[0]] * math.lcm(*(getattr(embedder, "batch", 1) for embedder in (model, export)))
    for _ in range(_TIMED):
        for embedder, taken in zip((model, export), times, strict=True):
            started = time.perf_counter()
            embedder.embed_images(some)
            taken.append((time.perf_counter() - started) * 1000 / len(some))
    return median(times[0]), median(times[1])


def _cosines(ours: Vectors, theirs: Vectors) -> Vectors:
    return np.asarray((ours.astype(np.float64) * theirs).sum(axis=1))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Have all of it on the disk before it gets its name."""
    for path in (*folder.rglob("*"), folder):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
