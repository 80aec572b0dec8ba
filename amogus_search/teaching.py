"""Teach a motif from drawings: cut them out, plant them in scenes, train, calibrate, write a motif folder.

The time asked for is shared out: some for drawing scenes, most for training, the rest for measuring. Everything
that is done stays in `run/` below the motif's folder, so that the same command goes on after a kill.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search import __version__, motif_folders, weights
from amogus_search.core.motif import Motif
from amogus_search.detectors.openvino import OpenVinoDetector
from amogus_search.errors import AmogusError, UsageError
from amogus_search.evaluation.motif import MotifSets, measure
from amogus_search.pipeline.progress import Progress, Silent
from amogus_search.sources.workers import DecodePool
from amogus_search.synth.drawings import Drawings, cutout_sheet, read_drawings, reserve
from amogus_search.training import motif_data
from amogus_search.training.motif_data import Drawn, Photos, ScenePlan
from amogus_search.whole_files import in_place_of

DRAWING_SHARE = 0.2
"""Of the time: with two cores, about as many scenes as training looks at three times in the rest."""
MEASURING_SHARE = 0.07
_LEAST_TRAINING_SHARE = 0.25
_SILENT = Silent()


@dataclass(frozen=True)
class Lesson:
    """What to teach.

    name:         of the motif
    drawings:     folder with about ten pictures of it
    out:          the motif's folder; `$AMOGUS_MOTIFS/NAME` or `motifs/NAME` are where names are looked up
    minutes:      for all of it
    photos:       folder of photos without the motif: grounds, and pictures to be quiet on
    start:        tensors to begin with; None: those of the shipped detector
    side_px:      side of the scenes
    is_crewmate:  the motif is a crewmate, so other crewmates are not what it is to be told from
    workers:      drawing processes; 0: one a core
    command:      how it was asked for, to be written down
    """

    name: str
    drawings: Path
    out: Path
    minutes: float = 30.0
    photos: Path | None = None
    start: Path | None = None
    seed: int = 0
    side_px: int = 320
    is_crewmate: bool = False
    workers: int = 0
    command: str = ""


@dataclass(frozen=True)
class Taught:
    """A finished motif folder and its figures; `new` is False if it was finished before."""

    folder: Path
    metrics: Mapping[str, Any]
    new: bool


def teach(lesson: Lesson, progress: Progress = _SILENT) -> Taught:
    """Do all of it, or what of it is not done yet.

    Raises:
        UsageError: a name that cannot be used, too few drawings, no time.
        AmogusError: a drawing cannot be cut out, or the folder was begun with other drawings or settings.
        MissingExtraError: torch or ultralytics is not installed.
    """
    motif_folders.checked_name(lesson.name)
    if lesson.minutes <= 0:
        raise UsageError(f"{lesson.minutes} minutes are no time", "give --minutes a number above 0")
    drawings = read_drawings(lesson.drawings)
    run = lesson.out / "run"
    run.mkdir(parents=True, exist_ok=True)
    start = _start(lesson, run)
    _claim(run, lesson, drawings, start)
    finished = _finished(lesson)
    if finished is not None:
        return finished
    _write_sheet(lesson.out / "drawings.png", drawings)

    def tick(stage: str, done: int, total: int | None) -> None:
        progress(stage, done, total)

    photos = motif_data.read_photos(lesson.photos, tick)
    for line in photos.unread:
        progress("reading photos", 0, None, message=f"left out: {line}")
    drawn = motif_data.draw_sets(_plan(lesson), drawings.cutouts, photos, tick)
    steps = _learn(lesson, start, drawn, photos, progress)
    counts = {"steps": steps, "scenes": drawn.scenes}
    sets = MotifSets(drawn.seen, drawn.unseen, drawn.without, photos.held_out)
    return _finish(lesson, drawings, sets, counts, progress)


def _start(lesson: Lesson, run: Path) -> Path:
    """The tensors to begin with, kept in the run's folder, so that going on begins with the same."""
    if lesson.start is None:
        content, suffix = weights.read(weights.entry("detector", "amogus").files["tensors"]), ".safetensors"
    else:
        try:
            content, suffix = lesson.start.read_bytes(), lesson.start.suffix
        except OSError as error:
            raise UsageError(f"{lesson.start} cannot be read: {error.strerror}", "name a .safetensors file") from None
    path = run / f"start-{hashlib.sha256(content).hexdigest()[:12]}{suffix}"
    if not path.exists():
        _write_whole(path, content)
    return path


