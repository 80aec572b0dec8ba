"""What a patch of a picture tells a painter: its colour, its light, how blurred and how grainy it is, what it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.blending import blurred
from amogus_search.core.pixelart import is_pixel_art
from amogus_search.core.types import Pixels

Plane = NDArray[np.float32]
"""(h, w) float32."""

_GREY = (0.299, 0.587, 0.114)
_PAPER_LIGHT, _PAPER_SHARE = 0.82, 0.6
"""A patch is a sheet of paper if this share of it is lighter than this and has no colour."""
_REMAINS = 0.09
"""How far from the silhouette remains of the thing are looked for, as a share of the figure's height."""
_LEAST_CHROMA = 14.0
"""Lab distance from grey from which a pixel has a colour."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """One patch.

    colour:   (3,) RGB 0..255 of what is in the silhouette
    coloured: whether that has a hue at all
    tint:     (3,) factors around 1: the colour of the light
    exposure: 0..1, how bright the lightest things are
    light:    (2,) x, y towards the light in the picture, length up to 1
    blur_px:  standard deviation of the blur of its edges
    grain:    standard deviation of its noise, 0..255
    solid:    whether what lies between the legs is the same as the body
    paper:    whether it is a drawing on a sheet
    pixel_art: whether it is pixel art
    """

    colour: NDArray[np.float32]
    coloured: bool
    tint: NDArray[np.float32]
    exposure: float
    light: NDArray[np.float32]
    blur_px: float
    grain: float
    solid: bool
    paper: bool
    pixel_art: bool


def look(crop: Pixels, inside: Plane, between: Plane) -> Surroundings:
    """What the patch tells.

    Args:
        crop: (h, w, 3) uint8.
        inside: (h, w) 0..1 coverage of the silhouette.
        between: (h, w) 0..1 coverage of the gap between its legs.
    """
    grey = luminance(crop.astype(np.float32))
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    colour, coloured = _main_colour(crop, lab, inside > 0.5)
    around = inside < 0.1
    return Surroundings(
        colour=colour,
        coloured=coloured,
        tint=_tint(crop, around),
        exposure=float(np.clip(np.percentile(grey, 96) / 255, 0.15, 1)),
        light=_light(grey, inside),
        blur_px=blur_px(grey),
        grain=grain(grey),
        solid=_is_solid(lab, inside, between),
        paper=_is_paper(lab, around if around.any() else inside >= 0),
        pixel_art=_is_pixel_art(crop),
    )


def cleared(crop: Pixels, inside: Plane, unit: float) -> Pixels:
    """The patch without what sticks out of the silhouette of the thing it replaces, filled from around it.

    Args:
        crop: (h, w, 3) uint8.
        inside: (h, w) 0..1 coverage of the silhouette.
        unit: the figure's height in pixels.
    """
    away = cv2.distanceTransform((inside < 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near, far = (away > 0) & (away < _REMAINS * unit), (away > 1.4 * _REMAINS * unit) & (away < 4 * _REMAINS * unit)
    if unit < 12 or far.sum() < 16 or not (inside > 0.5).any():
        return crop
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    body, ground = np.median(lab[inside > 0.5], axis=0), np.median(lab[far], axis=0)
    from_body, from_ground = (np.linalg.norm(lab - colour, axis=2) for colour in (body, ground))
    remains = near & (from_body < 0.6 * from_ground)
    # Where thing and ground look alike, or the thing goes on far beyond, there is nothing to tidy up.
    if np.linalg.norm(body - ground) < 25 or not 0 < remains.sum() < 0.6 * near.sum():
        return crop
    grown = cv2.dilate(remains.astype(np.uint8), np.ones((3, 3), np.uint8)) & near
    # With a rim of the silhouette, so that its colour does not flow out again: filling goes on from the nearest border.
    depth = cv2.distanceTransform((inside > 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    hole = grown | ((depth > 0) & (depth < 1.5 * _REMAINS * unit))
    filled = cv2.inpaint(crop, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return np.where(grown[..., None] > 0, filled, crop).astype(np.uint8)


def luminance(picture: NDArray[np.float32]) -> Plane:
    """(h, w) brightness, 0..255."""
    return np.asarray(picture @ np.asarray(_GREY, np.float32), np.float32)


def blur_px(grey: Plane) -> float:
    """How blurred the sharpest edges are, from how much a further blur of one pixel takes from them; 0.3 to 12."""
    # A noisy picture has steep pixels that are no edges; half a pixel of blur quiets them, and is taken off again.
    once = blurred(grey, 0.6)
    twice = blurred(grey, float(np.hypot(0.6, 1.0)))
    steep, flat = _slope(once), _slope(twice)
    if steep.size < 16:
        return 0.5
    edges = steep >= max(float(np.percentile(steep, 98.5)), 2.0)
    if not edges.any():
        return 0.5
    # The sharpest of the strong edges: a soft shadow says nothing about the lens.
    ratio = float(np.percentile(steep[edges] / np.maximum(flat[edges], 1e-3), 70))
    total = 1 / np.sqrt(max(ratio**2 - 1, 1e-3))
    return float(np.clip(np.sqrt(max(total**2 - 0.36, 0.09)), 0.3, 12))


def grain(grey: Plane) -> float:
    """Standard deviation of the noise, by the median of the finest diagonal structure, which edges hardly touch."""
    height, width = (side // 2 * 2 for side in grey.shape)
    if height < 4 or width < 4:
        return 0.0
    g = grey[:height, :width]
    diagonal = (g[::2, ::2] + g[1::2, 1::2] - g[1::2, ::2] - g[::2, 1::2]) / 2
    return float(np.clip(np.median(np.abs(diagonal)) / 0.6745, 0, 20))


def _slope(grey: Plane) -> Plane:
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(np.hypot(dx, dy)[1:-1, 1:-1] / 8, np.float32)


def _main_colour(crop: Pixels, lab: NDArray[np.float32], inside: NDArray[np.bool_]) -> tuple[NDArray[np.float32], bool]:
    """The hue that most of the silhouette's colour has; of something colourless its middle grey."""
    pixels = crop[inside].astype(np.float32) if inside.any() else crop.reshape(-1, 3).astype(np.float32)
    spots = lab[inside] if inside.any() else lab.reshape(-1, 3)
    chroma = np.hypot(spots[:, 1], spots[:, 2])
    hue = np.arctan2(spots[:, 2], spots[:, 1])
    bins = np.floor((hue + np.pi) / (2 * np.pi) * 18).astype(np.int64) % 18
    strong = chroma > _LEAST_CHROMA
    weight = np.bincount(bins[strong], chroma[strong], minlength=18)
    weight = weight + 0.5 * (np.roll(weight, 1) + np.roll(weight, -1))
    if strong.mean() < 0.2:
        return np.median(pixels, axis=0).astype(np.float32), False
    best = int(weight.argmax())
    near = strong & (np.minimum((bins - best) % 18, (best - bins) % 18) <= 1)
    return np.asarray(np.average(pixels[near], axis=0, weights=np.sqrt(chroma[near])), np.float32), True


