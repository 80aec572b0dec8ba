"""Pictures for a pipeline: crop and mask on the grid that it wants, and what a ControlNet is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.diffusers_options import Control
from amogus_search.core.conversion import Job
from amogus_search.core.types import Pixels

_SOFT = 0.012
"""Blur of light and shade, as a share of the figure's height: no line may give the figure away from near."""
_LINE = 1 / 256
"""Width of an outline, as a share of the picture's side."""
_VISOR = 0.15
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A job's pictures with both sides on the grid; the crop lies in the upper left.

    picture: (h, w, 3) uint8, its border carried on
    mask:    (h, w) uint8: 255 is painted anew, 0 stays
    """

    picture: Pixels
    mask: NDArray[np.uint8]

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height."""
        return self.picture.shape[1], self.picture.shape[0]


def sheet_of(job: Job, grid_px: int) -> Sheet:
    """The job's crop and mask.

    The mask covers all that may change at all: the feather is mixed by the caller, and would else be mixed twice.
    """
    height, width = job.crop.shape[:2]
    more = ((0, -height % grid_px), (0, -width % grid_px))
    picture = np.pad(job.crop, (*more, (0, 0)), mode="edge")
    return Sheet(picture, np.pad(np.where(job.mask > 0, np.uint8(255), np.uint8(0)), more))


def shown(control: Control, job: Job, sheet: Sheet) -> NDArray[np.float32]:
    """(h, w, 3) float32 0..1, what a ControlNet is shown of a job; -1 where an inpainting one is to fill.

    Args:
        control: `inpaint`: the crop with a hole; `outline`: white lines; `tone`: the figure as light and shade.
        job: which.
        sheet: its pictures.
    """
    if control == "inpaint":
        picture = np.asarray(sheet.picture / np.float32(255), np.float32)
        picture[sheet.mask > 0] = -1
        return picture
    layer = _outline(job, sheet.size_wh) if control == "outline" else _tone(job, sheet.size_wh)
    return np.ascontiguousarray(np.repeat(layer[..., None], 3, axis=2), np.float32)


def _layers(job: Job, size_wh: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(h, w) coverage of the figure, and of the visor on it."""
    figure = job.figure.silhouette(size_wh)
    return figure, np.asarray(np.minimum(job.figure.part("visor", size_wh), figure), np.float32)


def _outline(job: Job, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    width = max(1, round(max(size_wh) * _LINE))
    kernel: Any = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    lines = np.zeros((size_wh[1], size_wh[0]), np.float32)
    for layer in _layers(job, size_wh):
        inside = (layer >= 0.5).astype(np.uint8)
        lines = np.maximum(lines, cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, kernel).astype(np.float32))
    return lines


def _tone(job: Job, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """The figure light on dark where the crop's own is lighter than its surroundings, else dark on light."""
    figure, visor = _layers(job, size_wh)
    light = figure * (1 - visor) + _VISOR * visor
    height, width = job.crop.shape[:2]
    inside = figure[:height, :width] > 0.5
    if inside.any() and not inside.all():
        luma = job.crop.astype(np.float32) @ _LUMA
        if luma[inside].mean() < luma[~inside].mean():
            light = 1 - light
    sigma = max(0.5, _SOFT * job.figure.height_px)
    return np.asarray(np.clip(cv2.GaussianBlur(light, (0, 0), sigma), 0, 1), np.float32)
