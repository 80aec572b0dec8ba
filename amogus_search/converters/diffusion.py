"""The back end with a small learned model: the crop is buried under noise, and a crewmate is recovered from it.

That is SDEdit (Meng et al., "SDEdit: guided image synthesis and editing with stochastic differential equations", 2022)
with an inpainting mask and classifier-free guidance (Ho and Salimans, 2022) towards attributes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler
from numpy.typing import NDArray

from amogus_search.converters.diffusion_conditions import (
    CREWMATE,
    SIDE_PX,
    Sketch,
    asked_for,
    conditions,
    signed,
    styles,
    unsigned,
    wishes,
)
from amogus_search.converters.diffusion_detail import enlarged, reduced, settled
from amogus_search.converters.diffusion_model import from_safetensors, noise_schedule
from amogus_search.converters.layers import between_legs
from amogus_search.converters.paint import body_colour
from amogus_search.converters.patch import Surroundings, look
from amogus_search.converters.styles import GLASS
from amogus_search.core.colours import COLOURS, nearest_name
from amogus_search.core.conversion import Job
from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels
from amogus_search.errors import UsageError, WeightsError

VERSION = 1
"""Raised whenever the same job would give another picture with the same weights."""
AUTO = "auto"
STEPS, GUIDANCE = 12, 2.0
_LEAST_STRENGTH = 0.02


class DiffusionConverter:
    """Asks a `PixelDiffusion`; speaks `ports.Converter`.

    It works at `SIDE_PX` and puts the crop's own detail back. Jobs are worked on one by one: a batch would be no
    faster on a CPU, and a job's picture could depend on its neighbours.

    Args:
        content: the weights, as `to_safetensors` writes them.
        name: what the user typed.
        style: one of the model's styles; `auto`: what the patch suggests, unless the prompt names one.
    """

    side_px: int | None = None
    batch = 1
    parallel = 1

    def __init__(self, content: bytes, *, name: str = "diffusion", style: str = AUTO) -> None:
        self._model = from_safetensors(content)
        self._styles = styles(self._model.attributes)
        if style != AUTO and style not in self._styles:
            near = get_close_matches(style, self._styles, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"the model knows no style {style!r}", f"{meant}there are: {', '.join(self._styles)}")
        self._style = style
        self.name = name
        digest = hashlib.sha256(content).hexdigest()
        self.fingerprint = fingerprint({"diffusion": VERSION, "weights": digest, "style": style})

    def convert(self, jobs: Sequence[Job]) -> list[Pixels]:
        """One picture a job, as large as its crop."""
        return [self._converted(job) for job in jobs]

    def asked_of(self, job: Job, patch: Surroundings) -> frozenset[str]:
        """The attributes that a job asks for."""
        facts = asked_for(job.prompt, self._model.attributes) | {CREWMATE}
        if self._style != AUTO:
            facts = frozenset(fact for fact in facts if not fact.startswith("style:")) | {f"style:{self._style}"}
        elif not any(fact.startswith("style:") for fact in facts):
            fitting = "pixel art" if patch.pixel_art else "pencil" if patch.paper else "3d"
            facts |= {f"style:{fitting}"} if fitting in self._styles else frozenset()
        return facts

    def _converted(self, job: Job) -> Pixels:
        if job.strength < _LEAST_STRENGTH:
            return job.crop
        size = (job.crop.shape[1], job.crop.shape[0])
        inside = job.figure.silhouette(size)
        patch = look(job.crop, inside, between_legs(job.figure, size, inside))
        small = np.asarray(np.clip(np.rint(reduced(job.crop, SIDE_PX)), 0, 255), np.uint8)
        whole, visor, mask = (
            np.clip(reduced(layer, SIDE_PX), 0, 1) for layer in (inside, job.figure.part("visor", size), job.mask)
        )
        facts = self.asked_of(job, patch)
        sketch = Sketch(whole, visor, _body(job, patch, facts), GLASS * patch.exposure)
        blank = Sketch(whole, visor)
        given = np.stack([conditions(small, mask, told) for told in (sketch, blank)])
        new = self._sampled(job, signed(small), given, facts)
        made = settled(unsigned(new), mask, whole, visor)
        picture = enlarged(made, job.crop, job.figure, detail_inside=(1 - job.strength) ** 2)
        picture += _grain(job, patch) * inside[..., None]
        return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)

    def _sampled(
        self, job: Job, before: NDArray[np.float32], given: NDArray[np.float32], facts: frozenset[str]
    ) -> NDArray[np.float32]:
        """(3, SIDE_PX, SIDE_PX) float32 in -1..1; `given` holds the conditions as asked for, and as for anything."""
        scheduler = DDIMScheduler.from_config(noise_schedule().config, clip_sample=True)
        steps = job.steps or STEPS
        # Of a run of so many steps that the part below the strength has the number asked for.
        scheduler.set_timesteps(min(max(1, round(steps / job.strength)), scheduler.config.num_train_timesteps))
        left = scheduler.timesteps[-max(1, round(len(scheduler.timesteps) * job.strength)) :]
        noise = torch.randn(1, *before.shape, generator=torch.Generator().manual_seed(job.seed))
        picture = scheduler.add_noise(torch.from_numpy(before)[None], noise, left[:1])
        told = torch.from_numpy(given)
        rows = [wishes(asked, self._model.attributes) for asked in (facts, ())]
        wish = torch.from_numpy(np.stack(rows))
        guidance = GUIDANCE if job.guidance is None else job.guidance
        with torch.inference_mode():
            for step in left:
                asked, unasked = self._model(picture.repeat(2, 1, 1, 1), told, step.repeat(2), wish)
                velocity = unasked + guidance * (asked - unasked)
                picture = scheduler.step(velocity[None], step, picture).prev_sample
        return np.asarray(picture[0].numpy(), np.float32)


def _body(job: Job, patch: Surroundings, facts: frozenset[str]) -> NDArray[np.float32] | None:
    """(3,) RGB: what was asked for; a colour that the prompt names and the patch does not have; or the patch's own."""
    own = body_colour(job, patch)
    named = [fact.partition(":")[2] for fact in facts if fact.startswith("colour:")]
    if job.colour is not None or not named or named[0] in {_everyday(own), _everyday(patch.colour)}:
        return own
    return np.asarray(COLOURS[named[0]], np.float32) if named[0] in COLOURS else None


def _everyday(colour: NDArray[np.float32]) -> str:
    red, green, blue = (int(value) for value in colour)
    return nearest_name((red, green, blue))


def _grain(job: Job, patch: Surroundings) -> NDArray[np.float32]:
    """(h, w, 3) noise like the patch's, mostly in brightness."""
    if patch.grain < 0.3:
        return np.zeros(job.crop.shape, np.float32)
    rng = np.random.default_rng([job.seed, 1])
    grey = rng.standard_normal((*job.crop.shape[:2], 1)).astype(np.float32)
    colour = rng.standard_normal(job.crop.shape).astype(np.float32)
    return np.asarray(patch.grain * (0.92 * grey + 0.4 * colour), np.float32)


def read_own(path: Path) -> bytes:
    """The weights of the user's own run of `amogus train diffusion`.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"the weights {path} cannot be read: {error.strerror}", "give diffusion.safetensors of a run"
        ) from None


def check_options(options: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of `DiffusionConverter` from what the command line gives.

    Raises:
        UsageError: an option is not known.
    """
    strangers = sorted(set(options) - {"style"})
    if strangers:
        raise UsageError(f"the back end diffusion has no option {strangers[0]!r}", "it has: style")
    return {"style": options.get("style", AUTO)}
