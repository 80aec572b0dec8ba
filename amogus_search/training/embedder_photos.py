"""Photo crops with names: what the embedder learns ordinary pictures from.

Two kinds of photo folders are understood: pictures named like ImageNet samples
(`n02085620_chihuahua.JPEG`), and pictures with YOLO label files of the 80 COCO classes in a sibling
folder `<name>_labels`. Other pictures are photos of nothing in particular.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from amogus_search.core.cropping import crop, cut
from amogus_search.core.splits import is_held_out
from amogus_search.core.types import Boxes, Pixels
from amogus_search.training.embedder_captions import Facts, thing_facts

_COCO_LIST = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush
"""
COCO_NAMES = tuple(" ".join(name.split()) for name in _COCO_LIST.split(","))
_COCO_KINDS = {
    "animal": range(14, 24),
    "vehicle": range(1, 9),
    "food": range(46, 56),
    "furniture": (13, 56, 57, 59, 60),
    "sports gear": range(29, 39),
    "electronics": range(62, 68),
    "kitchen appliance": range(68, 73),
}
# First and last WordNet number of a kind, as ImageNet file names carry them.
_WORDNET_KINDS = (
    (1440000, 1500000, "fish"),
    (1514000, 1623000, "bird"),
    (1795000, 2059000, "bird"),
    (1629000, 1645000, "amphibian"),
    (1664000, 1705000, "reptile"),
    (1726000, 1757000, "snake"),
    (2085000, 2114000, "dog"),
    (2123000, 2130000, "cat"),
    (2165000, 2285000, "insect"),
    (1440000, 2670000, "animal"),
    (7560000, 7950000, "food"),
)
_MAX_SIDE_PX = 900
_WINDOWS = 8
_WHOLE, _OBJECT = 0.2, 0.45


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo and what is known of it.

    pixels: (h, w, 3) uint8
    names: what the whole picture shows, most exact name first; empty if unknown
    boxes: (n, 4) xyxy pixels of named things
    box_names: their names
    """

    pixels: Pixels
    names: tuple[str, ...]
    boxes: Boxes
    box_names: tuple[tuple[str, ...], ...]


def load_photos(folder: Path, held_out: bool) -> list[Photo]:
    """Every photo below the folder on one side of the split, at most 900 px long, in sorted order."""
    return [_load(path) for path in _photo_files(folder, held_out)]


def native_windows(folder: Path, held_out: bool, rng: np.random.Generator) -> list[Photo]:
    """Windows of larger photos at their own pixels, eight each: the grain, sharpening and JPEG blocks of cameras.

    Small findings are cut from there, and in a photo of 900 px none of it is left.
    """
    windows = []
    for path in _photo_files(folder, held_out):
        with Image.open(path) as opened:
            if min(opened.size) < 2 * _MAX_SIDE_PX:
                continue
            image = ImageOps.exif_transpose(opened).convert("RGB")
        for _ in range(_WINDOWS):
            left, top = (int(rng.integers(side - _MAX_SIDE_PX + 1)) for side in image.size)
            window = np.asarray(image.crop((left, top, left + _MAX_SIDE_PX, top + _MAX_SIDE_PX)))
            windows.append(Photo(window, (), np.zeros((0, 4), np.float32), ()))
    return windows


def _photo_files(folder: Path, held_out: bool) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        known = path.suffix.lower() in (".jpg", ".jpeg", ".png")
        if known and is_held_out(hashlib.sha256(path.read_bytes()).hexdigest()) is held_out:
            yield path


def photo_crops(
    photos: Sequence[Photo], count: int, pad_ratio: float, rng: np.random.Generator
) -> Iterator[tuple[Pixels, Facts]]:
    """Square crops: whole pictures and named things with their names, and windows of any size with none."""
    for _ in range(count):
        photo = photos[int(rng.integers(len(photos)))]
        draw = rng.random()
        if draw < _WHOLE and photo.names:
            yield cut(photo.pixels, _window(photo, rng, 0.7)), thing_facts(photo.names, "photo")
        elif draw < _OBJECT and len(photo.boxes):
            row = int(rng.integers(len(photo.boxes)))
            box = _jittered(photo.boxes[row], rng)
            yield crop(photo.pixels, box, pad_ratio), thing_facts(photo.box_names[row], "photo")
        else:
            yield cut(photo.pixels, _window(photo, rng, 0.0)), thing_facts((), "photo")


def _window(photo: Photo, rng: np.random.Generator, least: float) -> tuple[int, int, int, int]:
    """A square window of at least this share of the shorter side; without one, of 10 px or more."""
    height, width = photo.pixels.shape[:2]
    short = min(height, width)
    low = max(10.0, least * short)
    side = int(np.exp(rng.uniform(np.log(low), np.log(max(short, low + 1)))))
    side = min(side, short)
    left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
    return left, top, left + side, top + side


def _jittered(box: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    size = np.tile(box[2:] - box[:2], 2)
    return np.asarray(box + size * rng.normal(0, 0.05, 4), np.float32)


def _load(path: Path) -> Photo:
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((_MAX_SIDE_PX, _MAX_SIDE_PX))
    boxes, box_names = _labels(path, image.size)
    return Photo(np.asarray(image), _names_in_file_name(path.stem), boxes, box_names)


def _labels(path: Path, size_wh: tuple[int, int]) -> tuple[Boxes, tuple[tuple[str, ...], ...]]:
    file = path.parent.with_name(f"{path.parent.name.rstrip('s')}_labels") / f"{path.stem}.txt"
    if not file.exists():
        return np.zeros((0, 4), np.float32), ()
    rows = np.array([line.split()[:5] for line in file.read_text().splitlines()], np.float64).reshape(-1, 5)
    centre, half = rows[:, 1:3] * size_wh, rows[:, 3:5] * size_wh / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    large = np.minimum(*(2 * half).T) >= 12
    return boxes[large], tuple(_coco_names(int(number)) for number in rows[large, 0])


def _coco_names(number: int) -> tuple[str, ...]:
    return (COCO_NAMES[number], *(kind for kind, members in _COCO_KINDS.items() if number in members))


def _names_in_file_name(stem: str) -> tuple[str, ...]:
    found = re.fullmatch(r"n(\d{8})_(.+)", stem)
    if not found:
        return ()
    name = re.sub(r"[\W_]+", " ", found[2]).strip().lower()
    kinds = (kind for low, high, kind in _WORDNET_KINDS if low <= int(found[1]) < high)
    return tuple(dict.fromkeys((name, name.split()[-1], *kinds)))