def _tint(crop: Pixels, around: NDArray[np.bool_]) -> NDArray[np.float32]:
    mean = crop[around].mean(axis=0) if around.any() else np.full(3, 128.0)
    tint = (mean + 12) / (mean.mean() + 12)
    return np.asarray(np.clip(tint, 0.6, 1.5), np.float32)


def _light(grey: Plane, inside: Plane) -> NDArray[np.float32]:
    """From where it gets brighter across the silhouette, mostly from above: light seldom comes from below."""
    rows, columns = np.nonzero(inside > 0.5)
    if len(rows) < 9:
        return np.array([-0.3, -0.7], np.float32)
    values = blurred(grey, max(1.0, 0.06 * max(grey.shape)))[rows, columns]
    x = (columns - columns.mean()) / max(np.ptp(columns), 1)
    y = (rows - rows.mean()) / max(np.ptp(rows), 1)
    slope_x, slope_y = (float((axis * values).mean() / max((axis * axis).mean(), 1e-6)) for axis in (x, y))
    light = np.array([slope_x / 90, slope_y / 140 - 0.55])
    return np.asarray(light / max(1.0, float(np.hypot(*light))), np.float32)


def _is_solid(lab: NDArray[np.float32], inside: Plane, between: Plane) -> bool:
    gap, body = between > 0.5, inside > 0.5
    if gap.sum() < 2 or not body.any():
        return False
    return float(np.linalg.norm(np.median(lab[gap], axis=0) - np.median(lab[body], axis=0))) < 22


def _is_paper(lab: NDArray[np.float32], around: NDArray[np.bool_]) -> bool:
    spots = lab[around]
    light = (spots[:, 0] > 100 * _PAPER_LIGHT) & (np.hypot(spots[:, 1], spots[:, 2]) < 12)
    return bool(light.mean() > _PAPER_SHARE)


def _is_pixel_art(crop: Pixels) -> bool:
    """Few colours in flat cells, and clear steps between them: a piece of sky has flat pixels too, in small steps."""
    if min(crop.shape[:2]) < 4 or not is_pixel_art(crop):
        return False
    steps = np.abs(np.diff(crop.astype(np.int32), axis=1)).max(axis=2)
    changes = steps[steps > 0]
    return bool(changes.size and np.median(changes) > 24)