def _claim(run: Path, lesson: Lesson, drawings: Drawings, start: Path) -> None:
    """Write down what the run is, or refuse a folder that was begun as another one; only the time may change."""
    wanted = {
        "name": lesson.name,
        "drawings": drawings.digest,
        "count": len(drawings.cutouts),
        "photos": str(lesson.photos.resolve()) if lesson.photos else "",
        "start": start.name,
        "seed": lesson.seed,
        "side_px": lesson.side_px,
        "is_crewmate": lesson.is_crewmate,
    }
    path = run / "config.json"
    before = json.loads(path.read_text()) if path.exists() else wanted
    different = [key for key in wanted if before.get(key) != wanted[key]]
    if different:
        what = "other drawings" if "drawings" in different else f"another {', '.join(different)}"
        raise AmogusError(
            f"{lesson.out} was begun with {what}", "give another --out, or the same drawings and settings to go on"
        )
    _write_whole(path, json.dumps(wanted, indent=2).encode())


def _finished(lesson: Lesson) -> Taught | None:
    """The motif, if it is whole and was taught for as long as is asked now."""
    if not (lesson.out / motif_folders.MANIFEST).exists():
        return None
    try:
        about = motif_folders.read(lesson.out).about
    except AmogusError:
        return None  # what is damaged is made again from the run
    is_enough = float(about["made"]["minutes"]) >= lesson.minutes
    return Taught(lesson.out, about["metrics"], new=False) if is_enough else None


def _plan(lesson: Lesson) -> ScenePlan:
    return ScenePlan(
        folder=lesson.out / "run" / "scenes",
        seed=lesson.seed,
        side_px=lesson.side_px,
        beside_amogi=not lesson.is_crewmate,
        workers=lesson.workers or os.cpu_count() or 1,
        seconds=DRAWING_SHARE * 60 * lesson.minutes,
        measuring=motif_data.measuring_scenes(lesson.minutes),
    )


def _learn(lesson: Lesson, start: Path, drawn: Drawn, photos: Photos, progress: Progress) -> int:
    """Train; the number of steps. The averaged weights lie in the run's folder then."""
    from amogus_search.training.motif import MotifRun, MotifTraining, learn

    run_folder, total = lesson.out / "run", 60 * lesson.minutes
    seconds = max(_LEAST_TRAINING_SHARE * total, total * (1 - MEASURING_SHARE) - drawn.seconds)
    settings = MotifTraining(
        scenes=drawn.learn,
        watch=drawn.seen,
        start=start,
        seconds=seconds,
        seed=lesson.seed,
        side_px=lesson.side_px,
        round_seconds=float(np.clip(seconds / 12, 5, 120)),
    )
    run = MotifRun(run_folder, settings)
    run.resume()
    pictures = [picture for _, picture in photos.learned]
    for one in learn(run, settings, pictures, tick=lambda done, of: progress("training", int(done), int(of))):
        words = f"{one.seconds:.0f} s, {one.steps} steps: AP50 {one.ap50:.3f} on scenes with seen drawings"
        progress("training", int(one.seconds), int(seconds), message=words)
    run.export(run_folder / motif_folders.TENSORS, run_folder / motif_folders.MODEL, lesson.name)
    return run.steps


def _finish(
    lesson: Lesson, drawings: Drawings, sets: MotifSets, counts: Mapping[str, int], progress: Progress
) -> Taught:
    """Measure, calibrate, and put the motif's files in place, the manifest last."""
    run, out = lesson.out / "run", lesson.out
    model = (run / motif_folders.MODEL).read_bytes()
    detector = OpenVinoDetector(f"{motif_folders.PREFIX}{lesson.name}", model, Motif(lesson.name))
    with DecodePool() as pool:
        made_for = {"name": lesson.name, "drawings": drawings.digest}
        calibration, metrics = measure(
            detector, sets, pool, made_for, lambda done, total: progress("measuring", done, total)
        )
    # From here on the folder is no motif until its manifest is written.
    (out / motif_folders.MANIFEST).unlink(missing_ok=True)
    for name in (motif_folders.MODEL, motif_folders.TENSORS):
        os.replace(run / name, out / name)
    _write_whole(out / motif_folders.CALIBRATION, (json.dumps(calibration.to_dict(), indent=1) + "\n").encode())
    made = {
        "amogus_search": __version__,
        "command": lesson.command,
        "seed": lesson.seed,
        "minutes": float(lesson.minutes),
        **counts,
        "side_px": lesson.side_px,
        "drawings": len(drawings.cutouts),
        "drawings_kept_aside": len(reserve(drawings.cutouts, lesson.seed)[1]),
        "drawings_sha256": drawings.digest,
        "start": next(run.glob("start-*")).name,
        "calibration": calibration.id,
    }
    motif_folders.write(out, lesson.name, made, metrics)
    shutil.rmtree(run / "scenes" / "learn", ignore_errors=True)  # can be drawn again, and takes the most room
    return Taught(out, {k: v for k, v in metrics.items() if v is not None}, new=True)


def _write_sheet(path: Path, drawings: Drawings) -> None:
    from PIL import Image

    with in_place_of(path) as part:
        Image.fromarray(cutout_sheet(drawings.cutouts)).save(part, format="PNG")


def _write_whole(path: Path, content: bytes) -> None:
    with in_place_of(path) as part:
        part.write_bytes(content)
