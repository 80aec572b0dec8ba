"""Is one picture a copy of another: saved again, at another size, slightly cropped? Not: another shot of the same.

An embedder calls two frames of one scene as similar as two savings of one frame. So small thumbnails are laid onto
each other, and then every part must agree: the whole may have been cropped but not turned (no hand is that still),
one of the two frames must contain the other, and no block may differ (something moved).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels

THUMB_PX = 96
"""Side of a thumbnail: something of a twentieth of the picture's side is still some pixels wide."""
OUTLINE_PX = 32
LEAST_ALIKE = 0.4
"""Correlation of two outlines laid on as they are; crops of a tenth keep more, most strangers have less."""
READ_PX = 512
"""Longest side that a picture need be decoded at: area averages of it are those of the full picture."""
_BLOCK_PX = 8
_BLUR_PX = 1.0
"""Of the differences, so that sharpness lost by saving does not count, and something that moved does."""
_LEAST_STD = 4.0
"""Of 255: a picture with less structure is compared as if it had this much."""
_SEARCH = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
_SMOOTH_PX = 5
_Lay: TypeAlias = NDArray[np.float32]
"""(2, 3) affine map from the second thumbnail's pixels to the first one's."""
_AS_IT_IS: _Lay = np.eye(2, 3, dtype=np.float32)


@dataclass(frozen=True)
class CopySettings:
    """max_turn: rotation or shear of a copy, as the sine of the angle; a still hand turns a camera by more.

    max_apart: by which share of the side either frame may stick out of the other
    max_scale: crops that leave less than one in so much are other pictures
    max_block: largest difference of brightness in a block, as a share of the picture's own contrast
    max_tint: the same for single colours, which saving at low quality smears
    max_brighter: by how much the mean brightness may differ, of 255
    least_correlation: of the thumbnails where they overlap
    """

    max_turn: float = 0.003
    max_apart: float = 0.01
    max_scale: float = 1.3
    max_block: float = 0.25
    max_tint: float = 0.5
    max_brighter: float = 48.0
    least_correlation: float = 0.75


COPY = CopySettings()


@dataclass(frozen=True)
class Comparison:
    """What laying one picture onto another came to.

    is_copy:     every rule holds
    mirrored:    it was laid on with left and right exchanged
    correlation: of the brightness where they overlap, -1 to 1
    worst_block: largest difference of a block, in brightness or half of it in a colour, as a share of the contrast;
        infinite if they could not be laid on
    """

    is_copy: bool
    mirrored: bool
    correlation: float
    worst_block: float


