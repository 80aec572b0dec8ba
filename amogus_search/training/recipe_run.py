"""Run a recipe: each step in a folder of its own, with a note of what made it once it is done.

Stop a run at any moment and start it again: finished steps are kept, a training run goes on after its last epoch,
and any other step is begun anew. A step that was made with other settings is refused, never mixed in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from amogus_search import registry, weights
from amogus_search.core.motif import Motif
from amogus_search.errors import AmogusError
from amogus_search.sources.workers import DecodePool
from amogus_search.synth.dataset import write_pose_dataset
from amogus_search.training import mining, negatives, pose_model
from amogus_search.training.detector import export_best, export_tensors, train_detector
from amogus_search.training.detector_log import EpochResult, read_log, write_whole
from amogus_search.training.detector_settings import DetectorTraining
from amogus_search.training.recipe import EMBEDDED, KINDS, Blend, Mine, Recipe, Scenes, Step, Train
from amogus_search.whole_files import in_place_of

NOTE = "step.json"
"""In a step's folder, written last: the settings that made it, and the sha256 of its weights or list."""

TENSORS, MODEL, LIST = "best.safetensors", "best.onnx", "false_findings.jsonl"

Tick = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Event:
    """What happened in a run.

    step:  its name; empty for a single training run
    what:  "kept" (done in an earlier run), "epoch", "done", or "paused" (its minutes are over)
    epoch: of a training run
    made:  the folder or file that the step made
    """

    step: str
    what: Literal["kept", "epoch", "done", "paused"]
    epoch: EpochResult | None = None
    made: Path | None = None


def run_recipe(
    out: Path, recipe: Recipe, motif: Motif, *, tick: Tick = lambda what, done, total: None, workers: int = 1
) -> Iterator[Event]:
    """Do what is not done yet, step by step; at the end `best.safetensors` and `best.onnx` lie in `out`.

    Args:
        out: the run's folder; the same one goes on.
        motif: what the renderer draws and the detector finds.
        tick: called as work proceeds with (what is going on, done, total).
        workers: processes that draw.

    Raises:
        AmogusError: a step cannot be done, or was done with other settings.
    """
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(out, {step.name: step for step in recipe.steps if step.name}, motif, tick, workers)
    write_whole(out / "recipe.json", json.dumps(recipe.to_dict(), indent=1) + "\n")
    for step in recipe.steps:
        for event in run.do(step):
            yield event
            if event.what == "paused":
                return
    last = [step.name for step in recipe.steps if isinstance(step, (Train, Blend))][-1:]
    for name in filter(None, last):
        _copy_whole(out / name / TENSORS, out / TENSORS)
        _copy_whole(out / name / MODEL, out / MODEL)


def blend_files(first: Path, second: Path, share: float, out: Path, motif: Motif) -> Path:
    """Write the weighted mean of two runs' tensors to `out`, and its ONNX form beside it, whose path is returned."""
    architecture = pose_model.architecture_of(first)
    pose_model.save_tensors(pose_model.blend(first, second, share), out, {"architecture": architecture})
    return export_tensors(out, architecture, motif)


