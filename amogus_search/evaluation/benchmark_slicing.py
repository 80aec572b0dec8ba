"""Our windows beside sliced inference: the same weights, size of windows, overlap and decoded photos, in one run.

Amogi are drawn into every photo, and their boxes are the truth. All findings of at least one raw confidence count, on
either side; there is no second look and no calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import iou
from amogus_search.core.intervals import proportion_interval
from amogus_search.core.paths import display_path
from amogus_search.core.types import DecodedImage, Detections, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation.comparing import Clock, Plants, in_turns, recalled, speed_ratio
from amogus_search.pipeline.detect import detect_images
from amogus_search.ports import Detector
from amogus_search.settings import DETECT, TILING, Profile

T = TypeVar("T")

SLICED = Profile("sliced", full_px=(640,), native_tiles=True)
"""The whole picture, and tiles at its own size and at half sizes in between: what slicing is for."""
ALIKE = Profile("alike", full_px=(640,), native_tiles=False, enlarge=(1,), enlarge_pixel_art=(1,))
"""The whole picture, and tiles at its own size only: sliced inference as others do it."""


class CountingDetector:
    """A detector that knows how many windows it has seen."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.seen = 0

    def __getattr__(self, name: str) -> Any:
        """What the detector itself says of everything else."""
        found = getattr(self._detector, name)
        return self._counted(found) if name == "begin" else found

    def _counted(self, begin: Callable[[NDArray[np.uint8]], T]) -> Callable[[NDArray[np.uint8]], T]:
        def counted(tiles: NDArray[np.uint8]) -> T:
            self.seen += len(tiles)
            return begin(tiles)

        return counted

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        """What the detector finds."""
        self.seen += len(tiles)
        return self._detector.detect_tiles(tiles)


Look = Callable[[DecodedImage], tuple[Detections, int]]
"""Findings of one picture in its pixels, and how many windows were looked at."""


def ours(
    detector: Detector, *, overlap: float, min_confidence: float, everywhere: bool = False, profile: Profile = SLICED
) -> Look:
    """How this program looks at a large picture.

    Args:
        overlap: share of a window that its neighbour sees too.
        min_confidence: findings below it are not wanted.
        everywhere: also where the coarser windows have no candidate at all.
        profile: which windows there are.
    """
    counting: Any = CountingDetector(detector)
    tiles = replace(TILING, overlap_ratio=overlap, hint_confidence=0.0 if everywhere else TILING.hint_confidence)
    wanted = replace(DETECT, min_confidence=min_confidence)

    def look(image: DecodedImage) -> tuple[Detections, int]:
        before = counting.seen
        ((_, found),) = (
            item
            for item in detect_images([image], counting, profile, detect=wanted, tiles=tiles)
            if isinstance(item, tuple)
        )
        return found, counting.seen - before

    return look


@dataclass(eq=False)
class Side:
    """One way to look, and what came of it.

    threads: that it computes in; None: as many as it likes
    windows: looked at
    found:   (planted,) whether each came out
    false:   findings that are none of them
    """

    name: str
    look: Look
    threads: int | None = None
    clock: Clock = field(default_factory=Clock)
    windows: int = 0
    found: list[NDArray[np.bool_]] = field(default_factory=list)
    false: int = 0

    def show(self, image: DecodedImage, truth: NDArray[np.float32]) -> None:
        """One more picture, timed."""
        detections, windows = self.clock.time(lambda: self.look(image))
        self.windows += windows
        self.found.append(recalled(truth, detections))
        self.false += int((iou(detections.xyxy, truth).max(axis=1, initial=0) < 0.5).sum())

    def row(self, reference: Side) -> dict[str, Any]:
        """Plain JSON values; speed and recall against another side."""
        found, theirs = np.concatenate(self.found), np.concatenate(reference.found)
        low, high = proportion_interval(int(found.sum()), len(found))
        values: dict[str, Any] = {"what": self.name, "threads": self.threads, "photos": len(self.clock.wall)}
        values |= {"images_per_s": self.clock.a_second, "windows": self.windows}
        values |= {"ms_a_window": round(1000 * sum(self.clock.wall) / max(1, self.windows), 2)}
        values |= speed_ratio(self.clock, reference.clock)
        values |= {"planted": len(found), "recall": round(float(found.mean()), 4) if len(found) else None}
        values |= {"recall_low": round(low, 4), "recall_high": round(high, 4)}
        values |= {"only_here": int((found & ~theirs).sum()), "only_there": int((theirs & ~found).sum())}
        return values | {"false": self.false}


def run(
    photos: Iterable[DecodedImage | SkippedImage], sides: Sequence[Side], plants: Plants
) -> Iterator[Sequence[Side]]:
    """The same sides after each photo, with what it added to them.

    Before the first photo every side sees a corner of it, so that nothing is compiled on the clock.

    Args:
        photos: large, without the motif; amogi are drawn into them.

    Raises:
        AmogusError: a photo cannot be decoded.
    """
    for number, photo in enumerate(photos):
        if isinstance(photo, SkippedImage):
            raise AmogusError(
                f"{display_path(photo.entry.path)}: {photo.reason}: {photo.detail}", "take it out of the folder"
            )
        image, truth = plants.into(photo, number)
        for side in sides:
            side.look(_corner(image))
        for side in in_turns(sides, number):
            side.show(image, truth)
        yield sides


def _corner(image: DecodedImage, share: float = 0.35) -> DecodedImage:
    """A part of the same proportions, as a picture of its own: windows of it have the shapes of those of the whole."""
    height, width = (max(32, round(side * share)) for side in image.pixels.shape[:2])
    return replace(image, pixels=np.ascontiguousarray(image.pixels[:height, :width]), full_wh=(width, height))
