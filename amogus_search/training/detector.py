"""Train the detector: `amogus train detector`. Stoppable at any moment, goes on where it was.

The run lives in one folder: `config.json`, `log.csv` (a line an epoch) and `losses.svg`, `last.pt` (everything
needed to go on), `best.safetensors` (the averaged weights with the best validation score). bf16 arithmetic
where the CPU has it about halves the time.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from amogus_search.core.metrics import average_precision, false_findings, pool, recall_at
from amogus_search.core.motif import Motif
from amogus_search.core.types import Boxes
from amogus_search.errors import AmogusError
from amogus_search.training import negatives, onnx_export, pose_data, pose_model
from amogus_search.training.detector_log import EpochResult, by_column, draw_losses, write_log, write_whole
from amogus_search.training.detector_settings import DetectorTraining
from amogus_search.training.pose_data import PoseDataset, Sample, SampleMaker
from amogus_search.whole_files import in_place_of


class AveragedModel:
    """Exponential moving average of a model's weights, with a warm-up so that the start does not linger."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.decay = decay
        self.updates = 0

    def update(self, model: torch.nn.Module) -> None:
        """Move the average one step towards the model."""
        self.updates += 1
        keep = self.decay * (1 - math.exp(-self.updates / 300))
        for key, value in model.state_dict().items():  # detached by state_dict itself
            if value.is_floating_point():
                self.state[key].mul_(keep).add_(value, alpha=1 - keep)
            else:
                self.state[key].copy_(value)


def learning_rate_at(step: int, steps: int, config: DetectorTraining) -> float:
    """Linear warm-up, then half a cosine down to 2 % of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_batches))
    return config.learning_rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * step / max(1, steps))) / 2)


def _optimizer(model: torch.nn.Module, config: DetectorTraining) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


class Run:
    """The state of one training run, on disk after every epoch."""

    def __init__(self, out: Path, config: DetectorTraining, motif: Motif) -> None:
        self.out, self.config, self.motif = out, config, motif
        torch.manual_seed(config.seed)
        self.model = pose_model.build(config.architecture, len(motif.keypoint_names)).to(
            memory_format=torch.channels_last
        )
        if config.keypoint_sigma and motif.keypoint_names:
            pose_model.set_keypoint_sigma(self.model, config.keypoint_sigma)
        if config.start:
            pose_model.load_matching(self.model, Path(config.start))
        self.average = AveragedModel(self.model, config.average_decay)
        self.optimizer = _optimizer(self.model, config)
        self.epoch, self.best = 0, -1.0

    def save(self) -> None:
        """Everything needed to go on, in one file that is never half written."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state,
            "updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "best": self.best,
        }
        with in_place_of(self.out / "last.pt") as part:
            torch.save(state, part)

    def resume(self) -> bool:
        """Go on from `last.pt` if there is one."""
        if not (self.out / "last.pt").exists():
            return False
        state: dict[str, Any] = torch.load(self.out / "last.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.state, self.average.updates = state["average"], state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.best = state["epoch"], state["best"]
        return True

    def averaged(self) -> torch.nn.Module:
        """A copy of the network with the averaged weights, ready to answer."""
        model = pose_model.build(self.config.architecture, len(self.motif.keypoint_names))
        model.load_state_dict(self.average.state)
        return model.eval().to(memory_format=torch.channels_last)


def _train_epoch(run: Run, maker: SampleMaker, steps: int, tick: Callable[[int, int], None]) -> dict[str, float]:
    """Mean losses of one pass over the data, by their columns in the log."""
    run.model.train()
    total, done = by_column({}), 0
    per_epoch = len(maker.dataset) // run.config.batch
    for samples in pose_data.batches(maker, run.epoch, run.config.batch, run.config.seed):
        step = run.epoch * per_epoch + done
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate_at(step, steps, run.config)
        for name, value in train_batch(run, samples).items():
            total[name] += value
        done += 1
        tick(done, per_epoch)
    return {name: value / max(1, done) for name, value in total.items()}


class Learner(Protocol):
    """What a step of training changes."""

    model: Any
    average: AveragedModel
    optimizer: Any


def train_batch(run: Learner, samples: Sequence[Sample]) -> dict[str, float]:
    """One step down; the losses by their columns in the log, 0 for those that the network does not have."""
    batch = pose_model.collate(samples)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = run.model(batch["img"])
    loss, parts = run.model.loss(batch, pose_model.in_float32(answer))
    run.optimizer.zero_grad(set_to_none=True)
    loss.sum().backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 10.0)
    run.optimizer.step()
    run.average.update(run.model)
    return by_column(parts)


