"""Batches for the detector: rendered scenes with labels, and photos that hold none.

A dataset folder is in ultralytics' YOLO-pose layout (`amogus synth scenes` writes it). Photos are given
beside it: their crops at many scales are shown as pictures in which there is nothing to find, which is
what keeps the detector quiet on ordinary ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from amogus_search.core.types import Pixels
from amogus_search.errors import AmogusError
from amogus_search.training.mining import HardNegative, crop_around

_EXTENSIONS = {".jpg", ".jpeg", ".png"}

_CAMERA = 4
"""How many times the training side a photo's shorter side must be to be met at its own pixels half of the time."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One training picture.

    pixels:    (s, s, 3) uint8 RGB
    boxes:     (n, 4) float32, cx cy w h as shares of the picture
    keypoints: (n, k, 3) float32, x and y as shares of the picture, then 0 absent, 1 hidden, 2 visible
    """

    pixels: Pixels
    boxes: NDArray[np.float32]
    keypoints: NDArray[np.float32]


@dataclass(frozen=True)
class PoseDataset:
    """The labelled pictures of one split of one or more dataset folders, in sorted order."""

    pictures: tuple[Path, ...]
    keypoints: int

    @classmethod
    def open(cls, folders: Sequence[Path], split: str, keypoints: int) -> PoseDataset:
        """List `images/<split>` of every folder.

        Raises:
            AmogusError: there is no picture in any of them.
        """
        found = [
            p for folder in folders for p in sorted((folder / "images" / split).glob("*")) if p.suffix in _EXTENSIONS
        ]
        if not found:
            names = ", ".join(str(folder) for folder in folders)
            raise AmogusError(f"no {split} pictures in {names}", "make some with: amogus synth scenes OUT -n 12000")
        return cls(tuple(found), keypoints)

    def __len__(self) -> int:
        return len(self.pictures)

    def load(self, row: int) -> Sample:
        """Decode one picture and its label file (no file: nothing to find)."""
        path = self.pictures[row]
        pixels = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        label = path.parents[2] / "labels" / path.parent.name / f"{path.stem}.txt"
        text = label.read_text().split() if label.exists() else []
        table = np.asarray(text, np.float32).reshape(-1, 5 + 3 * self.keypoints)
        return Sample(pixels, table[:, 1:5], table[:, 5:].reshape(len(table), self.keypoints, 3))


def load_photos(paths: Sequence[Path], max_side: int = 6000) -> list[Pixels]:
    """Upright RGB photos, none longer than `max_side` pixels; camera photos keep the grain that tiles will show."""
    photos = []
    for path in paths:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
            picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
            photos.append(np.asarray(picture))
    return photos


def photo_crop(photo: Pixels, side: int, rng: np.random.Generator) -> Pixels:
    """A random square window of a photo, from twice enlarged to the whole, shown at `side` pixels.

    Half of those from camera photos are shown as they are, pixel by pixel: that is how most tiles of such a photo look,
    and its grain, leaves and pebbles are lost when it is resized.
    """
    height, width = photo.shape[:2]
    largest = min(height, width)
    smallest = min(largest, max(32, side // 2))
    window = int(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    if largest > _CAMERA * side and rng.random() < 0.5:
        window = side
    y, x = (int(rng.integers(0, max(1, length - window + 1))) for length in (height, width))
    shrinking = window > side
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(photo[y : y + window, x : x + window], (side, side), interpolation=method), np.uint8)


def mirrored(sample: Sample, flip_idx: Sequence[int]) -> Sample:
    """The picture as in a mirror, its keypoints renamed accordingly."""
    boxes, points = sample.boxes.copy(), sample.keypoints[:, list(flip_idx)].copy()
    boxes[:, 0] = 1 - boxes[:, 0]
    points[:, :, 0] = np.where(points[:, :, 2] > 0, 1 - points[:, :, 0], 0)
    return Sample(np.ascontiguousarray(sample.pixels[:, ::-1]), boxes, points)


def relit(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture under a slightly other exposure and white balance."""
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.92, 1.08, 3)
    table = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-12, 12), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table[None]), np.uint8)


@dataclass(frozen=True, eq=False)
class SampleMaker:
    """Draws one training sample from a seed; all its randomness comes from there.

    negative_share: how many of the samples are bare photo crops
    hard:           false findings of an earlier detector, each with its photo; half of the bare crops show one
    """

    dataset: PoseDataset
    photos: Sequence[Pixels]
    side: int
    flip_idx: tuple[int, ...]
    negative_share: float
    hard: Sequence[tuple[Pixels, HardNegative]] = ()

    def make(self, row: int, seed: tuple[int, ...]) -> Sample:
        """Sample `row` of the dataset, or in its place a photo without anything to find."""
        rng = np.random.default_rng(seed)
        if self.photos and rng.random() < self.negative_share:
            pixels = self._bare(rng)
            points = len(self.flip_idx)
            sample = Sample(pixels, np.zeros((0, 4), np.float32), np.zeros((0, points, 3), np.float32))
        else:
            sample = self.dataset.load(row)
        if rng.random() < 0.5:
            sample = mirrored(sample, self.flip_idx)
        return Sample(relit(sample.pixels, rng), sample.boxes, sample.keypoints)

    def _bare(self, rng: np.random.Generator) -> Pixels:
        if self.hard and rng.random() < 0.5:
            photo, negative = self.hard[int(rng.integers(len(self.hard)))]
            return crop_around(photo, negative, self.side, rng)
        # A photo with more pixels has more places to be wrong in; the square root keeps small ones in play.
        sizes = np.sqrt([photo.shape[0] * photo.shape[1] for photo in self.photos])
        chosen = int(rng.choice(len(self.photos), p=sizes / sizes.sum()))
        return photo_crop(self.photos[chosen], self.side, rng)


def batches(maker: SampleMaker, epoch: int, batch: int, seed: int, start: int = 0) -> Iterator[list[Sample]]:
    """Full batches of one epoch in an order fixed by (seed, epoch), made ahead on one thread.

    Args:
        start: number of the first batch; earlier ones are left out (resuming after a stop).
    """
    order = np.random.default_rng((seed, epoch)).permutation(len(maker.dataset))
    chunks = [order[i : i + batch] for i in range(0, len(order) - batch + 1, batch)][start:]

    def load(chunk: NDArray[np.int64]) -> list[Sample]:
        return [maker.make(int(row), (seed, epoch, int(row))) for row in chunk]

    with ThreadPoolExecutor(1) as loader:
        ahead = [loader.submit(load, chunk) for chunk in chunks[:4]]
        for chunk in [*chunks[4:], None, None, None, None][: len(chunks)]:
            ready = ahead.pop(0).result()
            if chunk is not None:
                ahead.append(loader.submit(load, chunk))
            yield ready
