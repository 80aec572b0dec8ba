"""The one door through which files become pixels: Pillow, an allowlist of formats, and limits before work.

Detector, embedder and thumbnails all see what this module gives, so orientation, bit depth and
transparency are the same everywhere. Nothing else in the package opens a picture to look at it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import importlib.util
import io
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageFile, UnidentifiedImageError

from amogus_search.core.types import FileStat, Pixels
from amogus_search.errors import AmogusError, DecodeError
from amogus_search.settings import DecodeSettings
from amogus_search.sources.modes import to_rgb
from amogus_search.sources.sniff import reason_for_failed, reason_for_unopened

_PLUGINS = {
    "JPEG": "JpegImagePlugin",  # opens MPO too, which has no entry of its own
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "TIFF": "TiffImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "AVIF": "AvifImagePlugin",
}
_ORIENTATION_TAG = 0x0112
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: p.transpose(1, 0, 2)[::-1],
}
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_ACCESS_ERRORS = {
    errno.ENOENT: "vanished",
    errno.ENOTDIR: "vanished",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.ENAMETOOLONG: "path_too_long",
    errno.ELOOP: "symlink_loop",
    errno.ENXIO: "not_regular",
    errno.EISDIR: "not_regular",
}
_pillow_lock = threading.Lock()


@dataclass(frozen=True, eq=False, slots=True)
class Picture:
    """One decoded file.

    pixels:  (h, w, 3) uint8 RGB, upright; smaller than `full_wh` after a reduced decode
    full_wh: upright full size
    format:  the decoder's name for the format
    sha256:  hex digest of the file's bytes
    """

    pixels: Pixels
    full_wh: tuple[int, int]
    format: str
    sha256: str


@dataclass(frozen=True, eq=False, slots=True)
class FileContent:
    """A file's bytes, read once, with its digest and what it looked like while it was read."""

    data: bytes
    sha256: str
    stat: FileStat


@cache
def allowed_formats() -> tuple[str, ...]:
    """The formats that are read here, as Pillow names them; HEIF only where pillow-heif is installed.

    Raises:
        AmogusError: Pillow lacks even one of the everyday formats.
    """
    for module in _PLUGINS.values():
        importlib.import_module(f"PIL.{module}")
    if importlib.util.find_spec("pillow_heif") is not None:
        _register_heif()
    formats = tuple(name for name in (*_PLUGINS, "HEIF") if name in Image.OPEN)
    missing = {"JPEG", "PNG", "GIF", "BMP", "TIFF"} - set(formats)
    if missing:
        raise AmogusError(f"this Pillow cannot open {sorted(missing)}", "pip install --force-reinstall pillow")
    return formats


@cache
def decoder_versions() -> str:
    """Names and versions of the libraries that decode."""
    from importlib.metadata import version

    versions = [f"pillow={PIL.__version__}"]
    if "HEIF" in allowed_formats():
        versions.append(f"pillow-heif={version('pillow-heif')}")
    return " ".join(versions)


def decode_file(path: bytes, settings: DecodeSettings, max_side: int | None = None) -> Picture:
    """The picture in a file; with `max_side`, no side of its pixels is longer than that.

    Raises:
        DecodeError: with the reason why there is no picture, and the digest if the file could be read.
    """
    content = read_file(path, settings)
    return decode_bytes(content.data, settings, max_side, sha256=content.sha256)


def decode_bytes(
    data: bytes, settings: DecodeSettings, max_side: int | None = None, *, sha256: str | None = None
) -> Picture:
    """The picture in a file's bytes (see `decode_file`).

    Raises:
        DecodeError: with the reason why there is no picture.
    """
    digest = sha256 or hashlib.sha256(data).hexdigest()
    try:
        pixels, full_wh, name = _decode(data, settings, max_side)
    except DecodeError as error:
        raise DecodeError(error.reason, error.detail, sha256=digest) from None
    return Picture(pixels, full_wh, name, digest)


def read_file(path: bytes, settings: DecodeSettings) -> FileContent:
    """The bytes of a regular file, read once and never through a link; a FIFO or device never blocks.

    Raises:
        DecodeError: it cannot be read, is empty, too large or no regular file, or changed while it was read.
    """
    with _open_regular(path) as (file, before):
        if before.size == 0:
            raise DecodeError("empty", "the file has no bytes", sha256=hashlib.sha256().hexdigest())
        if before.size > settings.max_bytes:
            raise DecodeError("too_large", f"{before.size} bytes, the limit is {settings.max_bytes}")
        data = file.read(before.size + 1)
        after = file_stat(os.fstat(file.fileno()))
    if after != before or len(data) != before.size:
        raise DecodeError("changed_while_reading", "the file changed while it was read")
    return FileContent(data, hashlib.sha256(data).hexdigest(), before)


