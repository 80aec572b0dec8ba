"""What a file's first bytes say it is: turns "cannot be opened" into a reason that helps."""

from __future__ import annotations

import errno
import struct

_OTHER_FORMATS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%!PS", "EPS"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"\x01\xda", "SGI"),
    (0, b"\x00\x00\x01\x00", "icon"),
    (0, b"\x00\x00\x02\x00", "cursor"),
    (0, b"icns", "ICNS"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"farbfeld", "farbfeld"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG"),
    (0, b"FORM", "IFF"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"gimp xcf", "XCF"),
    (0, b"/* XPM */", "XPM"),
)
_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
_OWN_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
}
_PICTURE_BRANDS = frozenset(
    b"avif avis mif1 mif2 mif3 msf1 heic heix heim heis hevc hevx hevm hevs avci avcs jpeg jpgs j2ki j2is".split()
)
_TEXT_START = b" \t\r\n\xef\xbb\xbf"
_CODEC_WORDS = ("unsupported", "not supported", "not available", "unknown compression", "unknown pixel mode")
_CUT_WORDS = ("truncated", "not enough", "unexpected end", "end of file", "requires a buffer", "too short", "eof")


def reason_for_unopened(data: bytes) -> tuple[str, str]:
    """Skip reason and detail for a file that no allowed decoder recognised."""
    if data.startswith(_JPEG_XL):
        return "unsupported_codec", "JPEG XL: there is no decoder for it here"
    own = _own_signature(data)
    if own == "HEIF":
        return "unsupported_codec", "a HEIF or AVIF file that the decoders at hand cannot open"
    if own == "TIFF" or (own == "JPEG" and _is_unusual_jpeg(data)):
        return "unsupported_codec", f"a kind of {own} that the decoder does not know"
    if own:
        return "corrupt", f"starts like {own} but cannot be read"
    other = _other_format(data)
    if other:
        return "unsupported_format", f"{other} is not among the formats that are read"
    return "not_an_image", "its content is no picture format"


def reason_for_failed(error: Exception) -> tuple[str, str]:
    """Skip reason and detail for what a decoder raised after it had recognised the file."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return "out_of_memory", "decoding needs more memory than a decoding process may use"
    detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    text = detail.lower()
    if isinstance(error, (EOFError, struct.error)) or any(word in text for word in _CUT_WORDS):
        return "truncated", detail
    if isinstance(error, NotImplementedError) or any(word in text for word in _CODEC_WORDS):
        return "unsupported_codec", detail
    return "corrupt", detail


def _own_signature(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp" and data[8:12] in _PICTURE_BRANDS:
        return "HEIF"
    return next((name for start, name in _OWN_SIGNATURES.items() if data.startswith(start)), None)


def _other_format(data: bytes) -> str | None:
    for offset, magic, name in _OTHER_FORMATS:
        if data.startswith(magic, offset):
            return name
    head = data[:1024].lstrip(_TEXT_START)
    if b"<svg" in data[:4096].lower() and head.startswith(b"<"):
        return "SVG"
    if head.startswith(b"#define ") and b"_width" in head:
        return "XBM"
    if len(data) > 3 and data[:1] == b"P" and data[1:2] in b"1234567fF" and data[2:3].isspace():
        return "PNM"
    return "TGA" if _is_tga(data) else None


def _is_tga(data: bytes) -> bool:
    """TGA has no signature in front: its trailer, or a header of which every field is possible."""
    if data[-18:-2] == b"TRUEVISION-XFILE":
        return True
    if len(data) < 18 or data[1] > 1 or data[2] not in (1, 2, 3, 9, 10, 11):
        return False
    width, height = struct.unpack_from("<HH", data, 12)
    return width > 0 and height > 0 and data[16] in (8, 15, 16, 24, 32) and data[17] < 64 and len(data) < 1 << 27


def _is_unusual_jpeg(data: bytes) -> bool:
    """Whether the first frame header is of a kind (lossless, arithmetic, not 8 bits) that few decoders know."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[at + 4] != 8 or marker not in (0xC0, 0xC1, 0xC2)
        at += 2 + max(length, 2)
    return False
