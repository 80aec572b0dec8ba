"""Crops for the diffusion model: rendered crewmates in photos, with the figure that conversion would fit to each.

Every crop has a seed of its own, so a set is the same however many processes draw it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.diffusion_conditions import SIDE_PX
from amogus_search.core.cropping import crop_window, cut
from amogus_search.core.figure import Pose
from amogus_search.core.types import Pixels
from amogus_search.synth.backgrounds import photo_crop, random_ground
from amogus_search.synth.compose import Placed, bend, blend_into, cast_shadow, match_light, random_bend
from amogus_search.synth.crewmate import KEYPOINT_NAMES, VISIBLE, random_crewmate
from amogus_search.synth.fitting import fit_crewmate
from amogus_search.synth.styles import STYLES, render_sprite
from amogus_search.training.embedder_captions import Facts, crewmate_facts, thing_facts
from amogus_search.training.embedder_crops import worn
from amogus_search.training.embedder_photos import load_photos, native_windows

LAYERS = 6
"""Of a stored crop: red, green, blue, the fitted silhouette, the fitted visor, what the crewmate really covers."""
_PHOTO_SHARE = 0.1
_LEAST_CONTRAST = 1.4
# What a conversion should look like is drawn most; what hides in its ground is no use to anybody who wants to see it.
_FREQUENT = {
    **{"toy": 8.0, "clay": 5.0, "cel": 3.0, "flat": 2.0, "outlined": 3.0, "metallic": 2.5, "plush": 3.0, "knit": 2.0},
    **{"wood": 1.5, "gradient": 2.0, "neon": 1.5, "pencil": 2.0, "pixel": 1.5, "sticker": 1.5, "painting": 1.5},
    **{"ice": 1.0, "scribble": 1.0, "chalk": 1.0, "embroidery": 1.0, "lineart": 1.0, "print": 1.0},
}
_RARE = 0.25
_WEIGHTS = np.array([_FREQUENT.get(style, _RARE) for style in STYLES])

_photos: list[Pixels] = []
"""A drawing process's grounds, loaded once."""


@dataclass(frozen=True, eq=False)
class DiffusionCrops:
    """Crops as a back end gets them.

    layers: (n, SIDE_PX, SIDE_PX, LAYERS) uint8, possibly a memory map
    facts: what is true of each
    """

    layers: NDArray[np.uint8]
    facts: tuple[Facts, ...]


