"""The ascent: octave by octave, step by step, towards whatever an objective scores. It knows no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Boxes
from amogus_search.dreaming.places import mask_of, rolled, well_within
from amogus_search.dreaming.shaping import (
    Field,
    colour_axes,
    resized,
    size_within,
    soft_limit,
    step_along,
    with_less_variation,
)
from amogus_search.errors import UsageError


@dataclass(frozen=True)
class Dream:
    """How a picture dreams.

    places:    so many things are grown
    steps:     of each octave
    octaves:   sizes that are worked at, from small to large; each begins with what the one before it found
    growth:    factor from one octave to the next
    size_px:   shorter side of the largest octave; the change is enlarged to the picture's own size afterwards
    sides:     smallest and largest longer side of a place, as shares of the picture's shorter side
    strength:  the most that a channel changes, 0..1
    rate:      mean change of a channel in the steepest step, at the beginning of an octave; it falls to a third
    momentum:  how much of the last step is in the next one
    jitter:    how far the picture is rolled before each step, as a share of its shorter side
    zoom:      it is enlarged or shrunk by up to this factor besides
    turn:      and turned by up to this angle, in radians
    noise:     and given noise of this standard deviation, 0..1
    tv:        weight of the total variation of the change; see `shaping.with_less_variation`
    softness:  how much more large shapes count than small ones; see `shaping.with_spectrum`
    colours:   how free it is to leave the picture's own colours, 0..1; see `shaping.colour_axes`
    seed:      decides all that is random
    """

    places: int = 3
    steps: int = 30
    octaves: int = 3
    growth: float = 1.4
    size_px: int = 256
    sides: tuple[float, float] = (0.22, 0.6)
    strength: float = 0.5
    rate: float = 0.04
    momentum: float = 0.8
    jitter: float = 0.06
    zoom: float = 1.2
    turn: float = 0.1
    noise: float = 0.02
    tv: float = 0.004
    softness: float = 1.2
    colours: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        if min(self.places, self.steps, self.octaves) < 1 or self.size_px < SMALLEST_PX:
            raise UsageError(
                f"{self.places} places, {self.steps} steps, {self.octaves} octaves of {self.size_px} px are no dream",
                f"at least one of each, and {SMALLEST_PX} px",
            )
        if not 0 < self.strength <= 1 or min(self.jitter, self.tv, self.noise) < 0 or self.zoom < 1:
            raise UsageError("the strength lies in 0..1, and jitter, tv and noise are not negative", "see --help")


FORGETTING = 0.98
"""Steps are measured against the steepest one so far, which fades by this factor a step. So they get smaller as an
objective is satisfied, and what is there already is not painted over and over."""
_CHOICE = 4
"""Where not all of a picture may change, so many times as many places are looked at, to take those that may."""
SMALLEST_PX = 48
"""Shorter side of the smallest octave: below it the networks see nothing."""


@dataclass(frozen=True, eq=False)
class Glance:
    """How an objective is to look at a picture: what it must not depend on differs from step to step.

    boxes: (k, 4) the places, in pixels of the picture it gets
    zoom:  enlarge the picture by this
    turn:  and turn it by this angle, in radians
    noise: and add noise of this standard deviation
    seed:  of the noise
    """

    boxes: Boxes
    zoom: float = 1.0
    turn: float = 0.0
    noise: float = 0.0
    seed: int = 0


class Objective(Protocol):
    """What a dream climbs."""

    def places(self, picture: Field, count: int, sides: tuple[float, float]) -> Boxes:
        """(<= count, 4) where it already sees the most of it, in pixels, longer sides within `sides` if possible."""
        ...

    def __call__(self, picture: Field, glance: Glance) -> tuple[float, Field]:
        """The score, and its derivative by every number of the picture: (h, w, 3)."""
        ...


@dataclass(frozen=True, eq=False)
class Step:
    """Where a dream is.

    number: of the step, from 1
    total:  steps of the whole dream
    score:  of the objective, before the step; comparable within one octave only
    change: of the picture so far, at the octave's size
    boxes:  (k, 4) the places, in pixels of the octave
    """

    number: int
    total: int
    score: float
    change: Field
    boxes: Boxes


def ascend(
    picture: Field,
    objective: Objective,
    dream: Dream,
    *,
    boxes: Boxes | None = None,
    allowed: Callable[[tuple[int, int]], NDArray[np.float32]] | None = None,
    told: Callable[[Step], None] = lambda step: None,
) -> tuple[Field, Boxes]:
    """The change at the largest octave's size, and the places in pixels of the picture.

    Args:
        picture: (h, w, 3) in 0..1.
        objective: what is climbed.
        dream: how.
        boxes: (k, 4) places to grow things at, in pixels; without any, the objective chooses.
        allowed: size of an octave -> (h, w) in 0..1: where the picture may change at all.
        told: called after every step.
    """
    rng = np.random.default_rng(dream.seed)
    size_wh = (picture.shape[1], picture.shape[0])
    change: Field | None = None
    for octave, octave_wh in enumerate(octave_sizes(size_wh, dream)):
        base = resized(picture, octave_wh)
        if boxes is None:
            shorter = min(octave_wh)
            sides = (dream.sides[0] * shorter, dream.sides[1] * shorter)
            chosen = objective.places(base, dream.places if allowed is None else _CHOICE * dream.places, sides)
            if allowed is not None:
                chosen = well_within(chosen, allowed(octave_wh), dream.places)
            boxes = scaled(chosen, octave_wh, size_wh)
        here = scaled(boxes, size_wh, octave_wh)
        mask = mask_of(here, octave_wh)
        if allowed is not None:
            mask = mask * allowed(octave_wh)
        change = np.zeros_like(base) if change is None else resized(change, octave_wh)
        climb = _Climb(base, mask, here, objective, dream)

        def tell(step: int, score: float, now: Field, before: int = octave * dream.steps, at: Boxes = here) -> None:
            told(Step(before + step, dream.octaves * dream.steps, score, now, at))

        change = climb.run(change, rng, tell)
    assert change is not None
    assert boxes is not None
    return change, boxes


def octave_sizes(size_wh: tuple[int, int], dream: Dream) -> list[tuple[int, int]]:
    """Width and height of each octave, smallest first; the shorter side is never below `SMALLEST_PX`."""
    shorter = min(size_wh)
    sizes = []
    for octave in reversed(range(dream.octaves)):
        side = max(float(SMALLEST_PX), dream.size_px / dream.growth**octave)
        sizes.append((max(1, round(size_wh[0] * side / shorter)), max(1, round(size_wh[1] * side / shorter))))
    return sizes


def scaled(boxes: Boxes, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> Boxes:
    """The boxes in a picture of another size."""
    return np.asarray(boxes * np.tile(np.divide(to_wh, from_wh), 2), np.float32)


class _Climb:
    """The steps of one octave."""

    def __init__(
        self, base: Field, mask: NDArray[np.float32], boxes: Boxes, objective: Objective, dream: Dream
    ) -> None:
        self.base, self.mask, self.boxes, self.objective, self.dream = base, mask, boxes, objective, dream
        self.axes = colour_axes(base, dream.colours)

    def run(self, change: Field, rng: np.random.Generator, tell: Callable[[int, float, Field], None]) -> Field:
        dream, velocity, steepest = self.dream, np.zeros_like(change), 0.0
        for step in range(1, dream.steps + 1):
            score, gradient = self.looked_at(np.clip(self.base + change, 0, 1), rng)
            uphill = step_along(gradient, self.mask, self.axes, dream.softness)
            steepest = max(size_within(uphill, self.mask), FORGETTING * steepest)
            velocity = dream.momentum * velocity + (1 - dream.momentum) * uphill / (steepest or 1.0)
            rate = dream.rate * (1 - 2 / 3 * (step - 1) / dream.steps)
            moved = with_less_variation(change + rate * velocity, dream.tv)
            change = soft_limit(moved, dream.strength) * (self.mask > 0)[..., None]
            tell(step, score, change)
        return change

    def looked_at(self, picture: Field, rng: np.random.Generator) -> tuple[float, Field]:
        """Score and gradient of the picture as one chance glance sees it; the roll is undone in the gradient."""
        dream, (height, width) = self.dream, picture.shape[:2]
        reach = round(dream.jitter * min(height, width))
        dx, dy = (int(shift) for shift in rng.integers(-reach, reach + 1, 2))
        boxes, whole = rolled(self.boxes, (dx, dy), (width, height))
        glance = Glance(
            boxes[whole],
            float(dream.zoom ** rng.uniform(-1, 1)),
            float(rng.uniform(-1, 1) * dream.turn),
            dream.noise,
            int(rng.integers(2**31)),
        )
        score, gradient = self.objective(np.roll(picture, (dy, dx), (0, 1)), glance)
        return score, np.roll(gradient, (-dy, -dx), (0, 1))