def hash_file(path: bytes) -> tuple[str, FileStat]:
    """Digest of a file's bytes and its stat, without decoding it.

    Raises:
        DecodeError: it cannot be read, is no regular file, or changed while it was read.
    """
    digest = hashlib.sha256()
    with _open_regular(path) as (file, before):
        while block := file.read(1 << 20):
            digest.update(block)
        if file_stat(os.fstat(file.fileno())) != before:
            raise DecodeError("changed_while_reading", "the file changed while it was read")
    return digest.hexdigest(), before


def file_stat(found: os.stat_result) -> FileStat:
    """The part of a stat that tells whether a file changed."""
    return FileStat(
        found.st_dev,
        found.st_ino,
        found.st_size,
        _within_64_bits(found.st_mtime_ns),
        _within_64_bits(found.st_ctime_ns),
    )


def _within_64_bits(nanoseconds: int) -> int:
    """Broken archives and cameras give files times beyond the year 2262, which no database could keep: it is that."""
    return max(-(2**63), min(nanoseconds, 2**63 - 1))


def access_problem(error: OSError) -> tuple[str, str]:
    """Skip reason and detail of a failed look at a file or folder."""
    return _ACCESS_ERRORS.get(error.errno or 0, "io_error"), error.strerror or type(error).__name__


@contextlib.contextmanager
def _open_regular(path: bytes) -> Iterator[tuple[io.FileIO, FileStat]]:
    try:
        with io.FileIO(os.open(path, _OPEN_FLAGS), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise DecodeError("not_regular", "not a regular file")
            yield file, file_stat(found)
    except OSError as error:
        raise DecodeError(*access_problem(error)) from error


def _decode(data: bytes, settings: DecodeSettings, max_side: int | None) -> tuple[Pixels, tuple[int, int], str]:
    if not data:
        raise DecodeError("empty", "the file has no bytes")
    formats = allowed_formats()
    try:
        with _strict_pillow(settings.max_pixels), Image.open(io.BytesIO(data), formats=formats) as image:
            return _pixels_of(image, settings.max_pixels, max_side)
    except UnidentifiedImageError:
        raise DecodeError(*reason_for_unopened(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError("too_large", str(error)) from None
    except DecodeError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders fed hostile bytes raise anything; it is that file's own end
        raise DecodeError(*reason_for_failed(error)) from None


def _pixels_of(image: Image.Image, max_pixels: int, max_side: int | None) -> tuple[Pixels, tuple[int, int], str]:
    """Pixels, upright full size and format of an opened image; only its first frame."""
    name, (width, height) = image.format or "?", image.size
    if width < 1 or height < 1:
        raise DecodeError("bad_dimensions", f"{width} x {height} pixels")
    if width * height > max_pixels:
        raise DecodeError("too_large", f"{width} x {height} pixels, the limit is {max_pixels}")
    reduced = max_side is not None and max(width, height) > max_side
    if reduced and max_side is not None:
        image.draft("RGB" if image.mode == "RGB" else None, (max_side, max_side))
    image.load()
    if not reduced:
        width, height = image.size  # a TIFF turns itself while it loads
    pixels = to_rgb(image)
    if reduced and max_side is not None:
        pixels = _shrunk(pixels, max_side)
    turn = _orientation(image)
    if turn != 1:
        pixels = np.ascontiguousarray(_UPRIGHT[turn](pixels))
    turned = (pixels.shape[1] > pixels.shape[0]) != (width > height) if reduced else turn >= 5
    return pixels, (height, width) if turned else (width, height), name


def _shrunk(pixels: Pixels, max_side: int) -> Pixels:
    small = Image.fromarray(pixels)
    small.thumbnail((max_side, max_side), Image.Resampling.BOX)
    return np.asarray(small)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied; damaged metadata does not cost the picture."""
    try:
        value: Any = image.getexif().get(_ORIENTATION_TAG, 1)
        return int(value) if int(value) in _UPRIGHT else 1
    except Exception:  # noqa: BLE001 - metadata parsers raise as many kinds of errors as decoders
        return 1


@contextlib.contextmanager
def _strict_pillow(max_pixels: int) -> Iterator[None]:
    """Pillow with our pixel limit, bomb warnings as errors and no half-read files; restored afterwards."""
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max_pixels, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _register_heif() -> None:
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1  # the pool has its own parallelism, and a memory limit a process
    pillow_heif.register_heif_opener(thumbnails=False)
