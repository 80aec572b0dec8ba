"""Scenes with a drawn motif, written as YOLO data sets; what is there already is not drawn again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from amogus_search.synth.cast import Cast
from amogus_search.synth.cutout import Cutout
from amogus_search.synth.dataset import load_photo, scene_rng
from amogus_search.synth.motif_cast import empty_cast, motif_cast
from amogus_search.synth.scenes import Scene, generate_scene
from amogus_search.synth.sprite import Rgb
from amogus_search.whole_files import in_place_of

HEIGHT_PX_RANGE = (12.0, 300.0)
"""Longer side of a planted motif in a scene of 320 pixels; taken in proportion in others, but never below 12."""
_TIERS, _TIER_SHARES = ("plain", "varied", "disguised"), (0.3, 0.6, 0.1)
_BLOCK = 16
"""Scenes that a process is given at once; the time is looked at in between."""


@dataclass(frozen=True, eq=False)
class MotifScenes:
    """What the scenes of one data set are made of; scene i depends on these and on i only.

    cutouts:      the drawings
    photos:       grounds and textures beside the drawn ones
    with_motif:   False: the same scenes with distractors in its place
    beside_amogi: crewmates are among the distractors
    """

    cutouts: tuple[Cutout, ...]
    seed: int
    side_px: int = 320
    photos: tuple[Path, ...] = ()
    with_motif: bool = True
    beside_amogi: bool = True


@dataclass(frozen=True, eq=False)
class _Job:
    scenes: MotifScenes
    out: Path
    split: str


def draw_scene(scenes: MotifScenes, index: int) -> Scene:
    """Scene `index`, with its true boxes."""
    rng = scene_rng(scenes.seed, index)
    tier = _TIERS[int(rng.choice(3, p=_TIER_SHARES))]
    low, high = HEIGHT_PX_RANGE
    heights = (low, max(2 * low, high * scenes.side_px / 320))
    size = (scenes.side_px, scenes.side_px)
    cast = _cast(scenes.cutouts, scenes.beside_amogi, scenes.with_motif)
    photos = _photos(scenes.photos)
    return generate_scene(rng, size, photos, tier, height_px_range=heights, cast=cast)


def write_scenes(
    scenes: MotifScenes,
    out: Path,
    split: str,
    most: int,
    *,
    least: int = 0,
    workers: int = 1,
    enough: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, most: None,
) -> int:
    """Write scenes 0, 1, ... below `images/<split>` and `labels/<split>`; says how many there are then.

    Args:
        scenes: what to draw.
        out: folder of the data set.
        split: "train" or "val".
        most: stop after so many.
        least: draw so many even if `enough` says that it is time to stop.
        workers: drawing processes.
        enough: asked between blocks.
        progress: called with (there are, most).
    """
    for kind in ("images", "labels"):
        (out / kind / split).mkdir(parents=True, exist_ok=True)
    _write_yaml(out, split)
    done = 0
    for block in _written(_Job(scenes, out, split), most, max(1, workers)):
        done += block
        progress(done, most)
        if done >= least and enough():
            break
    return done


def _written(job: _Job, most: int, workers: int) -> Iterator[int]:
    """How many more scenes there are, block by block."""
    size = _BLOCK * workers
    blocks = [range(start, min(start + size, most)) for start in range(0, most, size)]
    if workers == 1:
        for block in blocks:
            for index in block:
                _write(job, index)
            yield len(block)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(job,)) as pool:
        for block in blocks:
            list(pool.map(_write_begun, block, chunksize=4))
            yield len(block)


_begun: list[_Job] = []
"""What this drawing process works on: sent once, since drawings and lists of photos are large."""


def _begin(job: _Job) -> None:
    cv2.setNumThreads(1)
    _begun[:] = [job]


def _write_begun(index: int) -> None:
    _write(_begun[0], index)


def _write(job: _Job, index: int) -> None:
    """One picture and its label; the label comes last, and tells that both are whole."""
    picture = job.out / "images" / job.split / f"{index:06d}.jpg"
    label = job.out / "labels" / job.split / f"{index:06d}.txt"
    if label.exists() and picture.exists():
        return
    scene = draw_scene(job.scenes, index)
    lines = label_lines(scene) if job.scenes.with_motif else []
    packed = cv2.imencode(".jpg", scene.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    for path, content in ((picture, packed.tobytes()), (label, "".join(lines).encode("ascii"))):
        with in_place_of(path) as part:
            part.write_bytes(content)


def label_lines(scene: Scene) -> list[str]:
    """One line a motif: class, box centre and size as shares of the picture."""
    height, width = scene.image.shape[:2]
    boxes = scene.boxes_xyxy / np.array([width, height, width, height], np.float32)
    rows = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    return ["0 " + " ".join(f"{value:.6f}" for value in row) + "\n" for row in rows]


@lru_cache(maxsize=4)
def _cast(cutouts: tuple[Cutout, ...], beside_amogi: bool, with_motif: bool) -> Cast:
    cast = motif_cast(cutouts, beside_amogi=beside_amogi)
    return cast if with_motif else empty_cast(cast)


@lru_cache(maxsize=1)
def _photos(paths: tuple[Path, ...]) -> tuple[Rgb, ...]:
    return tuple(load_photo(path) for path in paths)


def _write_yaml(out: Path, split: str) -> None:
    """The data.yaml that ultralytics and `amogus eval` read."""
    text = f"path: {json.dumps(str(out.resolve()))}\ntrain: images/{split}\nval: images/{split}\nnames:\n  0: motif\n"
    (out / "data.yaml").write_text(text, encoding="utf-8")
