"""Rendered and photographed crops with their facts, drawn once and kept on disk for all epochs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.cropping import Window, crop, cut
from amogus_search.core.types import Pixels
from amogus_search.embedders.openvino import CROP_PX, square_crop
from amogus_search.synth.backgrounds import photo_crop, random_ground
from amogus_search.synth.compose import Placed, bend, blend_into, cast_shadow, match_light, random_bend
from amogus_search.synth.crewmate import random_crewmate
from amogus_search.synth.distractors import render_distractor
from amogus_search.synth.scenes import generate_scene
from amogus_search.synth.sprite import Sprite
from amogus_search.synth.styles import STYLES, render_sprite
from amogus_search.training.embedder_captions import TRUE_COLOURS, Facts, crewmate_facts, thing_facts
from amogus_search.training.embedder_photos import Photo, photo_crops

_LEAST_CONTRAST = 9.0
# What people photograph and post most is drawn most: figures and toys, then the game's own look.
_FREQUENT = {
    "toy": 7.0,
    "clay": 3.0,
    "plush": 3.0,
    "knit": 2.0,
    "metallic": 1.5,
    "outlined": 2.0,
    "flat": 1.5,
    "cel": 1.5,
    "turned": 2.0,
    "glow": 1.5,
    "ice": 1.5,
}
_WEIGHTS = np.array([_FREQUENT.get(style, 1.0) for style in STYLES])


@dataclass(frozen=True, eq=False)
class CropSet:
    """Crops as the pipeline would cut them.

    pixels: (n, CROP_PX, CROP_PX, 3) uint8 RGB, possibly a memory map
    facts: what is true of each
    """

    pixels: NDArray[np.uint8]
    facts: tuple[Facts, ...]

    def __post_init__(self) -> None:
        if self.pixels.shape != (len(self.facts), CROP_PX, CROP_PX, 3):
            raise ValueError(f"{self.pixels.shape} pixels for {len(self.facts)} crops")

    def __len__(self) -> int:
        return len(self.facts)


@dataclass(frozen=True)
class CropCounts:
    """How many crops of each kind; about half of the scenes' crops are crewmates."""

    crewmates: int
    scenes: int
    photos: int
    distractors: int
    grounds: int

    @classmethod
    def shared_out(cls, total: int) -> CropCounts:
        """So many crops in the usual proportions."""
        shares = {"crewmates": 0.31, "scenes": 0.2, "distractors": 0.14, "grounds": 0.015}
        counts = {name: round(total * share) for name, share in shares.items()}
        return cls(photos=total - sum(counts.values()), **counts)

    @property
    def total(self) -> int:
        """All of them."""
        return self.crewmates + self.scenes + self.photos + self.distractors + self.grounds


USUAL_COUNTS = CropCounts(11_000, 7_000, 12_000, 5_000, 600)


def draw_crops(
    counts: CropCounts,
    photos: Sequence[Photo],
    *,
    pad_ratio: float,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Pixels, Facts]]:
    """Crops of all kinds, one kind after the other; `progress` gets (done, total) now and then.

    Args:
        counts: how many of each kind.
        photos: grounds for half of the renders, and the photo crops; if empty, there are none of these.
        pad_ratio: context around a box, as the pipeline cuts it.
        rng: the source of randomness.
        progress: called after every 500 crops.
    """
    grounds = [photo.pixels for photo in photos]
    kinds: list[Iterator[tuple[Pixels, Facts]]] = [
        (crewmate_crop(grounds, pad_ratio, rng) for _ in range(counts.crewmates)),
        scene_crops(grounds, counts.scenes, pad_ratio, rng),
        (distractor_crop(grounds, pad_ratio, rng) for _ in range(counts.distractors)),
        (
            (worn(random_ground(rng, (160, 160)), rng), thing_facts(("pattern",), "drawing"))
            for _ in range(counts.grounds)
        ),
    ]
    if photos:
        named = photo_crops(photos, counts.photos, pad_ratio, rng)
        kinds.append((worn(pixels, rng) if rng.random() < 0.3 else pixels, facts) for pixels, facts in named)
    done = 0
    for kind in kinds:
        for pixels, facts in kind:
            yield square_crop(pixels), facts
            done += 1
            if progress and done % 500 == 0:
                progress(done, counts.total)


