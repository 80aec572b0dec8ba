"""The one way pictures are made larger or smaller on their way to a model."""

from __future__ import annotations

import cv2
import numpy as np

from amogus_search.core.types import Pixels


def resize(pixels: Pixels, size_wh: tuple[int, int]) -> Pixels:
    """The picture at another size: area averages when it shrinks (no moiré), linear when it grows."""
    shrinking = size_wh[0] < pixels.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=method), np.uint8)


def resize_cells(pixels: Pixels, size_wh: tuple[int, int]) -> Pixels:
    """The same for pixel art: cells stay flat and their edges sharp when it grows."""
    if size_wh[0] < pixels.shape[1]:
        return resize(pixels, size_wh)
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
