"""Drawings cut out of their paper: colours, shape and details of what was drawn, without what it was drawn on.

A transparent picture says itself what is drawn. On paper, its brightness is followed from the border inwards, so
that a lamp to one side does no harm; what differs from it is ink. Paper that the ink encloses belongs to the drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import AmogusError
from amogus_search.synth.brush import grow, shrink
from amogus_search.synth.paper import follow_paper
from amogus_search.synth.sprite import Mask, Rgb, Rgba

WORKING_SIDE_PX = 640
"""Larger pictures are reduced before they are looked at: sprites are smaller still."""
LEAST_SIDE_PX = 16
_LEAST_INK = 0.001
"""Share of the picture; what is less is a speck."""
_CLEAR_SHARE = 0.02
"""Share of transparent pixels from which a picture's own transparency is believed."""
_GAP = 0.012
"""Gaps of lines up to twice this share of the picture's longer side are closed before paper counts as enclosed."""
_TOGETHER = 0.05
"""Strokes no further apart than twice this share of the longer side are one drawing."""
_SOFT = 2
"""Pixels over which a stroke fades into its paper."""
_TWO_COLOURS = 45.0
"""RGB distance from which a drawing has a second colour."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """One drawing without its paper, trimmed.

    rgba:   (h, w, 4) uint8 as drawn, not premultiplied; colours go on beyond the border
    shape:  (h, w) uint8 coverage of the whole figure, enclosed areas included
    detail: (h, w) uint8 coverage of what is not of the figure's main colour: lines, eyes, holes; may be empty
    line_px: typical thickness of its strokes
    """

    name: str
    rgba: Rgba
    shape: Mask
    detail: Mask
    line_px: float


def cut_out(picture: Rgba, name: str = "drawing") -> Cutout:
    """The drawing in a picture, (h, w, 4) uint8, upright.

    Raises:
        AmogusError: nothing is drawn in it, or what it is drawn on is not plain.
    """
    small = _reduced(picture)
    if (small[..., 3] < 128).mean() > _CLEAR_SHARE:
        return _trimmed(_from_transparency(small, name))
    return _trimmed(_from_paper(np.ascontiguousarray(small[..., :3]), name))


def _reduced(picture: Rgba) -> Rgba:
    height, width = picture.shape[:2]
    scale = WORKING_SIDE_PX / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # weighted by alpha, so that hidden colours do not bleed into the border
    weight = picture[..., 3:].astype(np.float32) / 255
    rgb = cv2.resize(picture[..., :3] * weight, size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(weight[..., 0], size, interpolation=cv2.INTER_AREA)
    rgb = rgb / np.maximum(alpha, 1e-3)[..., None]
    return np.dstack([np.clip(rgb, 0, 255), alpha * 255]).round().astype(np.uint8)


def _from_transparency(picture: Rgba, name: str) -> Cutout:
    alpha = np.where(picture[..., 3] < 12, np.uint8(0), picture[..., 3])
    alpha = np.where(_largest(alpha > 127) > 0, alpha, np.uint8(0)).astype(np.uint8)
    _check_size(alpha, name)
    rgb = _bled(np.ascontiguousarray(picture[..., :3]), alpha)
    return Cutout(name, np.dstack([rgb, alpha]), alpha, _second_colour(rgb, alpha), _line_px(alpha))


def _from_paper(picture: Rgb, name: str) -> Cutout:
    sheet = follow_paper(picture, name)
    ink = _coverage(sheet.difference, sheet.tolerance)
    ink = np.where(_largest(ink > 127) > 0, ink, np.uint8(0)).astype(np.uint8)
    _check_size(ink, name)
    inside = _enclosed(ink > 127)
    line = _line_px(ink)
    holes = _see_through(inside, ink)
    # The seam between ink and the paper it encloses belongs to both, and shows nothing through.
    filled = (grow((inside & ~holes).astype(np.uint8) * 255, 1) > 0) & (inside | (ink > 0))
    alpha = np.where(filled, np.uint8(255), ink)
    shape = np.maximum(alpha, inside.astype(np.uint8) * 255)
    rgb = _pure(sheet.picture, sheet.difference)
    detail = np.maximum(_second_colour(rgb, alpha), holes.astype(np.uint8) * 255)
    return Cutout(name, np.dstack([_bled(rgb, alpha), alpha]), shape, detail, line)


def _coverage(difference: NDArray[np.float32], tolerance: float) -> Mask:
    """How much of each pixel is ink: half where the difference is half of that of the stroke beside it."""
    local = cv2.dilate(difference, np.ones((7, 7), np.uint8))
    share = (difference / np.maximum(local, 2 * tolerance) - 0.25) / 0.5
    share[difference < 0.6 * tolerance] = 0
    share[local < tolerance] = 0
    coverage = np.clip(share * 255, 0, 255).astype(np.uint8)
    # Pale paint beside a dark line is no border of that line: what is deep in the drawing is all ink.
    deep = shrink(np.where(difference > tolerance, np.uint8(255), np.uint8(0)), _SOFT)
    return np.asarray(np.maximum(coverage, deep), np.uint8)


def _largest(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The strokes that lie together and hold the most ink; specks and a neighbour's doodle fall away."""
    reach = max(1, round(_TOGETHER * max(ink.shape)))
    joined = grow(ink.astype(np.uint8) * 255, reach)
    count, labels = cv2.connectedComponents(joined)
    if count < 2:
        return ink
    weight = np.bincount(labels[ink], minlength=count)
    weight[0] = 0
    return np.asarray(ink & (labels == int(weight.argmax())))


