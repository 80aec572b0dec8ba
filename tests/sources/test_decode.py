from __future__ import annotations

import io
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amogus_search.errors import DecodeError
from amogus_search.settings import DecodeSettings
from amogus_search.sources.decode import allowed_formats, decode_bytes, decode_file, hash_file

SETTINGS = DecodeSettings()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def quadrants(width: int = 64, height: int = 40) -> Image.Image:
    """Four plain colours: every way of turning it gives another picture."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 220, 30)
    pixels[height // 2 :, : width // 2] = (30, 30, 220)
    pixels[height // 2 :, width // 2 :] = (220, 220, 220)
    return Image.fromarray(pixels)


def reason_of(data: bytes, settings: DecodeSettings = SETTINGS) -> str:
    with pytest.raises(DecodeError) as caught:
        decode_bytes(data, settings)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_good_file_of_every_format_is_accepted(kind: str) -> None:
    """A wrong name in the allowlist once made good files look corrupt, so each is tried."""
    picture = decode_bytes(encoded(quadrants(), kind), SETTINGS)
    assert picture.format == kind
    assert picture.full_wh == (64, 40)
    assert picture.pixels.shape == (40, 64, 3)
    assert picture.pixels.dtype == np.uint8
    assert np.abs(picture.pixels[10, 16].astype(int) - (220, 30, 30)).max() < 25


def test_an_mpo_of_two_frames_gives_the_first() -> None:
    data = encoded(quadrants(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 40))])
    assert decode_bytes(data, SETTINGS).pixels[10, 16, 0] > 150


def test_an_animated_gif_gives_its_first_frame() -> None:
    data = encoded(Image.new("RGB", (20, 10), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (20, 10))])
    assert tuple(decode_bytes(data, SETTINGS).pixels[5, 5]) == (255, 0, 0)


def test_heif_is_read_where_its_library_is_installed() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    assert "HEIF" in allowed_formats()
    out = io.BytesIO()
    pillow_heif.from_pillow(quadrants()).save(out, quality=90)
    assert decode_bytes(out.getvalue(), SETTINGS).full_wh == (64, 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright_once(kind: str, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quadrants().transpose(undo[orientation]) if orientation > 1 else quadrants()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
    data = encoded(stored, kind, exif=exif, **options)
    picture = decode_bytes(data, SETTINGS)
    assert picture.full_wh == (64, 40)
    assert np.abs(picture.pixels.astype(int) - np.asarray(quadrants())).mean() < 4
    small = decode_bytes(data, SETTINGS, 16)
    assert small.full_wh == (64, 40)
    assert small.pixels.shape == (10, 16, 3)


def test_an_impossible_orientation_leaves_the_picture_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert decode_bytes(encoded(quadrants(), "JPEG", exif=exif), SETTINGS).full_wh == (64, 40)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    """A plain conversion turns most of such a picture white."""
    deep = (np.arange(256, dtype=np.uint16)[None, :] * 257).repeat(4, axis=0)
    for kind in ("PNG", "TIFF"):
        pixels = decode_bytes(encoded(Image.fromarray(deep), kind), SETTINGS).pixels
        assert np.array_equal(pixels[0, :, 0], np.arange(256))


def test_float_pictures_are_scaled_to_their_usual_range() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, :].repeat(4, axis=0)
    pixels = decode_bytes(encoded(Image.fromarray(ramp), "TIFF"), SETTINGS).pixels
    assert pixels[0, 0, 0] == 0
    assert pixels[0, -1, 0] == 255


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [(70_000, np.int32, 255), (-5, np.int32, 0), (0, np.int32, 0), (-1.0, np.float32, 0), (1e6, np.float32, 255)],
)
def test_a_deep_picture_of_one_value_is_black_or_white(value: float, dtype: type, shown: int) -> None:
    data = encoded(Image.fromarray(np.full((20, 30), value, dtype)), "TIFF")
    assert (decode_bytes(data, SETTINGS).pixels == shown).all()


def test_a_float_picture_with_nan_is_skipped_as_not_finite() -> None:
    ramp = np.ones((4, 4), np.float32)
    ramp[1, 1] = np.nan
    assert reason_of(encoded(Image.fromarray(ramp), "TIFF")) == "non_finite"


def test_transparency_is_laid_over_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    half = Image.new("LA", (8, 8), (0, 128))
    assert decode_bytes(encoded(clear, "PNG"), SETTINGS).pixels.min() == 255
    assert abs(int(decode_bytes(encoded(half, "PNG"), SETTINGS).pixels[0, 0, 0]) - 127) <= 1


@pytest.mark.parametrize(
    ("mode", "kind"), [("1", "PNG"), ("L", "JPEG"), ("P", "GIF"), ("CMYK", "JPEG"), ("LAB", "TIFF")]
)
def test_other_modes_become_three_channels(mode: str, kind: str) -> None:
    image = Image.new(mode, (8, 6)) if mode == "LAB" else quadrants(8, 6).convert(mode)
    assert decode_bytes(encoded(image, kind), SETTINGS).pixels.shape == (6, 8, 3)


def test_a_reduced_decode_keeps_the_full_size_in_mind() -> None:
    picture = decode_bytes(encoded(quadrants(800, 400), "JPEG"), SETTINGS, 100)
    assert picture.full_wh == (800, 400)
    assert picture.pixels.shape == (50, 100, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x00" * 4096, "not_an_image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported_format"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"\x00" * 20, "unsupported_format"),
        (b"\xff\x0a" + b"\x00" * 20, "unsupported_codec"),
        (b"\x00\x00\x00\x1cftypheic" + b"\x00" * 30, "unsupported_codec"),
        (b"\x89PNG\r\n\x1a\n", "corrupt"),
    ],
)
def test_what_is_no_picture_is_named_by_its_content(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


def test_a_cut_file_is_not_half_read() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    for kind in ("JPEG", "PNG"):
        data = encoded(Image.fromarray(noise), kind)
        assert reason_of(data[: len(data) // 2]) in ("truncated", "corrupt")


def test_a_picture_over_the_pixel_limit_is_refused_by_its_header() -> None:
    data = encoded(quadrants(100, 100), "PNG")
    assert reason_of(data, DecodeSettings(max_pixels=9_999)) == "too_large"
    huge = bytearray(data)
    huge[16:24] = struct.pack(">II", 60_000, 60_000)
    assert reason_of(bytes(huge)) in ("too_large", "corrupt")
    assert Image.MAX_IMAGE_PIXELS != 9_999


def test_a_file_over_the_size_limit_is_not_read(tmp_path: Path) -> None:
    big = tmp_path / "big.jpg"
    big.write_bytes(b"x" * 1000)
    with pytest.raises(DecodeError, match="too_large"):
        decode_file(os.fsencode(big), DecodeSettings(max_bytes=999))


def test_a_fifo_is_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    outcome: list[str] = []

    def attempt() -> None:
        try:
            decode_file(os.fsencode(pipe), SETTINGS)
        except DecodeError as error:
            outcome.append(error.reason)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5)
    assert outcome == ["not_regular"]


def test_a_link_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(encoded(quadrants(), "PNG"))
    (tmp_path / "link.png").symlink_to("real.png")
    with pytest.raises(DecodeError, match="symlink_loop"):
        decode_file(os.fsencode(tmp_path / "link.png"), SETTINGS)


def test_a_file_that_is_gone_has_vanished(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="vanished"):
        decode_file(os.fsencode(tmp_path / "gone.png"), SETTINGS)


def test_a_name_that_is_not_utf8_is_a_name_like_any_other(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"bad\xff name\n.png")
    with open(path, "wb") as file:
        file.write(encoded(quadrants(), "PNG"))
    picture = decode_file(path, SETTINGS)
    assert picture.full_wh == (64, 40)
    assert hash_file(path)[0] == picture.sha256


def test_a_file_that_could_be_read_but_not_decoded_still_has_its_digest(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    with pytest.raises(DecodeError) as caught:
        decode_file(os.fsencode(bad), SETTINGS)
    assert caught.value.sha256 == hash_file(os.fsencode(bad))[0]