def thumbnail(pixels: Pixels) -> Pixels:
    """The whole picture as (96, 96, 3) uint8, proportions given up, by area averages."""
    shrunk = cv2.resize(np.ascontiguousarray(pixels), (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)


def compare(first: Pixels, second: Pixels, settings: CopySettings = COPY, *, mirrors: bool = False) -> Comparison:
    """Whether one of two thumbnails is of a copy of the other's picture, in either direction.

    Args:
        first, second: what `thumbnail` gave.
        settings: how alike is a copy.
        mirrors: count a copy with left and right exchanged as one, too.
    """
    found = _compared(first, second, settings, mirrored=False)
    if found.is_copy or not mirrors:
        return found
    other = _compared(first, np.ascontiguousarray(second[:, ::-1]), settings, mirrored=True)
    return other if other.is_copy or other.correlation > found.correlation else found


def outline(thumb: Pixels) -> Pixels:
    """A thumbnail's brightness alone, (32, 32) uint8: a kilobyte, for `may_be_copies`."""
    grey = cv2.cvtColor(thumb, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (OUTLINE_PX, OUTLINE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def may_be_copies(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether outlines are alike enough for `compare` to be worth its milliseconds, cropped or not.

    Args:
        first, second: (..., 32, 32) outlines, which are held against each other place by place.
    """
    here, there = (one.reshape(*one.shape[:-2], -1).astype(np.float32) for one in (first, second))
    here, there = here - here.mean(axis=-1, keepdims=True), there - there.mean(axis=-1, keepdims=True)
    own, other = np.vecdot(here, here), np.vecdot(there, there)
    is_flat = np.maximum(own, other) <= here.shape[-1]
    return np.asarray(is_flat | (np.vecdot(here, there) >= LEAST_ALIKE * np.maximum(np.sqrt(own * other), 1.0)))


def _compared(first: Pixels, second: Pixels, settings: CopySettings, *, mirrored: bool) -> Comparison:
    wide = first.astype(np.float32), second.astype(np.float32)
    straight = _judged(*wide, _AS_IT_IS, settings, mirrored)
    if straight.is_copy:  # nothing was cropped: most copies, and a hundred times as fast
        return straight
    lay = _laid(*wide) if may_be_copies(outline(first), outline(second)) else None
    if lay is None:
        return straight
    shifted = _judged(*wide, lay, settings, mirrored)
    return shifted if shifted.is_copy or shifted.correlation > straight.correlation else straight


def _laid(first: NDArray[np.float32], second: NDArray[np.float32]) -> _Lay | None:
    """How the second lies best on the first; None if that cannot be found."""
    greys = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (first, second)]
    try:
        _, lay = cv2.findTransformECC(
            greys[1], greys[0], _AS_IT_IS.copy(), cv2.MOTION_AFFINE, _SEARCH, None, _SMOOTH_PX
        )
    except cv2.error:  # it does not converge: the two have nothing in common, or no structure
        return None
    return np.asarray(lay, np.float32) if np.isfinite(lay).all() else None


def _judged(
    first: NDArray[np.float32], second: NDArray[np.float32], lay: _Lay, settings: CopySettings, mirrored: bool
) -> Comparison:
    size = (THUMB_PX, THUMB_PX)
    onto = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(first, lay, size, flags=onto, borderMode=cv2.BORDER_REPLICATE)
    shared = cv2.warpAffine(np.ones(size, np.float32), lay, size, flags=onto) > 0.99
    if shared.mean() < 0.5:
        return Comparison(False, mirrored, 0.0, float("inf"))
    correlation, differences, contrast = _agreement(moved, second, shared)
    brightness = _worst_block(differences.mean(axis=2, keepdims=True)) / contrast
    tint = _worst_block(differences) / contrast
    is_copy = (
        _is_crop(lay, settings)
        and brightness <= settings.max_block
        and tint <= settings.max_tint
        and abs(float(moved[shared].mean() - second[shared].mean())) <= settings.max_brighter
        and correlation >= settings.least_correlation
    )
    return Comparison(is_copy, mirrored, correlation, max(brightness, tint / 2))


def _agreement(
    moved: NDArray[np.float32], second: NDArray[np.float32], shared: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float32], float]:
    """Correlation of the brightness, (96, 96, 3) differences beyond brightness and contrast, and the contrast."""
    here, there = moved[shared].mean(axis=1), second[shared].mean(axis=1)
    near, far = here - here.mean(), there - there.mean()
    within, beyond, both = float(near @ near), float(far @ far), float(near @ far)
    differences = (second - there.mean()) - (both / max(within, 1.0)) * (moved - here.mean())
    differences[~shared] = 0
    is_flat = max(within, beyond) <= len(near)
    correlation = 1.0 if is_flat else both / float(np.sqrt(max(within * beyond, 1.0)))
    return correlation, differences, max(float(there.std()), _LEAST_STD)


def _worst_block(differences: NDArray[np.float32]) -> float:
    """The largest root mean square of a block in any channel."""
    soft = cv2.GaussianBlur(differences, (0, 0), _BLUR_PX).reshape(differences.shape)
    across = THUMB_PX // _BLOCK_PX
    blocks = np.square(soft).reshape(across, _BLOCK_PX, across, _BLOCK_PX, -1).mean(axis=(1, 3))
    return float(np.sqrt(blocks.max()))


def _is_crop(lay: _Lay, settings: CopySettings) -> bool:
    """Whether all that was done to one frame is to cut off its sides."""
    scales = np.asarray([lay[0, 0], lay[1, 1]])
    turn = max(abs(float(lay[0, 1])), abs(float(lay[1, 0])))
    if turn > settings.max_turn or scales.max() > settings.max_scale or scales.min() < 1 / settings.max_scale:
        return False
    before, after = lay[:, 2], lay[:, 2] + (scales - 1) * (THUMB_PX - 1)  # how far the corners lie from each other
    inside, outside = max(float((-before).max()), float(after.max())), max(float(before.max()), float((-after).max()))
    return min(inside, outside) <= settings.max_apart * THUMB_PX