def store_crops(crops: Iterator[tuple[Pixels, Facts]], count: int, folder: Path) -> CropSet:
    """Write up to `count` crops into the folder and open them; the facts file is written last and marks it complete."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (count, CROP_PX, CROP_PX, 3)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
    facts: list[Facts] = []
    for row, (image, true) in zip(pixels, crops, strict=False):
        row[:] = image
        facts.append(true)
    pixels.flush()
    (folder / "facts.json").write_text(json.dumps([sorted(row) for row in facts]))
    return CropSet(pixels[: len(facts)], tuple(facts))


def open_crops(folder: Path) -> CropSet | None:
    """The crops of an earlier `store_crops`; None if there are none or it did not finish."""
    if not (folder / "facts.json").exists():
        return None
    facts = tuple(frozenset(row) for row in json.loads((folder / "facts.json").read_text()))
    return CropSet(np.load(folder / "pixels.npy", mmap_mode="r")[: len(facts)], facts)


def crewmate_crop(grounds: Sequence[Pixels], pad_ratio: float, rng: np.random.Generator) -> tuple[Pixels, Facts]:
    """One rendered crewmate on some ground, cut out around an imprecise box."""
    for _ in range(8):
        texture = grounds[int(rng.integers(len(grounds)))] if grounds else None
        style = str(rng.choice(STYLES, p=_WEIGHTS / _WEIGHTS.sum()))
        least = 9 if style in TRUE_COLOURS else 24  # lines, dots and textures of a few pixels are nothing
        height = float(np.exp(rng.uniform(np.log(least), np.log(190))))
        sprite = render_sprite(random_crewmate(rng), height, style, rng, texture=texture)
        pixels, contrast = planted(sprite, grounds, pad_ratio, rng)
        if contrast >= _LEAST_CONTRAST:  # else nobody could see it
            break
    return pixels, crewmate_facts(sprite.attributes)


def distractor_crop(grounds: Sequence[Pixels], pad_ratio: float, rng: np.random.Generator) -> tuple[Pixels, Facts]:
    """One rendered thing that is no crewmate, treated in the same way."""
    height = float(np.exp(rng.uniform(np.log(12), np.log(190))))
    texture = grounds[int(rng.integers(len(grounds)))] if grounds else None
    sprite = render_distractor(rng, height, texture=texture)
    pixels, contrast = planted(sprite, grounds, pad_ratio, rng)
    seen = (sprite.attributes.style,) if contrast >= _LEAST_CONTRAST else ()
    return pixels, thing_facts(seen, "drawing")


def scene_crops(
    grounds: Sequence[Pixels], count: int, pad_ratio: float, rng: np.random.Generator
) -> Iterator[tuple[Pixels, Facts]]:
    """Crops of whole rendered scenes: their crewmates, and for each one a window that touches none."""
    left = count
    while left > 0:
        size_wh = (int(rng.integers(160, 400)), int(rng.integers(160, 400)))
        scene = generate_scene(rng, size_wh, grounds, n_range=(0, 5), height_px_range=(9, 300))
        for box, attributes in list(zip(scene.boxes_xyxy, scene.attributes, strict=True))[: min(4, left)]:
            yield crop(scene.image, imprecise(box, rng), pad_ratio), crewmate_facts(attributes)
            left -= 1
        for window in _free_windows(scene.boxes_xyxy, size_wh, rng)[:left]:
            yield cut(scene.image, window), thing_facts((), "")
            left -= 1


def _free_windows(boxes: NDArray[np.float32], size_wh: tuple[int, int], rng: np.random.Generator) -> list[Window]:
    """Up to three square windows that no box touches."""
    found: list[Window] = []
    for _ in range(30):
        side = int(np.exp(rng.uniform(np.log(12), np.log(min(size_wh)))))
        x, y = (int(rng.integers(0, full - side + 1)) for full in size_wh)
        apart = (boxes[:, 0] >= x + side) | (boxes[:, 2] <= x) | (boxes[:, 1] >= y + side) | (boxes[:, 3] <= y)
        if apart.all():
            found.append((x, y, x + side, y + side))
        if len(found) == 3:
            break
    return found


def planted(
    sprite: Sprite, grounds: Sequence[Pixels], pad_ratio: float, rng: np.random.Generator
) -> tuple[Pixels, float]:
    """The sprite bent, lit and blended into a ground and cut out around an imprecise box; with its contrast."""
    placed, _ = bend(sprite, random_bend(rng, (sprite.shape.shape[1], sprite.shape.shape[0])))
    height, width = placed.shape.shape
    side = int(max(height, width) * 2) + 8
    image = _ground(grounds, side, rng)
    left, top = (side - width) // 2, (side - height) // 2
    placed = Placed(placed.rgba, placed.shape, left, top, placed.blend)
    if rng.random() < 0.5:
        placed = match_light(placed, image, float(rng.uniform(0.1, 0.7)))
    if rng.random() < 0.35:
        cast_shadow(image, placed, rng)
    contrast = blend_into(image, placed)
    if rng.random() < 0.12:
        _cover(image, (left, top, width, height), rng)
    x, y, w, h = cv2.boundingRect((placed.shape > 64).astype(np.uint8))
    box = np.array([left + x, top + y, left + x + w, top + y + h], np.float32)
    return crop(worn(image, rng), imprecise(box, rng), pad_ratio), contrast


def imprecise(box_xyxy: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The box moved and resized by a few percent, as a detector would have it."""
    size = np.tile(box_xyxy[2:] - box_xyxy[:2], 2)
    centre = (box_xyxy[:2] + box_xyxy[2:]) / 2 + size[:2] * rng.normal(0, 0.05, 2)
    half = size[:2] / 2 * np.exp(rng.normal(0.02, 0.09)) * np.exp(rng.normal(0, 0.03, 2))
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def worn(image: Pixels, rng: np.random.Generator) -> Pixels:
    """The image as it may come out of a camera or the internet: soft, noisy, compressed; often untouched."""
    worse = image
    if rng.random() < 0.25:
        worse = cv2.GaussianBlur(worse, (0, 0), float(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.25:
        noise = rng.normal(0, float(rng.uniform(2, 14)), worse.shape)
        worse = np.clip(worse + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", worse, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        worse = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.asarray(worse, np.uint8)


def _ground(grounds: Sequence[Pixels], side: int, rng: np.random.Generator) -> Pixels:
    if grounds and rng.random() < 0.6:
        return np.array(photo_crop(rng, grounds, (side, side)))
    return np.array(random_ground(rng, (side, side)))


def _cover(image: Pixels, box_xywh: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """Hide up to a third of a box behind a plain slab, in place."""
    x, y, width, height = box_xywh
    share = float(rng.uniform(0.08, 0.33))
    colour = rng.integers(0, 256, 3)
    if rng.random() < 0.5:
        image[y + int(height * (1 - share)) :] = colour
    elif rng.random() < 0.5:
        image[:, : x + int(width * share)] = colour
    else:
        image[:, x + int(width * (1 - share)) :] = colour
