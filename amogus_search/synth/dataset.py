"""Scenes written as a training set in the YOLO pose format."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from amogus_search.synth.captions import caption
from amogus_search.synth.crewmate import FLIP_IDX, KEYPOINT_NAMES
from amogus_search.synth.scenes import Scene, generate_scene
from amogus_search.synth.sprite import Rgb

Progress = Callable[[int, int], None]
Record = dict[str, Any]

# One scene in ten is for validation, by its number, so that a longer run keeps the split of a shorter one.
VALIDATION_EVERY = 10

# Larger photographs are reduced on loading: a scene shows a part of one at most, and memory is finite.
PHOTO_SIDE_PX = 800


@dataclass(frozen=True)
class DatasetSummary:
    """What was written: number of images, of amogi, of images without any, and the data.yaml."""

    images: int
    amogi: int
    empty: int
    data_yaml: Path


@dataclass(frozen=True)
class _Plan:
    """What a worker must know."""

    out: Path
    seed: int
    size_wh: tuple[int, int]
    tier: str
    suffix: str


def load_photo(path: Path, side_px: int = PHOTO_SIDE_PX) -> Rgb:
    """The photograph upright, (h, w, 3) uint8 RGB, its longer side at most `side_px`."""
    with Image.open(path) as opened:
        opened.draft("RGB", (side_px, side_px))
        picture = ImageOps.exif_transpose(opened).convert("RGB")
        picture.thumbnail((side_px, side_px), Image.Resampling.BOX)
        return np.asarray(picture, np.uint8).copy()


def write_pose_dataset(
    out: Path,
    n: int,
    seed: int,
    photos: Sequence[Path] = (),
    size_wh: tuple[int, int] = (320, 320),
    tier: str = "mixed",
    workers: int = 1,
    progress: Progress | None = None,
    suffix: str = ".jpg",
) -> DatasetSummary:
    """Write `n` scenes; scene i depends on (seed, i) only, so neither order nor workers change anything.

    Args:
        out: the folder; gets images/ and labels/ with train/ and val/, data.yaml and truth.jsonl.
        n: number of scenes.
        seed: of the whole set.
        photos: picture files to use as grounds and textures.
        size_wh: the scenes' size in pixels.
        tier: see `generate_scene`.
        workers: number of processes.
        progress: called with (done, n).
        suffix: ".jpg" or ".png".
    """
    for kind in ("images", "labels"):
        for part in ("train", "val"):
            (out / kind / part).mkdir(parents=True, exist_ok=True)
    plan = _Plan(out, seed, size_wh, tier, suffix)
    records = []
    for record in _records(plan, n, tuple(photos), workers):
        records.append(record)
        if progress:
            progress(len(records), n)
    with (out / "truth.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    data_yaml = _write_yaml(out)
    counts = [len(record["amogi"]) for record in records]
    return DatasetSummary(n, sum(counts), counts.count(0), data_yaml)


def scene_rng(seed: int, index: int) -> np.random.Generator:
    """The generator of scene `index` of the set `seed`."""
    return np.random.default_rng((seed, index))


@lru_cache(maxsize=1)
def _load_all(paths: tuple[Path, ...]) -> tuple[Rgb, ...]:
    """The photographs; cached because each worker process needs them for every chunk of scenes."""
    return tuple(load_photo(path) for path in paths)


def _records(plan: _Plan, n: int, photos: tuple[Path, ...], workers: int) -> Iterator[Record]:
    """Truth records in order of their numbers."""
    write = partial(_write_scene, plan, photos)
    if workers <= 1:
        yield from map(write, range(n))
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(write, range(n), chunksize=16)


def _write_scene(plan: _Plan, photos: tuple[Path, ...], index: int) -> Record:
    """Write one picture and its label file; its line of truth.jsonl."""
    rng = scene_rng(plan.seed, index)
    scene = generate_scene(rng, plan.size_wh, _load_all(photos), plan.tier)
    part = "val" if index % VALIDATION_EVERY == VALIDATION_EVERY - 1 else "train"
    name = f"{part}/{index:06d}"
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if plan.suffix == ".jpg" else []
    cv2.imwrite(str(plan.out / "images" / f"{name}{plan.suffix}"), scene.image[..., ::-1], options)
    lines = pose_label_lines(scene)
    (plan.out / "labels" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    amogi = [
        {"box": box.tolist(), "caption": caption(attributes, rng), **asdict(attributes)}
        for box, attributes in zip(scene.boxes_xyxy, scene.attributes, strict=True)
    ]
    return {"image": f"images/{name}{plan.suffix}", "amogi": amogi}


def pose_label_lines(scene: Scene) -> list[str]:
    """One line an amogus: class, box centre and size, then x y visibility of each keypoint, all normalised."""
    height, width = scene.image.shape[:2]
    boxes = scene.boxes_xyxy / np.array([width, height, width, height], np.float32)
    lines = []
    for box, points in zip(boxes, scene.keypoints, strict=True):
        centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        numbers = [f"{value:.6f}" for value in (*centre, *size)]
        for x, y, visibility in points:
            numbers += [f"{x / width:.6f}", f"{y / height:.6f}", str(int(visibility))]
        lines.append(" ".join(["0", *numbers]))
    return lines


def _write_yaml(out: Path) -> Path:
    """The data.yaml that ultralytics reads."""
    path = out / "data.yaml"
    text = (
        f"path: {json.dumps(str(out.resolve()))}\ntrain: images/train\nval: images/val\n"
        f"kpt_shape: [{len(KEYPOINT_NAMES)}, 3]\nflip_idx: {list(FLIP_IDX)}\nnames:\n  0: amogus\n"
    )
    path.write_text(text, encoding="utf-8")
    return path
