"""Crops and masks as servers take them, and their pictures as we take them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from amogus_search.core.conversion import Job
from amogus_search.core.types import Pixels
from amogus_search.errors import ConversionError

GRID_PX = 8
"""Latent diffusion works on cells of so many pixels."""
_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class Parcel:
    """One job's pictures, as PNG of the same size, both sides multiples of 8.

    picture: RGB
    mask:    greyscale: 255 is painted anew, 0 stays
    size_wh: of both; the crop lies in the upper left
    """

    picture: bytes
    mask: bytes
    size_wh: tuple[int, int]


def packed(job: Job) -> Parcel:
    """The job's crop and mask.

    The mask covers all that may change at all: the feather is mixed by the caller, and would else be mixed twice.
    """
    height, width = job.crop.shape[:2]
    more = ((0, -height % GRID_PX), (0, -width % GRID_PX))
    picture = np.pad(job.crop, (*more, (0, 0)), mode="edge")
    mask = np.pad(np.where(job.mask > 0, np.uint8(255), np.uint8(0)), more)
    return Parcel(_png(picture), _png(mask), (picture.shape[1], picture.shape[0]))


def unpacked(content: bytes, parcel: Parcel, job: Job, server: str) -> Pixels:
    """The picture that came back, (h, w, 3) uint8, as large as the job's crop.

    Args:
        content: PNG, JPEG or WebP.
        parcel: what was sent.
        job: for which.
        server: its name, for errors.

    Raises:
        ConversionError: it is no picture, or one of another size.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            size = image.size
            # Told before it is decoded: a bomb must not go off.
            pixels = np.asarray(image.convert("RGB")) if size == parcel.size_wh else None
    except (OSError, ValueError, SyntaxError, EOFError, Warning, Image.DecompressionBombError) as error:
        raise ConversionError(
            f"{server} gave {len(content)} bytes that are no picture: {type(error).__name__}", "its log says more"
        ) from None
    if pixels is None:
        raise ConversionError(
            f"{server} gave a picture of {size[0]} x {size[1]} px and was asked for {parcel.size_wh[0]} x "
            f"{parcel.size_wh[1]}",
            "leave out what scales or crops; --size says how large the crop is",
        )
    height, width = job.crop.shape[:2]
    return np.ascontiguousarray(pixels[:height, :width])


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
