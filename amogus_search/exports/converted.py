"""Changed pictures as files: whole, beside a sidecar that says how they were made, and never half of either.

The sidecar is written first and holds the digest of the picture that follows. So a picture without its sidecar is
never ours, a sidecar without its picture is work that was cut off, and both together are done.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels
from amogus_search.errors import AmogusError, UsageError
from amogus_search.exports.folders import write_whole

GENERATOR = "amogus_search convert"
SIDECAR_VERSION = 1
QUALITY = 95
"""Of a JPEG that is saved as JPEG again, with full colour resolution (4:4:4)."""
_PNG_LEVEL = 2
"""Compression of PNG: photos hardly get smaller beyond it, and take many times as long."""

PictureFormat: TypeAlias = Literal["png", "same"]
_SAME = {"JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}
_EXTENSIONS = {".jpg": (".jpg", ".jpeg", ".jpe", ".jfif"), ".tif": (".tif", ".tiff")}


class PictureExtras(Protocol):
    """What belongs to a picture besides its pixels; `sources.extras.Extras` is one."""

    @property
    def format(self) -> str: ...  # noqa: D102 - see `sources.extras.Extras`
    @property
    def icc(self) -> bytes | None: ...  # noqa: D102
    @property
    def exif(self) -> bytes | None: ...  # noqa: D102
    @property
    def xmp(self) -> bytes | None: ...  # noqa: D102
    @property
    def dpi(self) -> tuple[float, float] | None: ...  # noqa: D102
    @property
    def text(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def alpha(self) -> NDArray[np.uint8] | None: ...  # noqa: D102
    @property
    def hidden(self) -> Pixels | None: ...  # noqa: D102


@dataclass(frozen=True)
class Saved:
    """A picture file to be: its bytes, its extension, and how it was compressed, in words."""

    content: bytes
    suffix: str
    how: str


def saved_format(source_format: str, wanted: PictureFormat) -> str:
    """Pillow's name of the format that a changed picture of this format is saved in."""
    if wanted == "png" or source_format not in _SAME:
        return "PNG"
    return "JPEG" if source_format == "MPO" else source_format


def encoded_picture(
    pixels: Pixels, mask: NDArray[np.float32], extras: PictureExtras, wanted: PictureFormat, name_suffix: str = ""
) -> Saved:
    """The changed picture as a file's bytes, with its profile and metadata.

    Args:
        pixels: (h, w, 3) uint8 upright, transparency laid over white.
        mask: (h, w) where it changed; elsewhere transparency and hidden colours stay.
        extras: of the original.
        wanted: `png`, or `same` as the original where that format can be written (PNG where not).
        name_suffix: the original's extension, kept where it names the format that is written.
    """
    from PIL import Image

    form = saved_format(extras.format, wanted)
    table = _with_transparency(pixels, mask, extras) if form in ("PNG", "WEBP", "TIFF") else pixels
    options, how = _options(form)
    kept: dict[str, Any] = {"icc_profile": extras.icc, "exif": extras.exif, "dpi": extras.dpi}
    if form != "BMP":
        kept["xmp"] = extras.xmp
    if form == "PNG":
        kept["pnginfo"] = _png_text(extras)
        kept.pop("xmp")
    if form == "TIFF" and extras.exif is not None:
        options = {}  # Pillow writes an EXIF block into uncompressed TIFFs only
    if form == "BMP":
        kept = {"dpi": extras.dpi}
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(table))
    image.save(buffer, form, **options, **{name: value for name, value in kept.items() if value is not None})
    suffix = _SAME.get(form, ".png")
    if name_suffix.lower() in _EXTENSIONS.get(suffix, (suffix,)):
        suffix = name_suffix
    return Saved(buffer.getvalue(), suffix, how)


def _options(form: str) -> tuple[dict[str, Any], str]:
    by_form: dict[str, tuple[dict[str, Any], str]] = {
        "PNG": ({"compress_level": _PNG_LEVEL}, "PNG, exact"),
        "JPEG": ({"quality": QUALITY, "subsampling": 0}, f"JPEG, quality {QUALITY}, 4:4:4: pixels change everywhere"),
        "WEBP": ({"lossless": True, "exact": True, "method": 2}, "WebP, exact"),
        "TIFF": ({"compression": "tiff_deflate"}, "TIFF, exact"),
        "BMP": ({}, "BMP, exact"),
    }
    return by_form[form]


def _png_text(extras: PictureExtras) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for name, value in extras.text.items():
        if 0 < len(name) < 80 and name.isascii():
            info.add_itxt(name, value)
    if extras.xmp is not None:
        info.add_itxt("XML:com.adobe.xmp", extras.xmp.decode("utf-8", "replace"))
    return info


def _with_transparency(pixels: Pixels, mask: NDArray[np.float32], extras: PictureExtras) -> NDArray[np.uint8]:
    """(h, w, 4): opaque where something was painted, as it was everywhere else."""
    if extras.alpha is None or extras.hidden is None or extras.alpha.shape != pixels.shape[:2]:
        return pixels
    painted = np.asarray(np.rint(mask * 255), np.uint8)
    alpha = np.maximum(extras.alpha, painted)
    colours = np.where((mask > 0)[..., None], pixels, extras.hidden)
    return np.dstack([colours, alpha])


def write_result(picture: Path, content: bytes, sidecar: Path, record: Mapping[str, Any]) -> None:
    """Writes the sidecar, then the picture; the sidecar gets the picture's name, size and digest as `output`.

    Raises:
        AmogusError: the disk is full or the folder cannot be written to.
    """
    output = {"name": picture.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    whole = {"generator": GENERATOR, "version": SIDECAR_VERSION, **record}
    whole["output"] = {**output, **record.get("output", {})}
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_whole(sidecar, _text(whole))
        write_whole(picture, content)
    except OSError as error:
        raise AmogusError(
            f"{picture} cannot be written: {error.strerror or error}", "make room or choose another --out, and go on"
        ) from error


def write_sidecar(sidecar: Path, record: Mapping[str, Any]) -> None:
    """Writes a sidecar that has no picture: of a file that could not be read."""
    try:
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        write_whole(sidecar, _text({"generator": GENERATOR, "version": SIDECAR_VERSION, **record}))
    except OSError as error:
        raise AmogusError(f"{sidecar} cannot be written: {error.strerror or error}", "choose another --out") from error


def read_sidecar(sidecar: Path) -> dict[str, Any] | None:
    """What a sidecar of ours says; None if there is none, or it is not ours."""
    try:
        record = json.loads(sidecar.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("generator") == GENERATOR else None


def is_whole(picture: Path, record: Mapping[str, Any]) -> bool:
    """Whether the picture that a sidecar speaks of is there, byte for byte."""
    output = record.get("output")
    if not isinstance(output, dict) or output.get("name") != picture.name:
        return False
    try:
        content = picture.read_bytes()
    except OSError:
        return False
    return len(content) == output.get("bytes") and hashlib.sha256(content).hexdigest() == output.get("sha256")


def check_inside(out: Path, picture: Path) -> None:
    """Refuses to write through a link that leads out of the output folder.

    Raises:
        UsageError: the folder of `picture` is not in `out` once links are followed.
    """
    root, folder = os.path.realpath(out), os.path.realpath(picture.parent)
    if folder != root and not folder.startswith(root.rstrip("/") + "/"):
        raise UsageError(f"{picture.parent} leads out of {out}", "remove that link, or choose another --out")


def _text(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=True, allow_nan=False, indent=1) + "\n").encode()
