"""DreamBooth by LoRA: a UNet pipeline learns what an amogus is, from the pictures of `amogus export dreambooth`.

The run's folder holds `pytorch_lora_weights.safetensors` (diffusers' format), `checkpoints/STEP.safetensors`,
`log.csv`, `training.json` (all that decides what comes out) and `last.pt` (to go on from; tensors and numbers only).
Chance depends on seed and step alone, so a run that was stopped ends like one that was not.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from amogus_search.converters.diffusers import libraries
from amogus_search.converters.diffusers_loading import Loaded, load
from amogus_search.converters.diffusers_options import Loading, model_name
from amogus_search.errors import AmogusError, UsageError
from amogus_search.exports.dreambooth_command import CLASS_PROMPT
from amogus_search.exports.folders import write_whole
from amogus_search.training.lora_data import Example, LoraData, read_data, read_square
from amogus_search.training.lora_model import WEIGHTS, Draw, Encoded, LoraModel, check_pipe
from amogus_search.whole_files import in_place_of

STATE, NOTE, LOG = "last.pt", "training.json", "log.csv"
_COLUMNS = ("step", "loss", "instance_loss", "class_loss")
_VERSION = 1
_GRID_PX = 64


class Report(Protocol):
    """Told how far a stage is."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """So many of so many are done."""
        ...


@dataclass(frozen=True)
class LoraTraining:
    """One run.

    data:          OUT of `amogus export dreambooth`
    model:         folder of a UNet pipeline, or its name on the hub
    out:           folder of the run; the same one goes on
    steps:         of the optimizer
    rank:          of the adapter
    learning_rate: constant
    batch:         instance pictures at once; as many class pictures come with them
    accumulate:    batches a step
    side_px:       of the pictures as trained on; None: what the model was trained on
    prior_weight:  how much class pictures count; 0: they are not used
    class_prompt:  what is said of them
    save_every:    steps between two checkpoints
    seed:          of adapter, noise and order
    device, dtype: as for the back end `diffusers`, without float16; the adapter is always float32
    checkpointing: compute activations twice, and keep fewer of them
    """

    data: Path
    model: str
    out: Path
    steps: int = 800
    rank: int = 16
    learning_rate: float = 1e-4
    batch: int = 1
    accumulate: int = 1
    side_px: int | None = None
    prior_weight: float = 1.0
    class_prompt: str = CLASS_PROMPT
    save_every: int = 100
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    checkpointing: bool = False

    def __post_init__(self) -> None:
        least_one = ("steps", "rank", "batch", "accumulate", "save_every")
        for name in least_one:
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)}", "choose 1 or more")
        if self.dtype not in ("auto", "float32", "bfloat16"):
            raise UsageError(f"training in {self.dtype}", "choose auto, float32 or bfloat16")
        if not 0 < self.learning_rate < 1 or self.prior_weight < 0:
            raise UsageError(
                f"a learning rate of {self.learning_rate:g} and a weight of {self.prior_weight:g} for class pictures",
                "a rate above 0 and below 1, a weight of 0 or more",
            )
        if self.side_px is not None and (self.side_px < _GRID_PX or self.side_px % 8):
            raise UsageError(f"pictures of {self.side_px} px", f"choose a multiple of 8, {_GRID_PX} or more")


@dataclass(frozen=True)
class LoraReport:
    """What a run gave.

    adapter:   the weights, in diffusers' format
    steps:     made so far, in all runs of this folder
    instances: pictures learnt from
    classes:   pictures not to be forgotten
    loss:      mean since the last checkpoint; None if nothing was left to do
    """

    adapter: Path
    steps: int
    instances: int
    classes: int
    loss: float | None


def train_lora(config: LoraTraining, report: Report = lambda stage, done, total: None) -> LoraReport:
    """The adapter, trained for as many steps as asked for.

    Args:
        config: see there.
        report: told what is done.

    Raises:
        UsageError: the data or the model cannot be used.
        MissingExtraError: diffusers, peft or torch is not installed.
        AmogusError: the folder holds a run with other settings, or the loss is no number any more.
    """
    data = read_data(config.data, config.class_prompt)
    if config.prior_weight == 0:
        data = LoraData(data.instances, (), data.digest)
    loaded = _loaded(config)
    check_pipe(loaded.pipe)
    side_px = config.side_px or _side_of(loaded.pipe)
    _claim(config, _about(config, data, loaded, side_px))
    run = _Run(config, data, loaded)
    if run.step < config.steps:
        run.prepare(side_px, report)
    loss = run.go(report)
    return LoraReport(config.out / WEIGHTS, run.step, len(data.instances), len(data.classes), loss)


def _loaded(config: LoraTraining) -> Loaded:
    name = model_name(config.model)
    on_gpu = config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())
    # Gradients of float16 vanish; bfloat16 has the range of float32.
    usual = "bfloat16" if on_gpu else "float32"
    dtype = usual if config.dtype == "auto" else config.dtype
    return load(libraries(offline=name.folder is not None), Loading(name, device=config.device, dtype=dtype))


def _side_of(pipe: Any) -> int:
    side = pipe.unet.config.sample_size
    return int(side if isinstance(side, int) else max(side)) * int(pipe.vae_scale_factor)


def _about(config: LoraTraining, data: LoraData, loaded: Loaded, side_px: int) -> dict[str, Any]:
    """All that decides the state after any step."""
    ours = {name: value for name, value in asdict(config).items() if name not in _FREE}
    return {"version": _VERSION, **ours, "side_px": side_px, "data": data.digest, "model": loaded.fingerprint}


_FREE = ("data", "model", "out", "steps", "save_every", "device", "dtype", "checkpointing")
"""What may differ between two runs of one folder, or stands in its note by content."""


def _claim(config: LoraTraining, about: dict[str, Any]) -> None:
    """The folder is new, empty, or that of the same run."""
    note = config.out / NOTE
    if note.exists():
        if json.loads(note.read_text()) != about:
            raise AmogusError(f"{config.out} holds a training run with other settings", "name another OUT")
        return
    if config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
        raise UsageError(f"{config.out} has something else in it", "name a new or empty folder")
    config.out.mkdir(parents=True, exist_ok=True)
    write_whole(note, (json.dumps(about, indent=1) + "\n").encode())


class _Run:
    """Adapter, optimizer and step, on disk at every checkpoint."""

    def __init__(self, config: LoraTraining, data: LoraData, loaded: Loaded) -> None:
        self.config, self.data, self.step = config, data, 0
        self.model = LoraModel(
            loaded.pipe,
            rank=config.rank,
            seed=config.seed,
            device=loaded.device,
            half=loaded.dtype == torch.bfloat16,
            checkpointing=config.checkpointing,
        )
        self.optimizer: Any = torch.optim.AdamW(self.model.parameters, lr=config.learning_rate, weight_decay=1e-2)
        self.instances: list[Encoded] = []
        self.classes: list[Encoded] = []
        self._resume()

    def _resume(self) -> None:
        path = self.config.out / STATE
        if path.exists():
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            self.model.load_state(state["adapter"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])

    def prepare(self, side_px: int, report: Report) -> None:
        """Encode every text and every picture once."""
        examples = (*self.data.instances, *self.data.classes)
        self.model.read_texts(example.text for example in examples)
        encoded: list[Encoded] = []
        for number, example in enumerate(examples):
            report("encoding pictures", number, len(examples))
            encoded.append(self._encoded(example, side_px))
        self.instances, self.classes = encoded[: len(self.data.instances)], encoded[len(self.data.instances) :]
        self.model.forget_encoders()

    def _encoded(self, example: Example, side_px: int) -> Encoded:
        square, side_before = read_square(example.path, side_px)
        return self.model.encode(square, example.text, side_before)

    def go(self, report: Report) -> float | None:
        """Train to the last step; the mean loss since the last checkpoint before it."""
        losses: list[tuple[float, float]] = []
        mean = None
        while self.step < self.config.steps:
            report("training", self.step, self.config.steps)
            losses.append(self._one_step())
            self.step += 1
            if self.step % self.config.save_every == 0 or self.step == self.config.steps:
                mean = self._checkpoint(losses)
                losses = []
        if self.step:
            report("training", self.step, self.config.steps)
        return mean

    def _one_step(self) -> tuple[float, float]:
        """Losses of instances and class pictures."""
        self.optimizer.zero_grad(set_to_none=True)
        total = [0.0, 0.0]
        for part in range(self.config.accumulate):
            chance = np.random.default_rng((self.config.seed, self.step, part))
            first = (self.step * self.config.accumulate + part) * self.config.batch
            for number, (pictures, weight) in enumerate(self._kinds()):
                some = _turn(pictures, first, self.config.batch, (self.config.seed, number))
                loss = self.model.losses(some, [self._draw(chance) for _ in some]).mean() / self.config.accumulate
                (weight * loss).backward()
                total[number] += float(loss.detach())
        if not math.isfinite(sum(total)):
            raise AmogusError(f"the loss is no number at step {self.step}", "try a lower --rate, or dtype float32")
        torch.nn.utils.clip_grad_norm_(self.model.parameters, 1.0)
        self.optimizer.step()
        return total[0], total[1]

    def _kinds(self) -> list[tuple[list[Encoded], float]]:
        kinds = [(self.instances, 1.0)]
        return [*kinds, (self.classes, self.config.prior_weight)] if self.classes else kinds

    def _draw(self, chance: np.random.Generator) -> Draw:
        seed, timestep = int(chance.integers(2**31)), int(chance.integers(self.model.timesteps))
        return Draw(seed, timestep, bool(chance.random() < 0.5))

    def _checkpoint(self, losses: Sequence[tuple[float, float]]) -> float:
        """What people take, then what is needed to go on; each file is whole or not there."""
        out = self.config.out
        self.model.save(out / "checkpoints", f"{self.step:06}.safetensors")
        self.model.save(out)
        instance, others = (float(np.mean(column)) for column in zip(*losses, strict=True))
        loss = instance + self.config.prior_weight * others
        _log(out / LOG, dict(zip(_COLUMNS, (self.step, loss, instance, others), strict=True)))
        adapter = self.model.state()
        with in_place_of(out / STATE) as part:
            torch.save({"adapter": adapter, "optimizer": self.optimizer.state_dict(), "step": self.step}, part)
        return loss


def _turn(pictures: Sequence[Encoded], first: int, count: int, seed: tuple[int, int]) -> list[Encoded]:
    """The next so many: all of them in a drawn order, then all again in another one."""
    return [pictures[row] for row in _rows(len(pictures), first, count, seed)]


def _rows(of: int, first: int, count: int, seed: tuple[int, int]) -> Iterator[int]:
    for number in range(first, first + count):
        turn, place = divmod(number, of)
        yield int(np.random.default_rng((*seed, turn)).permutation(of)[place])


def _log(path: Path, row: dict[str, float]) -> None:
    """Add a line; those of later steps were written by a run that was killed before its state was safe."""
    before: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as file:
            before = [one for one in csv.DictReader(file) if int(float(one["step"])) < row["step"]]
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*before, {name: round(value, 6) for name, value in row.items()}])
    write_whole(path, text.getvalue().encode())
