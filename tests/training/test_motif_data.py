"""What a motif is taught with never holds what it is measured on, and is drawn once."""

import cv2
import numpy as np
import pytest

from amogus_search.errors import UsageError
from amogus_search.synth.cutout import Cutout
from amogus_search.training.motif_data import Photos, ScenePlan, draw_sets, measuring_scenes, read_photos
from amogus_search.training.negatives import may_train_on


def silent(stage, done, total):
    """Nobody watches."""


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(14):
        cv2.imwrite(str(folder / f"{number:02d}.png"), rng.integers(0, 255, (60, 80, 3)).astype(np.uint8))
    return folder


def cutouts(count):
    rgba = np.full((40, 40, 4), 255, np.uint8)
    full = np.full((40, 40), 255, np.uint8)
    return tuple(Cutout(str(number), rgba, full, np.zeros_like(full), 40.0) for number in range(count))


def plan(folder, **values):
    fields = {"seed": 1, "side_px": 64, "beside_amogi": True, "workers": 1, "seconds": 0.0, "measuring": 2}
    return ScenePlan(folder=folder, **(fields | values))


def test_photos_are_learned_from_or_held_out_by_content(photos):
    found = read_photos(photos, silent)
    learned = {path for path, _ in found.learned}
    assert learned
    assert found.held_out
    assert all(may_train_on(path) for path in learned)
    assert not any(may_train_on(path) for path in found.held_out)
    assert len(learned) + len(found.held_out) == 14


def test_a_photo_that_cannot_be_read_is_left_out_and_said(photos):
    (photos / "broken.jpg").write_bytes(b"no picture")
    found = read_photos(photos, silent)
    assert len(found.unread) == 1
    assert "broken.jpg" in found.unread[0]
    assert len(found.learned) + len(found.held_out) == 14


def test_no_folder_is_no_photos_and_an_empty_one_an_error(tmp_path):
    nothing = read_photos(None, silent)
    assert nothing.learned == nothing.held_out == ()
    with pytest.raises(UsageError, match="no photos in"):
        read_photos(tmp_path, silent)


def test_sets_to_measure_on_are_drawn_with_the_drawings_kept_aside(tmp_path):
    with_some, without_any = (draw_sets(plan(tmp_path / str(n)), cutouts(n), Photos(), silent) for n in (6, 4))
    assert with_some.unseen is not None
    assert without_any.unseen is None
    for folder in (with_some.seen, with_some.unseen, with_some.without):
        assert len(list((folder / "images" / "val").iterdir())) == 2
    assert with_some.scenes == len(list((with_some.learn / "images" / "train").iterdir())) >= 64


def test_what_is_drawn_is_drawn_once_and_more_time_draws_more(tmp_path):
    first = draw_sets(plan(tmp_path), cutouts(3), Photos(), silent)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    assert draw_sets(plan(tmp_path), cutouts(3), Photos(), silent) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")} == times
    seconds = first.seconds + 0.5
    longer = draw_sets(plan(tmp_path, seconds=seconds), cutouts(3), Photos(), silent)
    assert longer.scenes > first.scenes
    assert longer.seconds >= seconds


def test_measuring_takes_little_of_the_time_whatever_it_is():
    assert [measuring_scenes(minutes) for minutes in (0.1, 5, 30, 600)] == [24, 40, 240, 240]
