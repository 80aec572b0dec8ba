"""How an export gets at pixels: through a callback, so that there is one decoder, and it is elsewhere.

The callback answers with bare pixels or, better, with a `DecodedImage`, whose content hash tells whether the file is
still the one that was searched. It raises `DecodeError` or `OSError` for a file that cannot be read any more.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.cropping import Window, crop_window, cut, scale_boxes
from amogus_search.core.types import DecodedImage, Hit, Pixels
from amogus_search.errors import DecodeError

ReadPixels: TypeAlias = Callable[[bytes], Pixels | DecodedImage]
"""Absolute path -> the upright picture; see the module's docstring."""

CHANGED = "changed"
"""The reason for a picture that is not the one the index saw; the others are `core.types.SKIP_REASONS`."""


@dataclass(frozen=True)
class Problem:
    """A hit whose picture could not be shown.

    rank, path: of the hit
    reason:     `CHANGED` or one of `core.types.SKIP_REASONS`
    detail:     what was seen
    """

    rank: int
    path: bytes
    reason: str
    detail: str


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels of one picture, perhaps smaller than `full_wh`; boxes are always in pixels of the full size."""

    pixels: Pixels
    full_wh: tuple[int, int]

    @property
    def whole(self) -> Window:
        """The window that is all of this picture's own pixels."""
        height, width = self.pixels.shape[:2]
        return 0, 0, width, height

    def window(self, box_xyxy: NDArray[np.float32], pad_ratio: float) -> Window:
        """The crop window about a box of the full picture, in this picture's own pixels."""
        height, width = self.pixels.shape[:2]
        return crop_window(scale_boxes(box_xyxy, self.full_wh, (width, height)), (width, height), pad_ratio)

    def crop(self, box_xyxy: NDArray[np.float32], pad_ratio: float) -> Pixels:
        """The pixels about a box of the full picture, not resized."""
        return cut(self.pixels, self.window(box_xyxy, pad_ratio))

    def in_full(self, window: Window) -> Window:
        """A window of this picture's own pixels, in whole pixels of the full picture."""
        own_wh = self.whole[2:]
        left, top, right, bottom = (round(float(v)) for v in scale_boxes(window, own_wh, self.full_wh))
        return left, top, right, bottom


def read_picture(read_pixels: ReadPixels, hit: Hit) -> Picture | Problem:
    """The picture that a hit speaks of, or why it cannot be had. Never another picture's pixels."""
    try:
        answer = read_pixels(hit.path)
    except DecodeError as error:
        return Problem(hit.rank, hit.path, error.reason, error.detail)
    except FileNotFoundError:
        return Problem(hit.rank, hit.path, "vanished", "the file is not there any more")
    except PermissionError as error:
        return Problem(hit.rank, hit.path, "permission", error.strerror or "permission denied")
    except OSError as error:
        return Problem(hit.rank, hit.path, "io_error", error.strerror or type(error).__name__)
    if isinstance(answer, DecodedImage):
        return _checked(hit, answer.pixels, answer.full_wh, answer.sha256)
    height, width = answer.shape[:2]
    return _checked(hit, answer, (width, height), "")


def _checked(hit: Hit, pixels: Pixels, full_wh: tuple[int, int], sha256: str) -> Picture | Problem:
    if sha256 and hit.sha256 and sha256 != hit.sha256:
        return Problem(hit.rank, hit.path, CHANGED, "the file's content is not the one that was searched")
    if tuple(full_wh) != tuple(hit.full_wh):
        seen, known = (f"{width} x {height}" for width, height in (full_wh, hit.full_wh))
        return Problem(hit.rank, hit.path, CHANGED, f"the picture is {seen} px, it was {known} px when it was searched")
    return Picture(pixels, full_wh)


def encoded(pixels: Pixels, form: str, quality: int) -> bytes:
    """A picture file's bytes without any metadata: JPEG with full colour resolution (4:4:4), WebP, or exact PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, form, **_options(form, quality))
    return buffer.getvalue()


def _options(form: str, quality: int) -> dict[str, int]:
    by_form = {"JPEG": {"quality": quality, "subsampling": 0}, "WEBP": {"quality": quality, "method": 2}, "PNG": {}}
    return by_form[form]


def shrunk(pixels: Pixels, longest_px: int) -> Pixels:
    """The picture with its longer side at most `longest_px`, never enlarged."""
    from PIL import Image

    height, width = pixels.shape[:2]
    ratio = longest_px / max(height, width)
    if ratio >= 1:
        return pixels
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    # reducing_gap first averages whole blocks: as good to look at, several times quicker for large photographs.
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(small, np.uint8)
