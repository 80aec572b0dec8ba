"""Every pixel mode that a decoder may give, as (h, w, 3) uint8 RGB.

Deep and floating-point pictures are scaled here explicitly: a plain conversion would clip a 16-bit
picture to white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels
from amogus_search.errors import DecodeError

if TYPE_CHECKING:
    from PIL import Image

_BAND_PX = 1 << 22
"""Deep pictures are scaled in bands of rows of about so many pixels, so that no second deep copy is held."""
_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def to_rgb(image: Image.Image) -> Pixels:
    """The loaded image as (h, w, 3) uint8 RGB.

    Transparency is laid over white: cut-out stickers, logos and line drawings are made for light pages,
    and a black outline would vanish over black.

    Raises:
        DecodeError: non_finite, for floating-point pictures with NaN or infinity.
    """
    if image.mode.startswith("I") or image.mode == "F":
        grey = _scaled(np.asarray(image))
        return np.repeat(grey[:, :, None], 3, axis=2)
    return np.array(_eight_bit_rgb(image), dtype=np.uint8)


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        return _lab_to_rgb(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return _over_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    from PIL import Image as PILImage

    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    page = PILImage.new("RGB", image.size, (255, 255, 255))
    page.paste(image, mask=alpha)
    return page


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    if converted is None:  # only an in-place transform gives nothing back
        raise DecodeError("unsupported_codec", "LAB colours could not be converted")
    return converted


def _scaled(values: NDArray[Any]) -> Pixels:
    """(h, w) integers or floats as (h, w) uint8; 16-bit values are divided by 257, so white stays white."""
    low, high = (0.0, 65535.0) if values.dtype.itemsize == 2 else _range(values)
    out = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND_PX // max(1, values.shape[1]))
    for top in range(0, len(values), rows):
        band = values[top : top + rows].astype(np.float32)
        out[top : top + rows] = np.clip((band - low) * (255.0 / (high - low)) + 0.5, 0, 255)
    return out


def _range(values: NDArray[Any]) -> tuple[float, float]:
    """Black and white of a picture whose mode does not say: the smallest usual range that holds all its values."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DecodeError("non_finite", "the picture has NaN or infinite pixels")
    usual = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    for white in usual:
        if low >= 0.0 and high <= white:
            return 0.0, white
    return (low, high) if low < high else (min(low, 0.0), max(high, 0.0))  # of one value: black below zero, else white
