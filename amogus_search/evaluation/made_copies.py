"""A library of made pictures with known copies, as large as wanted: to measure `amogus duplicates` by.

One picture in twenty is a copy of the one before it, smaller or with a strip cut off. The vectors of copies are up to
0.03 less similar to their original's than it is to itself, in a random direction. Pictures are drawn when they are
read: a dozen discs on a blurred ground, each picture the same at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from amogus_search.core.types import DecodedImage, Detections, FileEntry, FileStat, ImageFindings, Pixels, Vectors
from amogus_search.evaluation.made_index import make_index
from amogus_search.evaluation.made_vectors import MadeVectors
from amogus_search.store.index import Index

EVERY = 20
_BATCH = 2000
_SIZE, _SMALLER = (160, 120), (120, 90)
_CUT_PX = 4
_LEAST_SIMILAR = 0.97
_DISCS = 12
Told = Callable[[str, int, int], object]


def original_of(number: int) -> int:
    """The picture that one shows: an earlier one's for copies, else its own."""
    return number - 1 if number % EVERY == 1 else number


def copy_count(pictures: int) -> int:
    """How many of the first so many are copies."""
    return len(range(1, pictures, EVERY))


def number_of(path: bytes) -> int:
    """Which picture lies at a path."""
    return int(path[-11:-4])


def drawn(number: int) -> Pixels:
    """The pixels of a picture, (120, 160, 3) for originals; copies are smaller, or lack a strip on the left."""
    random = np.random.default_rng(original_of(number))
    coarse = random.integers(0, 255, (7, 9, 3), np.uint8)
    pixels = cv2.resize(coarse, _SIZE, interpolation=cv2.INTER_CUBIC)
    for _ in range(_DISCS):
        centre = int(random.integers(_SIZE[0])), int(random.integers(_SIZE[1]))
        cv2.circle(pixels, centre, int(random.integers(4, 20)), random.integers(0, 255, 3).tolist(), -1)
    if original_of(number) != number:
        if number // EVERY % 2:
            return np.ascontiguousarray(pixels[:, _CUT_PX:])
        pixels = cv2.resize(pixels, _SMALLER, interpolation=cv2.INTER_AREA)
    return np.asarray(pixels, np.uint8)


class DrawingDecoder:
    """Reads the made pictures by drawing them."""

    def decode(self, entries: Iterator[FileEntry]) -> Iterator[DecodedImage]:
        """Every picture, in order."""
        for entry in entries:
            number = number_of(entry.path)
            pixels = drawn(number)
            yield DecodedImage(entry, pixels, (pixels.shape[1], pixels.shape[0]), _sha256(number), "PNG")


def fill(folder: Path, made: MadeVectors, pictures: int, told: Told = lambda stage, done, total: None) -> None:
    """Make an index of so many pictures, without findings; replaces one that was made before."""
    make_index(folder)
    with Index.open(folder, "w") as index:
        none = Detections.none(index.keypoint_names, index.evidence_names)
        waiting: list[ImageFindings] = []
        for number, vector in enumerate(_vectors(made, pictures)):
            waiting.append(_findings(number, vector, none))
            if len(waiting) == _BATCH or number + 1 == pictures:
                index.write(added=waiting)
                waiting = []
                told("filling", number + 1, pictures)


def _findings(number: int, vector: Vectors, none: Detections) -> ImageFindings:
    is_copy = original_of(number) != number
    full_wh = (_SIZE[0] - _CUT_PX, _SIZE[1]) if is_copy and number // EVERY % 2 else _SMALLER if is_copy else _SIZE
    entry = FileEntry(b"/made/%07d.png" % number, b"/made", FileStat(1, number + 1, 10_000 + number, 1, 1))
    return ImageFindings(entry, _sha256(number), "PNG", full_wh, none, vector)


def _vectors(made: MadeVectors, pictures: int) -> Iterator[Vectors]:
    random = np.random.default_rng([made.cloud.seed, pictures])
    number, original = 0, np.zeros(made.cloud.dimension, np.float32)
    for chunk in made.chunks(pictures):
        for vector in chunk:
            if original_of(number) == number:
                original = vector / np.linalg.norm(vector)
                yield original
            else:
                yield _nearly(original, random)
            number += 1


def _nearly(vector: Vectors, random: np.random.Generator) -> Vectors:
    away = random.standard_normal(len(vector)).astype(np.float32)
    away -= (away @ vector) * vector
    similar = random.uniform(_LEAST_SIMILAR, 1)
    return np.asarray(similar * vector + np.sqrt(1 - similar**2) * away / np.linalg.norm(away), np.float32)


def _sha256(number: int) -> str:
    return hashlib.sha256(b"made copy %d" % number).hexdigest()
