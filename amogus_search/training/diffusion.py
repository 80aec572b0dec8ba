"""Training of the diffusion model: crops are buried under noise, and it learns which way out there is.

The loss is the squared error of the velocity, mostly counted where the picture may change; not weighted by the noise,
for min-SNR weights left colours and layout, which are decided in the noisiest steps, unlearned. What is shipped is the
exponential mean of the weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from amogus_search.converters.diffusion_model import STEPS, PixelDiffusion, noise_schedule, to_safetensors
from amogus_search.core.ids import fingerprint
from amogus_search.errors import AmogusError
from amogus_search.exports.folders import write_whole
from amogus_search.training.diffusion_batches import Batch, attributes_of, batches
from amogus_search.training.diffusion_crops import DiffusionCrops, draw_diffusion_crops
from amogus_search.training.embedder_captions import CREWMATE
from amogus_search.training.run_folder import append_row, claim

Progress: TypeAlias = Callable[[str, int, int], None]
WEIGHTS_FILE = "diffusion.safetensors"
_LOG_FIELDS = ("epoch", "seconds", "loss", "held_out_loss")
_KNOWN_WEIGHT = 0.1
"""Weight of pixels that the model is given anyway, where those it has to make up have 1."""
_MOST_HELD_OUT = 512


@dataclass(frozen=True)
class DiffusionTraining:
    """One run.

    out:     its folder
    photos:  grounds; those held out are left alone
    crops:   how many are drawn; one in eight of them, but at most 512, is not trained on
    epochs:  passes over them
    batch:   crops a step
    rate:    peak learning rate
    average: decay of the mean of the weights, a step
    seed:    of the run
    threads: of the training; crops are drawn by as many processes
    """

    out: Path
    photos: Path | None = None
    crops: int = 32_000
    epochs: int = 6
    batch: int = 32
    rate: float = 8e-4
    average: float = 0.999
    seed: int = 0
    threads: int = 1

    def identity(self) -> str:
        """Digest of all that changes the result; threads and place do not."""
        return fingerprint({key: str(value) for key, value in asdict(self).items() if key not in ("out", "threads")})


def train_diffusion(config: DiffusionTraining, progress: Progress | None = None) -> Path:
    """Train, or go on after the last finished epoch; returns the weights file.

    Raises:
        AmogusError: the folder holds a run with other settings, or the loss is no number any more.
    """
    if held_out_of(config.crops) < 1 or config.crops - held_out_of(config.crops) < config.batch:
        raise AmogusError(f"{config.crops} crops are too few for batches of {config.batch}", "draw more")
    torch.set_num_threads(config.threads)
    claim(config.out, config.identity(), asdict(config))
    report = (lambda done, total: progress("crops", done, total)) if progress else None
    crops = draw_diffusion_crops(
        config.out / "crops", config.crops, config.photos, seed=config.seed, workers=config.threads, progress=report
    )
    run = _Run(config, crops)
    for epoch in range(run.epochs_done, config.epochs):
        run.epoch(epoch, progress)
        run.write()
    return config.out / WEIGHTS_FILE


def held_out_of(crops: int) -> int:
    """How many of the first crops are only there to measure the loss on."""
    return min(_MOST_HELD_OUT, crops // 8)


class _Run:
    """The state that goes from epoch to epoch."""

    def __init__(self, config: DiffusionTraining, crops: DiffusionCrops) -> None:
        torch.manual_seed(config.seed)
        self._config, self._crops = config, crops
        self._attributes = attributes_of(crops)
        if CREWMATE not in self._attributes:
            raise AmogusError("there is no crewmate among the crops", "draw them anew into another folder")
        self._model = PixelDiffusion(self._attributes).to(memory_format=torch.channels_last)
        self._mean = AveragedModel(self._model, avg_fn=_Mean(config.average))
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=0.0, weight_decay=0.01)
        self._schedule = noise_schedule()
        self.epochs_done = self._resume()

    def epoch(self, epoch: int, progress: Progress | None) -> None:
        """One pass; afterwards the checkpoint and the log hold it."""
        config, began = self._config, time.monotonic()
        rng = np.random.default_rng([config.seed, 1, epoch])
        chance = torch.Generator().manual_seed(config.seed * 1000 + epoch)
        rows = rng.permutation(np.arange(held_out_of(config.crops), len(self._crops.facts)))
        steps = len(rows) // config.batch
        total = 0.0
        self._model.train()
        for step, batch in enumerate(batches(self._crops, rows, self._attributes, size=config.batch, rng=rng)):
            self._set_rate((epoch + step / steps) / config.epochs)
            loss = self._loss(self._model, batch, chance)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
            self._optimizer.step()
            self._mean.update_parameters(self._model)
            total += loss.item()
            if progress and step % 20 == 0:
                progress("training", epoch * steps + step, config.epochs * steps)
        if not np.isfinite(total):
            raise AmogusError(f"training diverged in epoch {epoch + 1}", "lower the learning rate and start anew")
        held_out = self._held_out_loss()
        self._save(epoch + 1)
        append_row(
            config.out / "log.csv",
            _LOG_FIELDS,
            (epoch + 1, round(time.monotonic() - began, 1), round(total / steps, 5), round(held_out, 5)),
        )

    def write(self) -> None:
        """The mean of the weights, as the back end loads it: usable after every epoch, best after the last."""
        write_whole(self._config.out / WEIGHTS_FILE, to_safetensors(self._mean.module))

    def _loss(self, model: torch.nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
        size = len(batch.clean)
        noise = torch.randn(batch.clean.shape, generator=chance)
        step = torch.randint(0, STEPS, (size,), generator=chance)
        noisy = self._schedule.add_noise(batch.clean, noise, step)
        wanted = self._schedule.get_velocity(batch.clean, noise, step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            velocity = model(noisy, batch.conditions, step, batch.wishes)
        return ((velocity.float() - wanted) ** 2 * (_KNOWN_WEIGHT + batch.mask)).mean()

    def _held_out_loss(self) -> float:
        """Of the mean of the weights, on crops that were never trained on, with the same noise every time."""
        rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
        rows = np.arange(held_out_of(self._config.crops))
        self._mean.eval()
        given = batches(self._crops, rows, self._attributes, size=min(32, len(rows)), rng=rng)
        with torch.no_grad():
            losses = [float(self._loss(self._mean, batch, chance)) for batch in given]
        return float(np.mean(losses))

    def _set_rate(self, done: float) -> None:
        """Linear warm-up over the first 2 %, then a half cosine down to nothing."""
        factor = float(min(1.0, done / 0.02) * 0.5 * (1 + np.cos(np.pi * min(done, 1.0))))
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.rate * max(factor, 1e-3)

    def _save(self, epochs_done: int) -> None:
        state = {
            "model": self._model.state_dict(),
            "mean": self._mean.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "epochs_done": epochs_done,
        }
        temporary = self._config.out / "checkpoint.tmp"
        torch.save(state, temporary)
        temporary.replace(self._config.out / "checkpoint.pt")

    def _resume(self) -> int:
        path = self._config.out / "checkpoint.pt"
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        self._model.load_state_dict(state["model"])
        self._mean.load_state_dict(state["mean"])
        self._optimizer.load_state_dict(state["optimizer"])
        return int(state["epochs_done"])


@dataclass(frozen=True)
class _Mean:
    """An exponential mean that forgets its beginnings sooner: the first weights are not worth remembering."""

    decay: float

    def __call__(self, mean: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        return torch.lerp(new, mean, min(self.decay, (1 + int(count)) / (10 + int(count))))
