"""What measuring two programs in turns says: how many times as fast one is, and how far their findings are the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import iou
from amogus_search.core.intervals import proportion_interval
from amogus_search.core.types import DecodedImage, Detections
from amogus_search.synth.scenes import plant_scene

T = TypeVar("T")

FROM_CONFIDENCE = 0.25
"""Findings of at least this confidence must have a partner on the other side."""
SAME_IOU, SAME_CONFIDENCE = 0.98, 0.02
"""Least overlap and greatest difference of confidences of two findings that are the same."""


@dataclass
class Clock:
    """What something took, item by item.

    wall: seconds
    cpu:  seconds of processor time of this process' threads and of programs that it waited for: on a busy machine it
        says more, as long as idle threads do not spin
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def time(self, run: Callable[[], T], items: int = 1) -> T:
        """What it gives; so many more items, of which each took the same."""
        began, cpu = time.perf_counter(), _cpu_seconds()
        result = run()
        self.wall += [(time.perf_counter() - began) / items] * items
        self.cpu += [(_cpu_seconds() - cpu) / items] * items
        return result

    @property
    def ms(self) -> float:
        """Median of the milliseconds."""
        return round(1000 * float(np.median(self.wall)), 2)

    @property
    def a_second(self) -> float:
        """Items a second."""
        return round(len(self.wall) / sum(self.wall), 3)

    def less(self, other: Clock) -> Clock:
        """What each item took more than in the other one."""
        wall = [a - b for a, b in zip(self.wall, other.wall, strict=True)]
        return Clock(wall, [a - b for a, b in zip(self.cpu, other.cpu, strict=True)])


def _cpu_seconds() -> float:
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def speed_ratio(own: Clock, other: Clock) -> dict[str, float]:
    """How many times as fast the first one was on the same items, measured in turns; plain JSON values.

    Returns:
        times_as_fast: all seconds of the other one by all of ours, that is, the ratio of items a second; low, high:
        between which the ratios of nine in ten single items lie; cpu_ratio: of processor time, all by all.

    Raises:
        ValueError: nothing was measured, or not the same items.
    """
    seconds, theirs = np.asarray(own.wall, np.float64), np.asarray(other.wall, np.float64)
    if not len(seconds) or seconds.shape != theirs.shape:
        raise ValueError(f"{len(seconds)} and {len(theirs)} times are no pairs")
    low, high = np.quantile(theirs / seconds, (0.05, 0.95))
    values = {"times_as_fast": theirs.sum() / seconds.sum(), "low": low, "high": high}
    values["cpu_ratio"] = sum(other.cpu) / max(sum(own.cpu), 1e-9)
    return {name: round(float(value), 3) for name, value in values.items()}


@dataclass(frozen=True)
class Agreement:
    """Findings of either side at `FROM_CONFIDENCE` or above, and how many of them have a partner on the other side."""

    findings: int = 0
    partners: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        """Those of both."""
        return Agreement(self.findings + other.findings, self.partners + other.partners)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with a 95 % interval; the share is None without findings."""
        low, _ = proportion_interval(self.partners, self.findings)
        share = round(self.partners / self.findings, 4) if self.findings else None
        return {"findings": self.findings, "same": self.partners, "share": share, "share_low": round(low, 4)}


def agreement(one: Detections, other: Detections) -> Agreement:
    """How far the findings of one picture are the same; a partner may itself be below `FROM_CONFIDENCE`."""
    closeness = np.abs(one.confidence[:, None] - other.confidence[None]) <= SAME_CONFIDENCE
    same = (iou(one.xyxy, other.xyxy) >= SAME_IOU) & closeness
    strong, others_strong = one.confidence >= FROM_CONFIDENCE, other.confidence >= FROM_CONFIDENCE
    paired = same.any(axis=1)[strong].sum() + same.any(axis=0)[others_strong].sum()
    return Agreement(int(strong.sum() + others_strong.sum()), int(paired))


def in_turns(sides: Sequence[T], number: int) -> Iterator[T]:
    """All sides, another one first each time, so that whatever one leaves behind troubles all alike."""
    first = number % max(1, len(sides))
    yield from (*sides[first:], *sides[:first])


def recalled(truth: NDArray[np.float32], found: Detections, min_iou: float = 0.5) -> NDArray[np.bool_]:
    """(m,) whether each true box has a finding that overlaps it well."""
    return np.asarray(iou(truth, found.xyxy).max(axis=1, initial=0) >= min_iou)


@dataclass(frozen=True)
class Plants:
    """What is drawn into pictures, so that there is something to find.

    count:     in each picture, fewer where there is no room
    height_px: least and greatest height, pixels of the picture, drawn log-uniformly
    """

    count: int
    height_px: tuple[float, float]
    tier: str = "varied"
    seed: int = 0

    def into(self, image: DecodedImage, number: int) -> tuple[DecodedImage, NDArray[np.float32]]:
        """The picture of that number with amogi in it, and their (m, 4) boxes."""
        if not self.count:
            return image, np.zeros((0, 4), np.float32)
        rng = np.random.default_rng([self.seed, number])
        largest = min(self.height_px[1], 0.8 * min(image.pixels.shape[:2]))
        height = (min(self.height_px[0], largest), largest)
        scene = plant_scene(rng, image.pixels, self.count, tier=self.tier, height_px_range=height)
        return replace(image, pixels=scene.image), scene.boxes_xyxy


Tick = Callable[[str, int, int], None]
"""Told how far a measurement is: (what is going on, done, total)."""
