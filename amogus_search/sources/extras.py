"""What a picture file holds besides pixels that look like something: profile, metadata, transparency.

Asked for when a changed picture is saved again. The file was decoded whole in a process of its own before, so bytes
that kill a decoder do not come here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from amogus_search.core.types import Pixels
from amogus_search.errors import DecodeError
from amogus_search.settings import DecodeSettings
from amogus_search.sources.decode import (
    _ORIENTATION_TAG,
    _UPRIGHT,
    _orientation,
    _strict_pillow,
    allowed_formats,
    read_file,
)

_RGB_PROFILE = b"RGB "
_EXIF_POINTER, _WIDTH_TAG, _HEIGHT_TAG = 0x8769, 0xA002, 0xA003
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:=["\']|>))[1-8]')
_DESCRIPTIVE = frozenset({0x010E, 0x010F, 0x0110, 0x0112, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825})
"""Tags of a TIFF that are about the picture: description, camera, orientation, software, time, people, EXIF, GPS."""
_MOST_TEXT = 1 << 20
_DEEP = ("I;16", "I;16L", "I;16B", "I", "F")


@dataclass(frozen=True, eq=False)
class Extras:
    """What belongs to a picture besides its pixels.

    format: as the decoder names it
    icc:    colour profile of RGB pixels
    exif:   EXIF block with its orientation reset, since pixels are upright
    xmp:    XMP packet, likewise
    dpi:    pixels an inch, across and down
    text:   the text fields of a PNG
    alpha:  (h, w) uint8 upright; None if the picture has no transparency
    hidden: (h, w, 3) uint8 upright: the colours as stored, also where they are transparent; with `alpha`
    losses: what of the original is not in 8-bit RGB pixels, in words
    """

    format: str
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    alpha: NDArray[np.uint8] | None = None
    hidden: Pixels | None = None
    losses: tuple[str, ...] = ()


def read_extras(path: bytes, sha256: str, settings: DecodeSettings) -> Extras:
    """The extras of a file that has been decoded; metadata that cannot be read is left out, and said so.

    Raises:
        DecodeError: the file cannot be read any more, or is another one than was decoded.
    """
    content = read_file(path, settings)
    if content.sha256 != sha256:
        raise DecodeError("changed_while_reading", "the file changed after it was decoded")
    with _strict_pillow(settings.max_pixels):
        image = Image.open(io.BytesIO(content.data), formats=allowed_formats())
        with image:
            return _extras(image)


def _extras(image: Image.Image) -> Extras:
    info: dict[Any, Any] = dict(image.info)
    losses: list[str] = []
    if image.mode in _DEEP:
        losses.append("16 bits and more a channel became 8")
    if image.mode in ("CMYK", "YCCK", "LAB"):
        losses.append(f"{image.mode} became RGB")
    if int(getattr(image, "n_frames", 1) or 1) > 1:
        losses.append("the first frame only")
    icc = info.get("icc_profile")
    if icc and bytes(icc[16:20]) != _RGB_PROFILE:
        icc = None
        losses.append("a colour profile that is not for RGB was left out")
    exif = _exif(image, losses)
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    text = (
        {k: v for k, v in info.items() if isinstance(v, str) and len(v) < _MOST_TEXT} if image.format == "PNG" else {}
    )
    text.pop("XML:com.adobe.xmp", None)
    turn = _orientation(image)
    alpha, hidden = _transparency(image, turn)
    return Extras(
        format=image.format or "?",
        icc=icc or None,
        exif=exif,
        xmp=_XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if isinstance(xmp, bytes) else None,
        dpi=_dpi(info.get("dpi")),
        text=text,
        alpha=alpha,
        hidden=hidden,
        losses=tuple(losses),
    )


def _exif(image: Image.Image, losses: list[str]) -> bytes | None:
    try:
        exif = image.getexif()
        if image.format == "TIFF":  # there it is also how the pixels are stored, which is no longer so
            for tag in set(exif) - _DESCRIPTIVE:
                del exif[tag]
        if not len(exif):
            return None
        turn = int(exif.get(_ORIENTATION_TAG, 1) or 1)
        if _ORIENTATION_TAG in exif:
            exif[_ORIENTATION_TAG] = 1
        inner = exif.get_ifd(_EXIF_POINTER)
        if turn >= 5 and _WIDTH_TAG in inner and _HEIGHT_TAG in inner:
            inner[_WIDTH_TAG], inner[_HEIGHT_TAG] = inner[_HEIGHT_TAG], inner[_WIDTH_TAG]
        return exif.tobytes()
    except Exception:  # noqa: BLE001 - metadata parsers raise as many kinds of errors as decoders
        losses.append("damaged EXIF was left out")
        return None


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(number) for number in value)
    except (TypeError, ValueError):
        return None
    return (across, down) if 0 < across < 1e5 and 0 < down < 1e5 else None


def _transparency(image: Image.Image, turn: int) -> tuple[NDArray[np.uint8] | None, Pixels | None]:
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return None, None
    if image.mode in _DEEP:
        return None, None
    table = np.array(image.convert("RGBA"), np.uint8)
    if turn != 1:
        table = np.ascontiguousarray(np.dstack([_UPRIGHT[turn](table[..., :3]), _turned(table[..., 3], turn)]))
    if (table[..., 3] == 255).all():
        return None, None
    return np.ascontiguousarray(table[..., 3]), np.ascontiguousarray(table[..., :3])


def _turned(plane: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    return _UPRIGHT[turn](np.repeat(plane[..., None], 3, axis=2))[..., 0]