def _enclosed(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Paper that cannot be reached from the border, small gaps in the lines closed."""
    gap = max(1, round(_GAP * max(ink.shape)))
    pad = gap + 2
    ink = np.pad(ink, pad)
    closed = grow(ink.astype(np.uint8) * 255, gap) > 0
    count, labels = cv2.connectedComponents((~closed).astype(np.uint8), connectivity=4)
    outside = (labels == labels[0, 0]).astype(np.uint8) * 255 if count > 1 else np.zeros(ink.shape, np.uint8)
    # Back to the lines: the outside grows by what closing took away from it, and cannot cross a gap again.
    inside = (~(grow(outside, gap + 1) > 0)) & ~ink
    inside &= cv2.connectedComponents((~ink).astype(np.uint8))[1] > 0
    return np.asarray(inside[pad:-pad, pad:-pad])


def _see_through(inside: NDArray[np.bool_], ink: Mask) -> NDArray[np.bool_]:
    """Enclosed areas that are holes: those in something thicker than they are wide, like the middle of a ring."""
    thickness = cv2.distanceTransform((ink > 127).astype(np.uint8), cv2.DIST_L2, 5)
    width = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    holes: Mask = np.zeros(inside.shape, np.uint8)
    for contour in contours:
        area: Mask = np.zeros(inside.shape, np.uint8)
        cv2.drawContours(area, [contour], -1, 255, -1)  # with what is drawn inside it
        radius = float(width[area > 0].max())
        away = cv2.distanceTransform(255 - area, cv2.DIST_L2, 5)
        around = (away > 0) & (away < 2 * radius + 3)
        if radius > _SOFT and 2 * float(thickness[around].max(initial=0)) > radius:
            holes |= area
    return inside & (holes > 0)


def _pure(picture: Rgb, difference: NDArray[np.float32]) -> Rgb:
    """The picture with each pixel in the colour of its neighbour that has least paper in it."""
    best, pure = difference.copy(), picture.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            moved = np.roll(difference, (dy, dx), (0, 1))
            # Only borders take another's colour: the inside of a stroke keeps its own grain.
            better = (moved > best) & (difference < 0.9 * moved)
            best = np.where(better, moved, best)
            pure[better] = np.roll(picture, (dy, dx), (0, 1))[better]
    return pure


def _bled(rgb: Rgb, alpha: Mask) -> Rgb:
    """Colours carried on beyond the border, so that nothing fades to black where it is bent or shrunk."""
    solid = alpha > 200 if (alpha > 200).any() else alpha > 0
    _, labels = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colours[labels[solid]] = rgb[solid]
    return np.where(solid[..., None], rgb, colours[labels]).astype(np.uint8)


def _second_colour(rgb: Rgb, alpha: Mask) -> Mask:
    """(h, w) coverage of the lesser of the two main colours within alpha; empty if there is but one."""
    solid = alpha > 127
    samples = rgb[solid].astype(np.float32)
    nothing: Mask = np.zeros(alpha.shape, np.uint8)
    if len(samples) < 8:
        return nothing
    dark, light = (samples[samples.sum(1).argsort(kind="stable")[int(q * (len(samples) - 1))]] for q in (0.02, 0.98))
    centres = np.stack([dark, light])
    for _ in range(8):
        nearest = np.linalg.norm(samples[:, None] - centres, axis=2).argmin(1)
        centres = np.stack([samples[nearest == k].mean(0) if (nearest == k).any() else centres[k] for k in (0, 1)])
    if np.linalg.norm(centres[0] - centres[1]) < _TWO_COLOURS:
        return nothing
    lesser = int((nearest == 1).mean() < 0.5)
    towards = (rgb.astype(np.float32) - centres[1 - lesser]) @ (centres[lesser] - centres[1 - lesser])
    share = towards / float(((centres[lesser] - centres[1 - lesser]) ** 2).sum())
    return np.asarray(np.minimum(np.clip((share - 0.25) * 2 * 255, 0, 255), alpha), np.uint8)


def _line_px(ink: Mask) -> float:
    """Twice the area of the strokes over the length of their borders: the width of a line."""
    solid = (ink > 127).astype(np.uint8)
    contours, _ = cv2.findContours(solid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    length = sum(cv2.arcLength(contour, True) for contour in contours)
    return max(1.0, 2 * float(solid.sum()) / max(float(length), 1.0))


def _check_size(ink: Mask, name: str) -> None:
    _, _, width, height = cv2.boundingRect((ink > 127).astype(np.uint8))
    if max(width, height) < LEAST_SIDE_PX or (ink > 127).mean() < _LEAST_INK:
        raise AmogusError(
            f"{name}: nothing is drawn in it that is {LEAST_SIDE_PX} pixels large",
            "draw larger or darker, or take it out of the folder",
        )


def _trimmed(one: Cutout) -> Cutout:
    x, y, w, h = cv2.boundingRect(np.maximum(one.rgba[..., 3], one.shape))
    cut = np.s_[y : y + h, x : x + w]
    return Cutout(one.name, one.rgba[cut].copy(), one.shape[cut].copy(), one.detail[cut].copy(), one.line_px)
