"""Painting with masks: the few strokes that every style is made of."""

from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.palette import Colour
from amogus_search.synth.sprite import Layer, Mask, Rgba

Image32 = NDArray[np.float32]


def blank(size_hw: tuple[int, int], colour: Colour = (0, 0, 0)) -> Image32:
    """An (h, w, 3) float32 image of one colour."""
    return np.full((*size_hw, 3), colour, np.float32)


def paint(image: Image32, mask: Mask, colour: Colour | Image32, opacity: float = 1.0) -> None:
    """Lay a colour (or an image of colours) over the image where the mask is, in place."""
    x, y, w, h = cv2.boundingRect(mask)
    if w == 0:
        return
    window = np.s_[y : y + h, x : x + w]
    weight = (mask[window] * np.float32(opacity / 255))[..., None]
    source = np.asarray(colour, np.float32)
    source = source[window] if source.ndim == 3 else source
    image[window] += (source - image[window]) * weight


def union(*masks: Mask) -> Mask:
    """What any of the masks covers."""
    return reduce(lambda a, b: np.asarray(cv2.max(a, b), np.uint8), masks)


def without(mask: Mask, hole: Mask) -> Mask:
    """What the mask covers and the hole does not."""
    return np.asarray(cv2.min(mask, cv2.bitwise_not(hole)), np.uint8)


def grow(mask: Mask, radius: float) -> Mask:
    """The mask widened by a round brush of this radius in pixels."""
    size = 2 * max(0, round(radius)) + 1
    if size == 1:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask, kernel), np.uint8)


def shrink(mask: Mask, radius: float) -> Mask:
    """The mask narrowed by a round brush of this radius in pixels."""
    return np.asarray(255 - grow(np.asarray(255 - mask, np.uint8), radius), np.uint8)


def rim(mask: Mask, radius: float) -> Mask:
    """A line of about 2 * radius along the mask's border."""
    return np.asarray(cv2.subtract(grow(mask, radius), shrink(mask, max(radius, 1))), np.uint8)


def shifted(mask: Mask, dx: float, dy: float) -> Mask:
    """The mask moved by a vector in pixels, empty where nothing moved in."""
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return np.asarray(cv2.warpAffine(mask, matrix, (mask.shape[1], mask.shape[0])), np.uint8)


def blur(image: NDArray[np.generic], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur, float32; sigma below 0.2 px leaves the image as it is."""
    source = np.asarray(image, np.float32)
    return source if sigma < 0.2 else np.asarray(cv2.GaussianBlur(source, (0, 0), sigma), np.float32)


def to_rgba(image: Image32, alpha: NDArray[np.generic]) -> Rgba:
    """(h, w, 4) uint8 from colours 0..255 and alpha 0..255."""
    rgba = np.empty((*alpha.shape, 4), np.uint8)
    rgba[..., :3] = np.clip(image, 0, 255)
    rgba[..., 3] = np.clip(alpha, 0, 255)
    return rgba


def layer(image: Image32, alpha: Mask, shape: Mask | None = None) -> Layer:
    """A normally blended layer."""
    return Layer(to_rgba(image, alpha), alpha if shape is None else shape)
