"""The back end that runs a pipeline of diffusers here: inpainting or img2img, LoRA, ControlNet, several jobs at once.

The one door to diffusers, and to torch for it.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.diffusers_control import Sheet, sheet_of, shown
from amogus_search.converters.diffusers_loading import Libraries, Loaded, first_line, is_memory, load
from amogus_search.converters.diffusers_options import Asked, Calling, read_options
from amogus_search.core.conversion import Job, MaskKind
from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels
from amogus_search.errors import BackendGoneError, ConversionError, MissingExtraError, UsageError

VERSION = 1
"""Raised whenever the same job would be asked for otherwise."""
STEPS = 28
"""Where nobody asks for others."""
HIDING_PROMPT = "a photo of a natural place, detailed texture, natural light"
"""What is to be seen from near, where nobody says."""
_BATCHES = {"cpu": 1}
_BATCH = 4
_USUAL_SIDE_PX = 512
_SMALLER = "try a smaller --size, or --backend-option tiling=yes, slicing=yes, or beside a GPU offload=model"


class DiffusersConverter:
    """Asks a pipeline; speaks `ports.Converter`.

    Args:
        name: what the user typed to get it.
        loaded: the pipeline.
        torch: the library.
        calling: how it is asked.

    Raises:
        UsageError: it has no ControlNet, and one is needed to hide something.
    """

    parallel = 1
    mask: MaskKind | None = None
    prompt: str | None = None

    def __init__(self, name: str, loaded: Loaded, torch: Any, calling: Calling | None = None) -> None:
        calling = calling or Calling()
        self.name, self._loaded, self._torch, self._calling = name, loaded, torch, calling
        self._controlled = "control_image" in loaded.parameters
        if not self._controlled and (calling.hide or calling.control_scale is not None):
            raise UsageError(
                f"{type(loaded.pipe).__name__} has no ControlNet", "controlnet=FOLDER, made for this model"
            )
        if calling.hide:
            # The whole place has a part in it, not only what lies within the outline.
            self.mask, self.prompt = "box", HIDING_PROMPT
        self.side_px: int | None = _side_px(loaded.pipe)
        self._grid_px = 2 * _scale(loaded.pipe)
        self.batch = calling.batch or _BATCHES.get(loaded.device.partition(":")[0], _BATCH)
        self._proven = False
        about = {"control": calling.control, "scale": calling.control_scale, "hide": calling.hide}
        self.fingerprint = fingerprint({"diffusers": VERSION, "pipeline": loaded.fingerprint, **about})

    def convert(self, jobs: Sequence[Job]) -> list[Pixels]:
        """One picture a job, as large as its crop; every job has a generator of its own.

        In a batch the last bits of a picture may depend on how many are in it; `batch=1` keeps them.

        Raises: as `ports.Converter`.
        """
        done: dict[int, Pixels] = {row: job.crop.copy() for row, job in enumerate(jobs) if job.strength == 0}
        alike: dict[tuple[Any, ...], list[int]] = {}
        for row, job in enumerate(jobs):
            if row not in done:
                alike.setdefault((job.crop.shape, job.strength, job.steps, job.guidance), []).append(row)
        for rows in alike.values():
            start = 0
            while start < len(rows):
                some = rows[start : start + self.batch]
                pictures = self._together([jobs[row] for row in some])
                done.update(zip(some, pictures, strict=False))
                start += len(pictures)
        return [done[row] for row in range(len(jobs))]

    def close(self) -> None:
        """Let go of the model and its memory."""
        self._loaded = replace(self._loaded, pipe=None)
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()

    def _together(self, jobs: Sequence[Job]) -> list[Pixels]:
        """Pictures of the first of these jobs: of as many as there is memory for."""
        while True:
            room = False
            try:
                pictures = self._asked(jobs)
            except ConversionError:
                raise
            except Exception as error:  # a foreign library raises anything
                if not is_memory(self._torch, error):
                    raise self._wrong(f"{self.name} failed: {type(error).__name__}: {first_line(error)}") from error
                room = len(jobs) > 1
                if not room:
                    height, width = jobs[0].crop.shape[:2]
                    raise self._wrong(f"{self.name} ran out of memory at {width} x {height} px", _SMALLER) from error
            if not room:
                self._proven = True
                return pictures
            # Here the error, and with it all that it held of the pipeline's tensors, is gone.
            self.batch = max(1, len(jobs) // 2)
            jobs = jobs[: self.batch]
            if self._torch.cuda.is_available():
                self._torch.cuda.empty_cache()

    def _asked(self, jobs: Sequence[Job]) -> list[Pixels]:
        sheets = [sheet_of(job, self._grid_px) for job in jobs]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = self._loaded.pipe(**self._arguments(jobs, sheets))
        if any(getattr(answer, "nsfw_content_detected", None) or ()):
            raise ConversionError(
                f"{self.name} refuses its own picture: its safety checker found it unfit", "another --seed"
            )
        return [self._picture(made, job, sheet) for made, job, sheet in zip(answer.images, jobs, sheets, strict=True)]

    def _arguments(self, jobs: Sequence[Job], sheets: Sequence[Sheet]) -> dict[str, Any]:
        """Those of a call that this pipeline takes."""
        from PIL import Image

        first, (width, height) = jobs[0], sheets[0].size_wh
        steps = STEPS if first.steps is None else first.steps
        values: dict[str, Any] = {
            "prompt": [job.prompt for job in jobs],
            "negative_prompt": [job.negative_prompt for job in jobs],
            "image": [Image.fromarray(sheet.picture) for sheet in sheets],
            "mask_image": [Image.fromarray(sheet.mask) for sheet in sheets],
            "strength": first.strength,
            # A pipeline takes the last `strength` of its steps, and one there must be.
            "num_inference_steps": max(steps, math.ceil(1 / first.strength + 1e-6)),
            "width": width,
            "height": height,
            # On the CPU, so that noise is the same on every device.
            "generator": [self._torch.Generator("cpu").manual_seed(job.seed) for job in jobs],
            "output_type": "np",
        }
        if first.guidance is not None:
            values["guidance_scale"] = first.guidance
        if self._controlled:
            values["control_image"] = self._control(jobs, sheets)
            if self._calling.control_scale is not None:
                values["controlnet_conditioning_scale"] = self._calling.control_scale
        return {name: value for name, value in values.items() if name in self._loaded.parameters}

    def _control(self, jobs: Sequence[Job], sheets: Sequence[Sheet]) -> Any:
        """(b, 3, h, w) float32."""
        layers = [shown(self._calling.control, job, sheet) for job, sheet in zip(jobs, sheets, strict=True)]
        return self._torch.from_numpy(np.stack(layers).transpose(0, 3, 1, 2).copy())

    def _picture(self, made: NDArray[np.float32], job: Job, sheet: Sheet) -> Pixels:
        if not np.isfinite(made).all():
            raise self._wrong(
                f"{self.name} gave no numbers", "it overflows: --backend-option dtype=bfloat16 or float32"
            )
        if made.shape != sheet.picture.shape:
            raise self._wrong(
                f"{self.name} gave a picture of {made.shape[1]} x {made.shape[0]} px and was asked for "
                f"{sheet.size_wh[0]} x {sheet.size_wh[1]}",
                "--size says how large the crop is",
            )
        height, width = job.crop.shape[:2]
        return np.asarray(np.rint(made[:height, :width] * 255), np.uint8)

    def _wrong(self, problem: str, hint: str = "run it on this picture alone to see more") -> ConversionError:
        """Before the first picture it is about the model and the settings, so all end."""
        return ConversionError(problem, hint) if self._proven else BackendGoneError(problem, hint)


def _scale(pipe: Any) -> int:
    """Pixels of a side that are one latent."""
    return int(getattr(pipe, "vae_scale_factor", 8))


def _side_px(pipe: Any) -> int:
    """Side of the pictures that the model was trained on."""
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    size = getattr(getattr(network, "config", None), "sample_size", None) or getattr(pipe, "default_sample_size", None)
    side = max(size) if isinstance(size, tuple | list) else size
    return int(side) * _scale(pipe) if isinstance(side, int) else _USUAL_SIDE_PX


def diffusers_converter(argument: str, options: Mapping[str, str]) -> DiffusersConverter:
    """The converter for what the command line gives.

    Args:
        argument: the model: a folder, or a name on the hub.
        options: see docs/CONVERTING.md.

    Raises:
        UsageError: the model is not there, an option is not known, or its value cannot be used.
        MissingExtraError: diffusers or torch is not installed.
        WeightsError: its files cannot be read.
        ConversionError: it does not fit into memory.
    """
    asked = read_options(argument, options)
    found = libraries(offline=_is_here(asked))
    loaded = load(found, asked.loading)
    return DiffusersConverter(f"diffusers:{asked.loading.model.text}", loaded, found.torch, asked.calling)


def libraries(*, offline: bool = True) -> Libraries:
    """Diffusers and torch, quiet, and told not to use the network unless a name asks for it.

    Raises:
        MissingExtraError: one is not installed.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import diffusers
            import huggingface_hub
            import torch
            import transformers
    except ImportError as error:
        raise MissingExtraError(
            f"pipelines of diffusers need diffusers, transformers and torch ({error})",
            'pip install "amogus_search[diffusion]"',
        ) from error
    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    return Libraries(diffusers, torch, huggingface_hub)


def _is_here(asked: Asked) -> bool:
    names = [asked.loading.model, *([asked.loading.controlnet] if asked.loading.controlnet else [])]
    return all(name.folder is not None for name in names)
