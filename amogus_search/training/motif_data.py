"""What a motif is taught with and measured on: photos without it, and scenes drawn with its drawings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.types import Pixels
from amogus_search.errors import UsageError
from amogus_search.synth.cutout import Cutout
from amogus_search.synth.dataset import load_photo
from amogus_search.synth.drawings import reserve
from amogus_search.synth.motif_scenes import MotifScenes, write_scenes
from amogus_search.training.detector_log import write_whole
from amogus_search.training.negatives import PICTURES, may_train_on

_MOST_SCENES, _LEAST_SCENES = 24_000, 64
_MOST_PHOTOS = 200
"""More do not fit into the memory of several drawing processes, and teach little more."""
_PHOTO_SIDE_PX = 1000
_SETS = 4
"""Sets of scenes of one run; each has seeds of its own."""

Tick = Callable[[str, int, int | None], None]
"""(what is being done, how many are done, of how many if that is known)"""


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos without the motif.

    learned:  paths and pixels of those to learn from
    held_out: paths of those that are only measured on, see `core.splits`
    unread:   why some were left out, a line each
    """

    learned: tuple[tuple[Path, Pixels], ...] = ()
    held_out: tuple[Path, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScenePlan:
    """What to draw: see `teaching.Lesson` for what a person may choose.

    seconds:   for all of it, unless there would be too few scenes to learn from
    measuring: how many scenes of each kind to measure on
    """

    folder: Path
    seed: int
    side_px: int
    beside_amogi: bool
    workers: int
    seconds: float
    measuring: int


@dataclass(frozen=True)
class Drawn:
    """Folders of data sets, how many scenes there are to learn from, and the seconds it took to draw them first."""

    learn: Path
    seen: Path
    unseen: Path | None
    without: Path
    scenes: int
    seconds: float


def read_photos(folder: Path | None, tick: Tick) -> Photos:
    """At most some hundreds of the photos below a folder; those that cannot be read are left out.

    Raises:
        UsageError: there is no photo.
    """
    if folder is None:
        return Photos()
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in PICTURES and p.is_file()]
    if not paths:
        raise UsageError(f"there are no photos in {folder}", "name a folder with JPEG or PNG files, or leave it out")
    paths = paths[:: -(-len(paths) // (2 * _MOST_PHOTOS))]
    learned: list[tuple[Path, Pixels]] = []
    held_out, unread = [], []
    for number, path in enumerate(paths, start=1):
        tick("reading photos", number, len(paths))
        try:
            picture = load_photo(path, _PHOTO_SIDE_PX)
        except (OSError, ValueError, SyntaxError, ImportError) as error:
            unread.append(f"{path}: {error}")
            continue
        if may_train_on(path):
            learned.append((path, picture))
        else:
            held_out.append(path)
    return Photos(tuple(learned[:_MOST_PHOTOS]), tuple(held_out[:_MOST_PHOTOS]), tuple(unread))


def draw_sets(plan: ScenePlan, cutouts: tuple[Cutout, ...], photos: Photos, tick: Tick) -> Drawn:
    """Draw what is not drawn yet: scenes to measure on first, then scenes to learn from until the time is over.

    Drawings that are kept aside (see `synth.drawings.reserve`) and held-out photos occur in no scene to learn from.
    """
    began = time.monotonic()
    seen, unseen = reserve(cutouts, plan.seed)
    sets = [("seen", seen, True), ("without", seen, False), *([("unseen", unseen, True)] if unseen else [])]
    for number, (name, some, with_motif) in enumerate(sets, start=1):
        scenes = _scenes(plan, number, some, photos.held_out, with_motif)
        write_scenes(
            scenes, plan.folder / name, "val", plan.measuring, workers=plan.workers, progress=_named(tick, name)
        )
    learn = plan.folder / "learn"
    noted = plan.folder / "drawn.json"
    before: dict[str, Any] = json.loads(noted.read_text()) if noted.exists() else {}
    done_before = before.get("planned", -1.0) >= plan.seconds
    count = write_scenes(
        _scenes(plan, 0, seen, tuple(path for path, _ in photos.learned), True),
        learn,
        "train",
        before["scenes"] if done_before else _MOST_SCENES,
        least=_LEAST_SCENES,
        workers=plan.workers,
        enough=lambda: not done_before and time.monotonic() - began > plan.seconds,
        progress=lambda done, _: tick("drawing scenes to learn from", done, None),
    )
    if not done_before:
        before = {"planned": plan.seconds, "seconds": time.monotonic() - began, "scenes": count}
        write_whole(noted, json.dumps(before))
    folders = (plan.folder / "unseen" if unseen else None, plan.folder / "without")
    return Drawn(learn, plan.folder / "seen", *folders, scenes=count, seconds=before["seconds"])


def measuring_scenes(minutes: float) -> int:
    """How many scenes of each kind to measure on, so that it takes little of the time."""
    return int(np.clip(round(8 * minutes), 24, 240))


def _scenes(
    plan: ScenePlan, number: int, cutouts: tuple[Cutout, ...], grounds: tuple[Path, ...], with_motif: bool
) -> MotifScenes:
    seed = plan.seed * _SETS + number
    return MotifScenes(cutouts, seed, plan.side_px, grounds, with_motif, plan.beside_amogi)


def _named(tick: Tick, name: str) -> Callable[[int, int], None]:
    return lambda done, most: tick(f"drawing scenes to measure on ({name})", done, most)
