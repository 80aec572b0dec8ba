"""Teach the detector's network another motif, for as long as there is time. Stoppable, goes on where it was.

The run's folder holds `last.pt` (everything needed to go on) and `log.csv` (a line a round). The rate of learning
follows the clock, so that the time asked for is the time it takes, on any machine.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from amogus_search.core.motif import Motif
from amogus_search.core.types import Pixels
from amogus_search.training import onnx_export, pose_data, pose_model
from amogus_search.training.detector import AveragedModel, train_batch, validate
from amogus_search.training.detector_log import write_whole
from amogus_search.training.pose_data import PoseDataset, Sample, SampleMaker
from amogus_search.whole_files import in_place_of

ARCHITECTURE = "yolov8n-pose"
"""Of the shipped detector; without keypoints it is the detection network with the same tensors."""


@dataclass(frozen=True)
class MotifTraining:
    """How a network is taught a motif.

    scenes:         data sets to learn from (`images/train`)
    watch:          data set to look at after every round (`images/val`)
    start:          tensors to begin with
    seconds:        for how long; the rate of learning falls to 2 % by then
    negative_share: share of samples that are bare crops of photos, if there are photos
    average_decay:  of the moving average of the weights, which is what is kept
    watched:        so many pictures are looked at after a round
    """

    scenes: Path
    watch: Path
    start: Path
    seconds: float
    seed: int = 0
    side_px: int = 320
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    warmup_steps: int = 50
    negative_share: float = 0.2
    average_decay: float = 0.998
    round_seconds: float = 120.0
    watched: int = 64


@dataclass(frozen=True)
class Round:
    """One line of `log.csv`: after how many seconds and steps, mean losses since the last one, AP50 by confidence."""

    seconds: float
    steps: int
    box_loss: float
    class_loss: float
    dfl_loss: float
    ap50: float


class MotifRun:
    """The state of a run, on disk after every round."""

    def __init__(self, out: Path, settings: MotifTraining) -> None:
        self.out = out
        torch.manual_seed(settings.seed)
        self.model: Any = pose_model.build(ARCHITECTURE, 0).to(memory_format=torch.channels_last)
        pose_model.load_matching(self.model, settings.start)
        self.average = AveragedModel(self.model, settings.average_decay)
        self.optimizer: Any = torch.optim.AdamW(_groups(self.model, settings.weight_decay), lr=settings.learning_rate)
        self.seconds, self.steps, self.epoch, self.batches = 0.0, 0, 0, 0

    def save(self) -> None:
        """Everything needed to go on, in one file that is never half written."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state,
            "updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            **{name: getattr(self, name) for name in ("seconds", "steps", "epoch", "batches")},
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
        for name in ("seconds", "steps", "epoch", "batches"):
            setattr(self, name, state[name])
        return True

    def averaged(self) -> Any:
        """A copy of the network with the averaged weights, ready to answer."""
        model: Any = pose_model.build(ARCHITECTURE, 0)
        model.load_state_dict(self.average.state)
        return model.eval().to(memory_format=torch.channels_last)

    def export(self, tensors: Path, model: Path, name: str) -> None:
        """Write the averaged weights as safetensors and as ONNX."""
        about = {"architecture": ARCHITECTURE.removesuffix("-pose"), "motif": name}
        pose_model.save_tensors(self.average.state, tensors, about)
        onnx_export.export_pose(self.averaged(), model, about)


def _groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def rate_at(step: int, share: float, settings: MotifTraining) -> float:
    """Linear warm-up by steps, then half a cosine by the share of the time that is over, down to 2 %."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    return settings.learning_rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, share))) / 2)


def learn(
    run: MotifRun,
    settings: MotifTraining,
    photos: Sequence[Pixels] = (),
    *,
    tick: Callable[[float, float], None] = lambda seconds, of: None,
) -> Iterator[Round]:
    """Train until the time is over, yielding after every round; the run is on disk by then.

    Args:
        run: new or resumed.
        settings: how.
        photos: pictures without the motif, to learn to be quiet on.
        tick: called after every batch with (seconds so far, seconds in all).
    """
    dataset = PoseDataset.open([settings.scenes], "train", 0)
    watched = PoseDataset.open([settings.watch], "val", 0)
    watched = PoseDataset(watched.pictures[: settings.watched], 0)
    maker = SampleMaker(dataset, photos, settings.side_px, (), settings.negative_share)
    samples = _endless(run, maker, settings)
    while run.seconds < settings.seconds:
        one = _round(run, settings, samples, watched, tick)
        _log(run.out / "log.csv", one)
        run.save()
        yield one


def _endless(run: MotifRun, maker: SampleMaker, settings: MotifTraining) -> Iterator[list[Sample]]:
    """Batch after batch, epoch after epoch, from where the run is."""
    size = min(settings.batch, len(maker.dataset))
    while True:
        for samples in pose_data.batches(maker, run.epoch, size, settings.seed, run.batches):
            run.batches += 1
            yield samples
        run.epoch, run.batches = run.epoch + 1, 0


def _round(
    run: MotifRun,
    settings: MotifTraining,
    samples: Iterator[list[Sample]],
    watched: PoseDataset,
    tick: Callable[[float, float], None],
) -> Round:
    run.model.train()
    began, before, first = time.monotonic(), run.seconds, run.steps
    total: dict[str, float] = {}
    until = min(settings.seconds, run.seconds + settings.round_seconds)
    while run.seconds < until or run.steps == first:
        for group in run.optimizer.param_groups:
            group["lr"] = rate_at(run.steps, run.seconds / settings.seconds, settings)
        for name, value in train_batch(run, next(samples)).items():
            total[name] = total.get(name, 0.0) + value
        run.steps += 1
        run.seconds = before + time.monotonic() - began
        tick(run.seconds, settings.seconds)
    ap50, _, _ = validate(run.averaged(), watched, Motif("motif"))
    run.seconds = before + time.monotonic() - began
    box, kind, dfl = (total[name] / (run.steps - first) for name in ("box_loss", "class_loss", "dfl_loss"))
    return Round(run.seconds, run.steps, box, kind, dfl, ap50)


def read_log(path: Path) -> list[Round]:
    """The rounds of a run; none if there is no file yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [Round(**(row | {"steps": int(row["steps"])})) for row in rows]  # type: ignore[arg-type]


def _log(path: Path, one: Round) -> None:
    """Add a line; those of a later time were written by a run that was killed before its state was safe."""
    rounds = [*(r for r in read_log(path) if r.steps < one.steps), one]
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Round)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: round(value, 5) for name, value in asdict(r).items()} for r in rounds)
    write_whole(path, text.getvalue())
