"""Frames and videos are whole or not there."""

import cv2
import numpy as np
import pytest
from PIL import Image

from amogus_search.dreaming.film import Film
from amogus_search.errors import UsageError


def frames(count=4):
    for number in range(count):
        yield np.full((31, 45, 3), 60 * number, np.uint8)


def test_every_frame_is_a_png_in_order(tmp_path):
    with Film(tmp_path / "frames", None) as film:
        assert film.wanted
        for frame in frames():
            film.add(frame)
    names = sorted(file.name for file in (tmp_path / "frames").iterdir())
    assert names == ["0001.png", "0002.png", "0003.png", "0004.png"]
    with Image.open(tmp_path / "frames" / "0003.png") as third:
        np.testing.assert_array_equal(np.asarray(third), list(frames())[2])


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_an_animation_has_a_frame_a_step_and_holds_the_last(tmp_path, suffix):
    with Film(None, tmp_path / f"a.{suffix}", 20) as film:
        for frame in frames():
            film.add(frame)
    with Image.open(tmp_path / f"a.{suffix}") as animation:
        assert animation.n_frames == 4
        animation.seek(3)
        animation.load()
        assert animation.info["duration"] == 1500
    assert [file.name for file in tmp_path.iterdir()] == [f"a.{suffix}"]


def test_an_mp4_plays(tmp_path):
    with Film(None, tmp_path / "a.mp4", 10) as film:
        for frame in frames():
            film.add(frame)
    video = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 4 + 15
    ok, first = video.read()
    assert ok
    assert first.shape == (30, 44, 3)
    video.release()
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_dream_that_breaks_off_leaves_no_video(tmp_path, suffix):
    def breaks_off():
        with Film(None, tmp_path / f"a.{suffix}") as film:
            film.add(next(frames()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert not list(tmp_path.iterdir())


def test_nobody_need_want_a_film(tmp_path):
    with Film(None, None) as film:
        assert not film.wanted


def test_other_videos_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.mp4"):
        Film(None, tmp_path / "a.avi")
