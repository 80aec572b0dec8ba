"""Blurring quickly, and two pictures become one: coarse structure over a wide seam, fine structure over a narrow one.

Multi-band blending: P. J. Burt, E. H. Adelson, A Multiresolution Spline With Application to Image Mosaics, 1983.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

_EXACT_SIGMA = 3.0
"""Wider blurs are made of a smaller picture: nobody can tell, and they take no longer the wider they are."""

_ENLARGED_VARIANCE = 0.25
"""What averaging over blocks and enlarging linearly blur, in squared pixels of the smaller picture."""

Picture = NDArray[np.float32]
"""(h, w, 3) float32, 0..255."""


def blurred(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """The picture, (h, w) or (h, w, 3), under a Gaussian of that standard deviation in pixels."""
    if sigma <= 0.25:
        return picture
    steps = max(0, int(np.log2(sigma / _EXACT_SIGMA)) + 1) if sigma > _EXACT_SIGMA else 0
    height, width = picture.shape[:2]
    size = (max(1, width >> steps), max(1, height >> steps))
    if steps == 0 or min(size) < 2:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
    # Light is computed from slopes, and those of a picture enlarged linearly have steps: a last small blur takes them.
    last = 0.6
    rest = np.sqrt(max((sigma / 2**steps) ** 2 - last**2 - _ENLARGED_VARIANCE, 0.25))
    small = cv2.GaussianBlur(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (0, 0), rest)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), last * 2**steps), np.float32)


def blend(ground: Picture, paint: Picture, alpha: NDArray[np.float32], levels: int) -> Picture:
    """The paint on the ground where alpha is 1; (h, w, 3) float32, may leave 0..255 a little.

    Args:
        ground, paint: of the same size.
        alpha: (h, w) float32 0..1.
        levels: 0 mixes plainly; each one more doubles the width over which the coarsest structure goes over.
    """
    levels = min(levels, max(0, int(np.log2(max(1, min(alpha.shape)))) - 2))
    result: Picture | None = None
    for ground_band, paint_band, share in zip(
        _bands(ground, levels), _bands(paint, levels), _smaller(alpha, levels), strict=True
    ):
        mixed = ground_band + share[..., None] * (paint_band - ground_band)
        result = mixed if result is None else cv2.pyrUp(result, dstsize=_size(mixed)) + mixed
    assert result is not None
    return np.asarray(result, np.float32)


def _smaller(picture: NDArray[np.float32], levels: int) -> list[NDArray[np.float32]]:
    """The picture at falling sizes, smallest first."""
    stack = [picture]
    for _ in range(levels):
        stack.append(cv2.pyrDown(stack[-1]))
    return stack[::-1]


def _bands(picture: Picture, levels: int) -> list[Picture]:
    """What each size adds to the next smaller one, smallest first."""
    stack = _smaller(picture, levels)
    finer = [one - cv2.pyrUp(small, dstsize=_size(one)) for small, one in pairwise(stack)]
    return [stack[0], *finer]


def _size(picture: NDArray[np.float32]) -> tuple[int, int]:
    return int(picture.shape[1]), int(picture.shape[0])
