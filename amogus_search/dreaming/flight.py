"""A flight into a picture that goes on dreaming: each frame is the one before, a little nearer and a few steps on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from amogus_search.core.boxes import iou
from amogus_search.core.types import Boxes, Pixels
from amogus_search.dreaming.ascent import Dream, Objective, ascend
from amogus_search.dreaming.film import Film
from amogus_search.dreaming.regions import blended, regions_of
from amogus_search.dreaming.shaping import Field

_NEARER = 1.025
"""Enlargement from frame to frame: twice as near after 28 of them."""
_STEPS = 2
"""Of the dream in each frame."""
_LARGEST = 0.9
"""A place larger than this share of the frame's shorter side is flown through: it is let go."""


def fly(
    pixels: Pixels,
    objective: Objective,
    dream: Dream,
    film: Film,
    frames: int,
    *,
    boxes: Boxes | None = None,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Pixels:
    """The last frame; all of them go to the film.

    Args:
        pixels: (h, w, 3) uint8 RGB to begin with, at the film's size.
        objective, dream: as in `ascent.ascend`; only the largest octave is used.
        film: gets the frames.
        frames: so many.
        boxes: (k, 4) places that are there already; they grow as one comes nearer, and others take their turn.
        told: called with the frames that are done, and with all of them.
    """
    height, width = pixels.shape[:2]
    (whole,) = regions_of((width, height), [])
    places = np.zeros((0, 4), np.float32) if boxes is None else boxes
    short = dataclasses.replace(dream, octaves=1, steps=_STEPS)
    for number in range(frames):
        pixels, places = nearer(pixels, places)
        picture = whole.cut(pixels)
        places = _filled(picture, places, objective, dream)
        calm = dataclasses.replace(short, seed=dream.seed + number + 1)
        change, _ = ascend(picture, objective, calm, boxes=places)
        pixels = blended(pixels, whole, change, places)
        film.add(pixels)
        told(number + 1, frames)
    return pixels


def nearer(pixels: Pixels, places: Boxes) -> tuple[Pixels, Boxes]:
    """The picture enlarged about its middle, at the same size, and the places that are still in it."""
    height, width = pixels.shape[:2]
    # pixel centres lie at halves: the middle of the picture stays where it is
    back = np.array([[1, 0, (_NEARER - 1) * (width - 1) / 2], [0, 1, (_NEARER - 1) * (height - 1) / 2]]) / _NEARER
    options = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    enlarged = cv2.warpAffine(pixels, back, (width, height), flags=options, borderMode=cv2.BORDER_REPLICATE)
    middle = np.asarray([width, height, width, height], np.float32) / 2
    moved = (places - middle) * np.float32(_NEARER) + middle
    inside = ((moved[:, :2] >= 0).all(axis=1)) & (moved[:, 2] <= width) & (moved[:, 3] <= height)
    longer = np.maximum(moved[:, 2] - moved[:, 0], moved[:, 3] - moved[:, 1])
    return np.asarray(enlarged, np.uint8), moved[inside & (longer <= _LARGEST * min(width, height))]


def _filled(picture: Field, places: Boxes, objective: Objective, dream: Dream) -> Boxes:
    """As many places as are wanted: new ones where none is yet."""
    if len(places) >= dream.places:
        return places
    shorter = min(picture.shape[:2])
    smallest, largest = (share * shorter for share in dream.sides)
    # a new place begins small, for it will grow
    found = objective.places(picture, 2 * dream.places, (smallest, (smallest + largest) / 2))
    free = found if not len(places) else found[iou(found, places).max(axis=1) == 0]
    return np.concatenate([places, free[: dream.places - len(places)]])