def _pixel_boxes(sample: Sample) -> Boxes:
    side = sample.pixels.shape[0]
    centre, size = sample.boxes[:, :2], sample.boxes[:, 2:]
    return np.asarray(np.concatenate([centre - size / 2, centre + size / 2], axis=1) * side, np.float32)


def validate(model: torch.nn.Module, dataset: PoseDataset, motif: Motif, batch: int = 16) -> tuple[float, float, float]:
    """AP50, recall and false findings a picture at confidence 0.5, on a dataset split."""
    outcome = []
    for start in range(0, len(dataset), batch):
        samples = [dataset.load(row) for row in range(start, min(start + batch, len(dataset)))]
        found = pose_model.predict(model, samples, motif.keypoint_names)
        outcome += [(f.xyxy, f.confidence, _pixel_boxes(s)) for f, s in zip(found, samples, strict=True)]
    matches = pool(outcome)
    return average_precision(matches), recall_at(matches, 0.5), false_findings(matches, 0.5) / len(dataset)


def train_detector(
    out: Path,
    config: DetectorTraining,
    motif: Motif,
    *,
    tick: Callable[[int, int, int], None] = lambda epoch, done, total: None,
) -> Iterator[EpochResult]:
    """Train, yielding a result an epoch; calling it again on the same folder goes on after the last one.

    Args:
        out: the run's folder.
        motif: names and mirror order of the keypoints in the dataset.
        tick: called after every batch with (epoch, batches done, batches in the epoch).

    Raises:
        AmogusError: no data, or the folder holds a run with another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    _check_config(out, config)
    run = Run(out, config, motif)
    run.resume()
    folders = [Path(folder) for folder in config.data]
    points = len(motif.keypoint_names)
    dataset, held_out = (PoseDataset.open(folders, split, points) for split in ("train", "val"))
    photos = negatives.training_photos(config.photos)
    hard = negatives.training_hard_negatives(config.hard)
    maker = SampleMaker(dataset, photos, config.side_px, motif.flip_idx, config.negative_share, hard)
    steps = config.epochs * (len(dataset) // config.batch)
    deadline = time.monotonic() + 60 * config.minutes if config.minutes else math.inf
    while run.epoch < config.epochs and time.monotonic() < deadline:
        yield _one_epoch(run, maker, held_out, steps, tick)


def _one_epoch(
    run: Run, maker: SampleMaker, held_out: PoseDataset, steps: int, tick: Callable[[int, int, int], None]
) -> EpochResult:
    began = time.monotonic()
    losses = _train_epoch(run, maker, steps, lambda done, total: tick(run.epoch, done, total))
    ap50, recall, false_share = validate(run.averaged(), held_out, run.motif)
    run.epoch += 1
    if ap50 > run.best:
        run.best = ap50
        pose_model.save_tensors(
            run.average.state, run.out / "best.safetensors", {"architecture": run.config.architecture}
        )
    seconds = time.monotonic() - began
    result = EpochResult(epoch=run.epoch, seconds=seconds, ap50=ap50, recall=recall, false_share=false_share, **losses)
    draw_losses(run.out / "losses.svg", write_log(run.out / "log.csv", result))
    run.save()
    return result


def _check_config(out: Path, config: DetectorTraining) -> None:
    """Write the configuration down, or refuse a folder that was begun with another one (time limit aside)."""
    text = json.dumps(asdict(replace(config, minutes=0.0)), indent=2)
    path = out / "config.json"
    # A run that was begun before a setting existed was begun with its default.
    defaults = json.loads(json.dumps(asdict(DetectorTraining(data=()))))
    if path.exists() and defaults | json.loads(path.read_text()) != json.loads(text):
        raise AmogusError(
            f"{out} holds a training run with other settings", "give another folder, or the same settings"
        )
    write_whole(path, text)


def export_best(out: Path, config: DetectorTraining, motif: Motif) -> Path:
    """Write the best weights of a run as `best.onnx`, which `--detector` takes as it is.

    Raises:
        AmogusError: no epoch of the run is finished.
    """
    tensors = out / "best.safetensors"
    if not tensors.exists():
        raise AmogusError(f"{out} holds no finished epoch", "run the same command again, it goes on")
    return export_tensors(tensors, config.architecture, motif)


def export_tensors(tensors: Path, architecture: str, motif: Motif) -> Path:
    """Write a network's tensors as an ONNX file of the same name, beside them."""
    model = pose_model.build(architecture, len(motif.keypoint_names))
    pose_model.load_matching(model, tensors)
    out = tensors.with_suffix(".onnx")
    onnx_export.export_pose(model, out, {"architecture": architecture, "motif": motif.name})
    return out
