"""One picture's dream from beginning to end: its regions one after the other, judged before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.asking import as_image
from amogus_search.core.types import Boxes, Pixels
from amogus_search.dreaming.ascent import Dream, Objective, Step, ascend
from amogus_search.dreaming.film import Film
from amogus_search.dreaming.regions import Region, blended
from amogus_search.exports.pictures import shrunk
from amogus_search.finder import DEFAULT, Finder, Found

FRAME_PX = 640
"""Longer side of a frame at most."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What a detector says of a picture.

    best:  the best amogusness, or confidence where there is no calibration; 0: nothing was found
    count: findings that count
    boxes: (n, 4) of these, best first
    """

    best: float
    count: int
    boxes: NDArray[np.float32]


def judged(finder: Finder, pixels: Pixels) -> Judged:
    """What the detector says of (h, w, 3) uint8 RGB."""
    (found,) = finder.find([as_image(pixels)])
    assert isinstance(found, Found)
    scores = np.where(np.isnan(found.scores.amogusness), found.detections.confidence, found.scores.amogusness)
    kept = found.keep(DEFAULT)
    return Judged(float(scores.max(initial=0.0)), len(kept.detections), kept.detections.xyxy)


def dreamt(
    pixels: Pixels,
    regions: Sequence[Region],
    objective: Objective,
    dream: Dream,
    film: Film,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Pixels, Boxes]:
    """The picture after its dream, and (k, 4) where things were grown, in its pixels.

    Args:
        pixels: (h, w, 3) uint8 RGB, upright; it is not changed itself.
        regions: dream one after the other, each in what the ones before made of the picture.
        objective, dream: see `ascent.ascend`.
        film: gets a frame a step.
        told: called with the steps that are done, and with all of them.
    """
    places: list[Boxes] = []
    total = len(regions) * dream.octaves * dream.steps
    for number, region in enumerate(regions):
        frames = _Frames(film, pixels, region)

        def on_step(step: Step, frames: _Frames = frames, before: int = total // len(regions) * number) -> None:
            told(before + step.number, total)
            frames.add(step)

        change, boxes = ascend(
            region.cut(pixels), objective, dream, boxes=region.boxes, allowed=region.allowed, told=on_step
        )
        pixels = blended(pixels, region, change, boxes)
        places.append(boxes + np.tile(region.window[:2], 2).astype(np.float32))
    return pixels, np.concatenate(places)


class _Frames:
    """Small pictures of a region's steps within the whole picture."""

    def __init__(self, film: Film, pixels: Pixels, region: Region) -> None:
        self._film = film
        if not film.wanted:
            return
        self._small = shrunk(pixels, FRAME_PX)
        full_wh, small_wh = ((one.shape[1], one.shape[0]) for one in (pixels, self._small))
        self._region = region.shrunk(full_wh, small_wh)

    def add(self, step: Step) -> None:
        if not self._film.wanted:
            return
        (width, height), (own_h, own_w) = self._region.size_wh, step.change.shape[:2]
        boxes = np.asarray(step.boxes * np.tile((width / own_w, height / own_h), 2), np.float32)
        self._film.add(blended(self._small, self._region, step.change, boxes))