def draw_diffusion_crops(
    folder: Path,
    count: int,
    photos: Path | None,
    *,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> DiffusionCrops:
    """The set in that folder; drawn if it is not there yet.

    Args:
        folder: gets layers.npy, and at last facts.json, which marks it complete.
        count: how many.
        photos: folder of photos, of which those held out are left alone; None: drawn grounds only.
        seed: with the number of a crop, all that decides what it is.
        workers: processes that draw.
        progress: called with (done, count).
    """
    shape = (count, SIDE_PX, SIDE_PX, LAYERS)
    if not (folder / "facts.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        layers = np.lib.format.open_memmap(folder / "layers.npy", mode="w+", dtype=np.uint8, shape=shape)
        facts: list[Facts] = []
        with get_context("spawn").Pool(workers, _load_photos, (photos,)) as pool:
            drawn = pool.imap(_draw, ((seed, number) for number in range(count)), chunksize=32)
            for row, (pixels, true) in zip(layers, drawn, strict=True):
                row[:] = pixels
                facts.append(true)
                if progress and len(facts) % 200 == 0:
                    progress(len(facts), count)
        layers.flush()
        (folder / "facts.json").write_text(json.dumps([sorted(row) for row in facts]))
    rows = json.loads((folder / "facts.json").read_text())
    return DiffusionCrops(np.load(folder / "layers.npy", mmap_mode="r"), tuple(frozenset(row) for row in rows))


def digest(crops: DiffusionCrops) -> str:
    """Of everything in the set."""
    state = hashlib.sha256(np.ascontiguousarray(crops.layers).data)
    state.update(json.dumps([sorted(row) for row in crops.facts]).encode())
    return state.hexdigest()


def _load_photos(folder: Path | None) -> None:
    cv2.setNumThreads(1)
    if folder is not None:
        windows = native_windows(folder, held_out=False, rng=np.random.default_rng(0))
        _photos.extend(photo.pixels for photo in [*load_photos(folder, held_out=False), *windows])


def _draw(seed_and_number: tuple[int, int]) -> tuple[NDArray[np.uint8], Facts]:
    rng = np.random.default_rng(seed_and_number)
    if _photos and rng.random() < _PHOTO_SHARE:
        return _photo(_photos, rng), thing_facts((), "photo")
    return _crewmate(_photos, rng)


def _photo(photos: Sequence[Pixels], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A window of a photo with no crewmate in it."""
    side = int(np.exp(rng.uniform(np.log(24), np.log(400))))
    pixels = photo_crop(rng, photos, (side, side))
    layers = np.zeros((SIDE_PX, SIDE_PX, LAYERS), np.uint8)
    layers[..., :3] = _at_side(np.asarray(pixels, np.uint8))
    return layers


def _crewmate(photos: Sequence[Pixels], rng: np.random.Generator) -> tuple[NDArray[np.uint8], Facts]:
    """One in its window, as tight or wide as `--pad` may have it."""
    for _ in range(8):
        style = str(rng.choice(STYLES, p=_WEIGHTS / _WEIGHTS.sum()))
        height = float(np.exp(rng.uniform(np.log(16), np.log(180))))
        texture = photos[int(rng.integers(len(photos)))] if photos else None
        sprite = render_sprite(random_crewmate(rng), height, style, rng, texture=texture)
        placed, keypoints = bend(sprite, random_bend(rng, sprite.shape.shape[::-1], 0.7))
        side = int(max(placed.shape.shape) * 2.6) + 8
        image = _ground(photos, side, rng)
        left, top = (side - placed.shape.shape[1]) // 2, (side - placed.shape.shape[0]) // 2
        placed = Placed(placed.rgba, placed.shape, left, top, placed.blend)
        if rng.random() < 0.7:
            placed = match_light(placed, image, float(rng.uniform(0.1, 0.7)))
        if rng.random() < 0.4:
            cast_shadow(image, placed, rng)
        if blend_into(image, placed) >= _LEAST_CONTRAST:
            break
    covered = np.zeros(image.shape[:2], np.uint8)
    covered[top : top + placed.shape.shape[0], left : left + placed.shape.shape[1]] = placed.shape
    keypoints[:, :2] += (left, top)
    return _layers(worn(image, rng), covered, keypoints, rng), crewmate_facts(sprite.attributes)


def _layers(
    image: Pixels, covered: NDArray[np.uint8], keypoints: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The window about the crewmate and the figure that conversion would fit there, keypoints being a little off."""
    x, y, width, height = cv2.boundingRect((covered > 64).astype(np.uint8))
    box = np.array([x, y, x + width, y + height], np.float32) + rng.normal(0, 0.02 * height, 4).astype(np.float32)
    off = rng.normal(0, 0.02 * height, (len(keypoints), 2))
    points = {
        name: (float(px), float(py), 0.95 if seen == VISIBLE else 0.2)
        for name, (px, py), seen in zip(KEYPOINT_NAMES, keypoints[:, :2] + off, keypoints[:, 2], strict=True)
    }
    window = crop_window(box, (image.shape[1], image.shape[0]), float(rng.uniform(0.2, 0.6)))
    pixels = cut(image, window)
    scale = SIDE_PX / max(pixels.shape[:2])
    figure = fit_crewmate(Pose(box, points), int(rng.integers(2**31)))
    figure = figure.moved(1.0, (-window[0], -window[1])).moved(scale)
    size = (SIDE_PX, SIDE_PX)
    layers = np.empty((SIDE_PX, SIDE_PX, LAYERS), np.uint8)
    layers[..., :3] = _at_side(pixels)
    layers[..., 3] = np.rint(255 * figure.silhouette(size))
    layers[..., 4] = np.rint(255 * figure.part("visor", size))
    layers[..., 5] = _at_side(cut(np.repeat(covered[..., None], 3, 2), window))[..., 0]
    return layers


def _at_side(pixels: Pixels) -> Pixels:
    method = cv2.INTER_AREA if max(pixels.shape[:2]) > SIDE_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), (SIDE_PX, SIDE_PX), interpolation=method), np.uint8)


def _ground(photos: Sequence[Pixels], side: int, rng: np.random.Generator) -> Pixels:
    if photos and rng.random() < 0.8:
        return np.array(photo_crop(rng, photos, (side, side)))
    return np.array(random_ground(rng, (side, side)))
