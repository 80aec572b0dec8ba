"""A copy is the same shot saved otherwise; another shot of the same thing is none."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from amogus_search.pipeline.copies import compare, may_be_copies, outline, thumbnail


def picture(seed=0, size=(480, 360)):
    """A smooth random field with some things on it, (h, w, 3) uint8."""
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.integers(40, 200, (7, 9, 3)).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        centre = int(rng.integers(size[0])), int(rng.integers(size[1]))
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        cv2.circle(field, centre, int(rng.integers(8, 50)), colour, -1)
    return field


def saved(pixels, quality=80):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def resized(pixels, ratio):
    return cv2.resize(pixels, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)


def turned(pixels, degrees):
    height, width = pixels.shape[:2]
    lay = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.03)
    return cv2.warpAffine(pixels, lay, (width, height), borderMode=cv2.BORDER_REFLECT)


def with_disc(pixels, where):
    found = pixels.copy()
    height, width = pixels.shape[:2]
    cv2.circle(found, (int(width * where[0]), int(height * where[1])), width // 20, (250, 250, 250), -1)
    return found


COPIES = {
    "itself": lambda pixels: pixels,
    "saved": saved,
    "saved badly": lambda pixels: saved(pixels, 30),
    "half as large": lambda pixels: saved(resized(pixels, 0.5)),
    "a border cut off": lambda pixels: saved(pixels[10:-12, 14:-9]),
    "a tenth of one side cut off": lambda pixels: saved(pixels[:, : int(pixels.shape[1] * 0.9)]),
    "a little brighter": lambda pixels: saved((pixels * 0.9 + 20).astype(np.uint8)),
}
OTHERS = {
    "turned as by a hand": lambda pixels: turned(pixels, 1.0),
    "another picture": lambda pixels: picture(99),
    "mirrored": lambda pixels: pixels[:, ::-1],
    "something new in it": lambda pixels: with_disc(pixels, (0.6, 0.4)),
    "upside down": lambda pixels: pixels[::-1],
    "shifted both ways": lambda pixels: np.roll(pixels, (14, 19), (0, 1)),
    "in grey": lambda pixels: np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_known_in_either_direction(how):
    for seed in range(4):
        one, other = thumbnail(picture(seed)), thumbnail(COPIES[how](picture(seed)))
        assert may_be_copies(outline(one), outline(other))
        assert compare(one, other).is_copy
        assert compare(other, one).is_copy


@pytest.mark.parametrize("how", OTHERS)
def test_another_shot_is_no_copy_in_either_direction(how):
    for seed in range(4):
        one, other = thumbnail(picture(seed)), thumbnail(np.ascontiguousarray(OTHERS[how](picture(seed))))
        assert not compare(one, other).is_copy
        assert not compare(other, one).is_copy


def test_what_moved_between_two_frames_tells_them_apart():
    one, other = (thumbnail(with_disc(picture(), (across, 0.5))) for across in (0.3, 0.6))
    assert not compare(one, other).is_copy


def test_a_mirrored_copy_counts_where_that_is_asked_for():
    pixels = picture()
    found = compare(thumbnail(pixels), thumbnail(saved(np.ascontiguousarray(pixels[:, ::-1]))), mirrors=True)
    assert found.is_copy
    assert found.mirrored
    assert not compare(thumbnail(pixels), thumbnail(saved(pixels)), mirrors=True).mirrored


def test_pictures_without_structure_are_copies_if_they_have_one_colour():
    grey, white, red = (np.full((50, 60, 3), colour, np.uint8) for colour in (128, 250, (250, 0, 0)))
    assert compare(thumbnail(grey), thumbnail(grey)).is_copy
    assert not compare(thumbnail(grey), thumbnail(red)).is_copy
    assert not compare(thumbnail(grey), thumbnail(white)).is_copy
    assert not compare(thumbnail(white), thumbnail(picture())).is_copy


def test_any_size_has_a_thumbnail():
    for size in ((1, 1), (1, 900), (5, 3), (96, 96)):
        pixels = np.zeros((*size, 3), np.uint8)
        assert thumbnail(pixels).shape == (96, 96, 3)
        assert compare(thumbnail(pixels), thumbnail(pixels)).is_copy


def test_most_strangers_are_told_without_looking_closer():
    outlines = [outline(thumbnail(picture(seed))) for seed in range(20)]
    alike = [may_be_copies(one, other) for row, one in enumerate(outlines) for other in outlines[:row]]
    assert np.mean(alike) < 0.3


def test_many_outlines_at_once_are_judged_like_single_ones():
    outlines = np.asarray([outline(thumbnail(picture(seed))) for seed in range(6)] + [np.full((32, 32), 9, np.uint8)])
    together = may_be_copies(outlines[:, None], outlines[None])
    assert together.tolist() == [[bool(may_be_copies(one, other)) for other in outlines] for one in outlines]
    assert together.diagonal().all()