@dataclass(frozen=True)
class _Run:
    out: Path
    steps: Mapping[str, Step]
    motif: Motif
    tick: Tick
    workers: int

    def do(self, step: Step) -> Iterator[Event]:
        """Do one step, unless its note says that it is done."""
        folder = self.out / step.name
        settings = _settings(step)
        if (folder / NOTE).exists():
            _check_note(folder, settings)
            yield Event(step.name, "kept", made=folder)
            return
        folder.mkdir(exist_ok=True)
        made = folder
        if isinstance(step, Train):
            for event in self._train(step, folder):
                yield event
                if event.what == "paused":
                    return
            made = folder / MODEL
        elif isinstance(step, Scenes):
            self._render(step, folder)
        elif isinstance(step, Mine):
            made = self._mine(step, folder)
        else:
            first, second = self._tensors(step.first), self._tensors(step.second)
            made = blend_files(first, second, step.share, folder / TENSORS, self.motif)
        sums = {p.name: _sha256(p) for p in (folder / TENSORS, folder / MODEL, folder / LIST) if p.exists()}
        write_whole(folder / NOTE, json.dumps({"settings": settings, "sha256": sums}, indent=1) + "\n")
        yield Event(step.name, "done", made=made)

    def _render(self, step: Scenes, folder: Path) -> None:
        photos = negatives.allowed_photos(step.photos)
        what = f"{step.name}: drawing"
        write_pose_dataset(
            folder,
            step.number,
            step.seed,
            photos,
            size_wh=(step.side_px, step.side_px),
            tier=step.tier,
            workers=self.workers,
            progress=partial(self.tick, what),
        )

    def _train(self, step: Train, folder: Path) -> Iterator[Event]:
        given = step.training
        config = replace(
            given,
            data=tuple(str(self.out / one) if one in self.steps else one for one in given.data),
            start=str(self._tensors(given.start)) if given.start else "",
            hard=str(self.out / given.hard / LIST) if given.hard in self.steps else given.hard,
        )
        prefix = f"{step.name}: " if step.name else ""

        def tick(epoch: int, done: int, total: int) -> None:
            self.tick(f"{prefix}epoch {epoch + 1}", done, total)

        for result in train_detector(folder, config, self.motif, tick=tick):
            yield Event(step.name, "epoch", epoch=result)
        export_best(folder, config, self.motif)
        log = read_log(folder / "log.csv")
        if not log or log[-1].epoch < config.epochs:
            yield Event(step.name, "paused", made=folder / MODEL)

    def _mine(self, step: Mine, folder: Path) -> Path:
        name = str(self.out / step.detector / MODEL) if step.detector in self.steps else step.detector
        with DecodePool() as pool:
            mined, _ = negatives.mine_false_findings(
                Path(step.photos),
                registry.load_detector(name),
                pool,
                min_confidence=step.min_confidence,
                tick=partial(self.tick, f"{step.name}: mining"),
            )
        mining.write(mined, folder / LIST)
        return folder / LIST

    def _tensors(self, name: str) -> Path:
        """The tensors that a step made, those of the embedded detector, or a file."""
        if name in self.steps:
            return self.out / name / TENSORS
        if name != EMBEDDED:
            return Path(name)
        path = self.out / f"{EMBEDDED}.safetensors"
        with in_place_of(path) as part:
            part.write_bytes(weights.read(weights.entry("detector", EMBEDDED).files["tensors"]))
        return path


def _settings(step: Step) -> dict[str, object]:
    """What must be the same for a step to be the same; a time limit changes nothing in what is made."""
    one = replace(step, training=replace(step.training, minutes=0.0)) if isinstance(step, Train) else step
    return dict(json.loads(json.dumps({"do": type(step).__name__.lower(), **asdict(one)})))


def _check_note(folder: Path, settings: Mapping[str, object]) -> None:
    try:
        made = _with_defaults(json.loads((folder / NOTE).read_text())["settings"])
    except (ValueError, KeyError, TypeError):
        raise AmogusError(f"{folder / NOTE} cannot be read", "remove it, and the step is done again") from None
    if made != settings:
        raise AmogusError(
            f"{folder} was made with other settings", "give another OUT, or remove that folder and what came after it"
        )


def _with_defaults(made: dict[str, Any]) -> dict[str, Any]:
    """The settings of a note from before some of them existed: the step was made with what are defaults now."""
    defaults = {one.name: one.default for one in fields(KINDS[made["do"]]) if one.default is not MISSING}
    if "training" in made:
        made["training"] = json.loads(json.dumps(asdict(DetectorTraining(data=())))) | made["training"]
    return defaults | made


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _copy_whole(source: Path, target: Path) -> None:
    with in_place_of(target) as part:
        shutil.copyfile(source, part)
