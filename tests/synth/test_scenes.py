"""Scenes and their truth."""

import numpy as np
import pytest

from amogus_search.errors import UsageError
from amogus_search.synth.canvas import LEAST_VISIBLE, Canvas
from amogus_search.synth.compose import Placed, bend, random_bend
from amogus_search.synth.crewmate import random_crewmate
from amogus_search.synth.scenes import generate_scene, plant_scene
from amogus_search.synth.sheet import contact_sheet, scene_sheet
from amogus_search.synth.sprite import SpriteAttributes
from amogus_search.synth.styles import render_sprite

PHOTO = np.random.default_rng(0).integers(0, 256, (90, 140, 3)).astype(np.uint8)
RED = SpriteAttributes("red", "flat", False, None, "front")


def _scene(seed, **options):
    return generate_scene(np.random.default_rng(seed), (160, 128), **options)


def _block(x, y, w=20, h=20):
    return Placed(np.full((h, w, 4), 255, np.float32), np.full((h, w), 255, np.uint8), x, y)


def _points(x, y):
    return np.tile(np.array([x, y, 2], np.float32), (7, 1))


@pytest.mark.parametrize("tier", ["plain", "varied", "disguised", "mixed"])
def test_the_same_seed_gives_the_same_bytes(tier):
    first, second = (_scene(11, tier=tier, photos=[PHOTO]) for _ in range(2))
    for name in ("image", "boxes_xyxy", "keypoints"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert first.attributes == second.attributes


@pytest.mark.parametrize("seed", range(25))
def test_truth_lies_in_the_picture_and_keypoints_at_their_boxes(seed):
    scene = _scene(seed, tier="mixed", photos=[PHOTO])
    assert scene.image.shape == (128, 160, 3)
    assert scene.image.dtype == np.uint8
    assert len(scene.boxes_xyxy) == len(scene.keypoints) == len(scene.attributes)
    for (x1, y1, x2, y2), points in zip(scene.boxes_xyxy, scene.keypoints, strict=True):
        assert 0 <= x1 < x2 <= 160
        assert 0 <= y1 < y2 <= 128
        seen = points[points[:, 2] == 2]
        slack = 2 + 0.06 * (y2 - y1)
        assert (seen[:, 0] >= x1 - slack).all()
        assert (seen[:, 0] <= x2 + slack).all()
        assert (seen[:, 1] >= y1 - slack).all()
        assert (seen[:, 1] <= y2 + slack).all()


def test_some_scenes_are_empty_and_most_are_not():
    empty = [len(_scene(seed).boxes_xyxy) == 0 for seed in range(60)]
    assert 3 <= sum(empty) <= 20


def test_a_scene_asked_for_none_has_no_labels():
    scene = plant_scene(np.random.default_rng(0), PHOTO, 0)
    assert len(scene.boxes_xyxy) == 0
    assert scene.keypoints.shape == (0, 7, 3)
    np.testing.assert_array_equal(scene.image, PHOTO)


def test_planting_changes_only_pixels_near_the_boxes():
    ground = np.full((200, 300, 3), 120, np.uint8)
    scene = plant_scene(np.random.default_rng(4), ground, 2, tier="plain", height_px_range=(30, 60))
    assert len(scene.boxes_xyxy) > 0
    near = np.zeros((200, 300), bool)
    for x1, y1, x2, y2 in scene.boxes_xyxy.astype(int):
        near[max(0, y1 - 30) : y2 + 30, max(0, x1 - 30) : x2 + 30] = True
    assert (scene.image[~near] == 120).all()
    assert (ground == 120).all()


def test_an_unknown_tier_is_refused():
    with pytest.raises(UsageError, match="mixed"):
        _scene(0, tier="easy")


def test_a_box_is_tight_around_what_is_visible():
    canvas = Canvas(np.zeros((60, 60, 3), np.uint8))
    canvas.add(_block(10, 15), _points(20, 25), RED)
    np.testing.assert_array_equal(canvas.box(0), [10, 15, 30, 35])
    assert canvas.cover(_block(0, 0, 18, 60), max_overlap=0.5)
    np.testing.assert_array_equal(canvas.box(0), [18, 15, 30, 35])


def test_nothing_may_hide_most_of_an_amogus():
    canvas = Canvas(np.zeros((60, 60, 3), np.uint8))
    canvas.add(_block(10, 15), _points(20, 25), RED)
    assert not canvas.cover(_block(10, 15, 13, 20), max_overlap=1.0)
    assert not canvas.fits(_block(12, 15), max_overlap=1.0)
    assert canvas.image[20, 12].all()


def test_an_amogus_mostly_outside_does_not_fit():
    canvas = Canvas(np.zeros((60, 60, 3), np.uint8))
    assert not canvas.fits(_block(-12, 10), 1.0)
    assert canvas.fits(_block(-int(20 * (1 - LEAST_VISIBLE)) + 1, 10), 1.0)


def test_an_invisible_amogus_is_not_recorded():
    canvas = Canvas(np.full((60, 60, 3), 255, np.uint8))
    assert not canvas.add(_block(10, 10), _points(20, 20), RED, least_change=0.3)
    assert canvas.items == []


def test_a_covered_keypoint_is_hidden_and_one_outside_is_absent():
    canvas = Canvas(np.zeros((60, 60, 3), np.uint8))
    points = _points(15, 20)
    points[1] = (28, 30, 2)
    points[2] = (-3, 20, 2)
    canvas.add(_block(10, 15), points, RED)
    canvas.cover(_block(26, 28, 10, 10), 1.0)
    _, keypoints, _ = canvas.truth()
    assert keypoints[0, 0, 2] == 2
    assert keypoints[0, 1, 2] == 1
    assert (keypoints[0, 2] == 0).all()


def test_sheets_have_the_asked_size():
    assert contact_sheet(np.random.default_rng(0), 2, 3, 40).shape == (120, 80, 3)
    assert scene_sheet([_scene(0), _scene(1)], columns=2).shape == (128, 320, 3)


@pytest.mark.parametrize("style", ["flat", "outlined", "toy", "pixel", "sticker"])
@pytest.mark.parametrize("seed", range(3))
def test_a_box_meets_the_pixels_that_planting_changed(style, seed):
    rng = np.random.default_rng(seed)
    sprite = render_sprite(random_crewmate(rng), 60, style, rng)
    placed, keypoints = bend(sprite, random_bend(rng, sprite.shape.shape[::-1]))
    canvas = Canvas(np.full((260, 260, 3), (255, 0, 255), np.uint8))
    there = Placed(placed.rgba, placed.shape, 60, 60, placed.blend)
    assert canvas.add(there, keypoints, sprite.attributes)
    change = np.abs(canvas.image.astype(int) - (255, 0, 255)).max(2)
    changed = change > 60  # the faint outermost rim of a smoothed border is nothing to see
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(canvas.box(0), expected, atol=2)


def test_a_crowd_can_be_asked_for_in_large_sizes_only() -> None:
    """Every layout must accept every range of heights; seed 9 and its neighbours include crowds."""
    for seed in range(24):
        scene = generate_scene(np.random.default_rng(seed), (320, 320), height_px_range=(80, 200))
        assert scene.image.shape == (320, 320, 3)


def test_most_mosaics_lie_on_a_grid_of_cells_that_planting_keeps_to(monkeypatch):
    """Smoothly enlarged ones aside, and a few with lines between their cells."""
    from amogus_search.synth import mosaics

    monkeypatch.setattr(mosaics, "_interpolated", lambda rng, image, cell: image)
    cells = []
    for seed in range(20):
        canvas = mosaics.mosaic_canvas(np.random.default_rng(seed), (200, 160), [PHOTO], (3, 6))
        assert canvas.image.shape == (160, 200, 3)
        steps = np.flatnonzero((np.diff(canvas.image.astype(int), axis=1) != 0).any(axis=(0, 2))) + 1
        cells.append(int(np.gcd.reduce(steps)))
    assert sum(3 <= cell <= 13 for cell in cells) >= 16
