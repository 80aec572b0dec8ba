"""Models for tests: deterministic, instant, without weights. They keep every promise of their ports.

`FakeDetector` finds solid bright red rectangles; `FakeEmbedder` knows the mean colour of a crop, and a text by
its words, colours by name; `FakeConverter` paints boxes red.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.conversion import Job
from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections, Pixels, Vectors
from amogus_search.errors import ConversionError

RED_BOX = Motif(
    name="red box",
    keypoint_names=("top", "left", "right"),
    flip_idx=(0, 2, 1),
    parts={"lid": ("top",), "sides": ("left", "right")},
    colours={"red": (340.0, 20.0)},
)
"""What `FakeDetector` finds; its keypoints are the middles of three sides."""
_COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (0.7, 0.7, 0.0),
    "white": (0.6, 0.6, 0.6),
}


class FakeDetector:
    """Finds solid bright red rectangles; the confidence is the share of the box that is red."""

    name = "fake"
    calibration: str | None = None

    def __init__(self, tile_px: int = 128, batch: int = 4, *, fingerprint: str = "fake-detector-1") -> None:
        self.tile_px = tile_px
        self.batch = batch
        self.motif = RED_BOX
        self.fingerprint = fingerprint
        self.tiles_seen = 0

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        """The red rectangles of each (b, side, side, 3) uint8 RGB tile, from the top down."""
        self.tiles_seen += len(tiles)
        return [_red_boxes(tile) for tile in tiles]


class FakeEmbedder:
    """Unit vectors that hold a mean colour, or the colour words and hashed other words of a text."""

    name = "fake"

    def __init__(self, dimension: int = 16, *, fingerprint: str = "fake-embedder-1") -> None:
        if dimension < 8:
            raise ValueError(f"dimension is {dimension}, at least 8 is needed")
        self.dimension = dimension
        self.fingerprint = fingerprint
        self.images_seen = 0

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """(n, dimension) unit vectors, one a picture."""
        self.images_seen += len(images)
        rows = np.zeros((len(images), self.dimension), np.float32)
        for row, image in zip(rows, images, strict=True):
            row[:3] = image.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255.0
            row[3] = 0.05  # a black picture has a direction too
        return _unit(rows)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) unit vectors, one a text."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[3] = 0.05
            for word in text.lower().split():
                self._add_word(row, word)
        return _unit(rows)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: every word has a place."""
        return ()

    def _add_word(self, row: NDArray[np.float32], word: str) -> None:
        if word in _COLOURS:
            row[:3] += np.asarray(_COLOURS[word], np.float32)
        else:
            place = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
            row[4 + place % (self.dimension - 4)] += 0.1


class FakeConverter:
    """Paints the whole crop: red in the box and green about it, so that a mask that leaks is seen.

    Args:
        side_px, batch, parallel: see `ports.Converter`.
        fails: for which jobs it raises; by default for none.
    """

    name = "fake"

    def __init__(
        self,
        side_px: int | None = None,
        batch: int = 2,
        parallel: int = 1,
        *,
        fails: Callable[[Job], ConversionError | None] = lambda job: None,
        fingerprint: str = "fake-converter-1",
    ) -> None:
        self.side_px, self.batch, self.parallel = side_px, batch, parallel
        self.fingerprint = fingerprint
        self.jobs_seen: list[Job] = []
        self._fails = fails

    def convert(self, jobs: Sequence[Job]) -> list[Pixels]:
        """Red boxes; a shade of it tells the seed."""
        self.jobs_seen += jobs
        for job in jobs:
            error = self._fails(job)
            if error is not None:
                raise error
        return [_reddened(job) for job in jobs]


def _reddened(job: Job) -> Pixels:
    painted = np.full_like(job.crop, (0, 255, 0))
    x1, y1, x2, y2 = (round(float(value)) for value in job.box_xyxy)
    painted[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = (255 - job.seed % 50, 0, 0)
    return painted


def _red_boxes(tile: NDArray[np.uint8]) -> Detections:
    import cv2

    red = (tile[..., 0] > 180) & (tile[..., 1] < 80) & (tile[..., 2] < 80)
    count, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8), connectivity=4)
    boxes, confidences = [], []
    for left, top, width, height, area in stats[1:count]:
        if width >= 3 and height >= 3:
            boxes.append((left, top, left + width, top + height))
            confidences.append(0.99 * area / (width * height))
    xyxy = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Detections.make(xyxy, confidences, keypoints=_side_middles(xyxy), keypoint_names=RED_BOX.keypoint_names)


def _side_middles(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 3, 3) middles of the top, left and right sides, all visible."""
    left, top, right, bottom = xyxy.T
    across, down, seen = (left + right) / 2, (top + bottom) / 2, np.full(len(xyxy), 0.9, np.float32)
    points = [(across, top, seen), (left, down, seen), (right, down, seen)]
    return np.stack([np.stack(point, axis=-1) for point in points], axis=1).astype(np.float32)


def _unit(rows: NDArray[np.float32]) -> Vectors:
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    return unit
