"""Planted motifs have exact boxes, in every style, and scenes that are drawn already are not drawn again."""

import cv2
import numpy as np
import pytest

from amogus_search.synth.cutout import cut_out
from amogus_search.synth.motif_cast import empty_cast, motif_cast, paint_motif
from amogus_search.synth.motif_scenes import MotifScenes, draw_scene, label_lines, write_scenes
from amogus_search.synth.scenes import generate_scene
from amogus_search.synth.styles import STYLES


def _disc():
    """A solid drawing with a dot in it."""
    rgba = np.zeros((200, 200, 4), np.uint8)
    cv2.circle(rgba, (100, 100), 90, (200, 30, 30, 255), -1, cv2.LINE_AA)
    cv2.circle(rgba, (100, 70), 25, (250, 240, 90, 255), -1, cv2.LINE_AA)
    return cut_out(rgba, "disc")


def _strokes():
    """A drawing of thin lines that enclose nothing."""
    rgba = np.zeros((200, 200, 4), np.uint8)
    for end in ((10, 10), (190, 30), (180, 190), (20, 170), (100, 5)):
        cv2.line(rgba, (100, 100), end, (20, 20, 30, 255), 5, cv2.LINE_AA)
    return cut_out(rgba, "strokes")


DRAWINGS = (_disc(), _strokes())


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda d: d.name)
def test_every_style_paints_every_drawing_at_its_size(style, drawing):
    for seed, height in enumerate((12, 30, 120)):
        rng = np.random.default_rng((seed, 1))
        sprite = paint_motif(drawing, rng, height, style)
        assert sprite.rgba.shape[:2] == sprite.shape.shape
        assert 0.8 * height <= max(sprite.shape.shape) <= 1.5 * height + 4
        assert (sprite.shape > 127).any()
        assert (sprite.rgba[..., 3] > 0).any()


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda d: d.name)
@pytest.mark.parametrize("height", [14, 40, 150])
def test_the_shape_is_as_large_as_what_is_seen(drawing, height):
    """Boxes come from the shape; a figure of strokes covers what lies between them, and not more."""
    for seed in range(12):
        sprite = paint_motif(drawing, np.random.default_rng(seed), height, "shapes")  # always as drawn
        seen = cv2.boundingRect((sprite.rgba[..., 3] > 100).astype(np.uint8))
        shape = cv2.boundingRect((sprite.shape > 127).astype(np.uint8))
        assert np.abs(np.subtract(seen, shape)).max() <= max(2, 0.08 * height)


def _changed(before, after, margin):
    """Box of the pixels that differ."""
    x, y, w, h = cv2.boundingRect((cv2.absdiff(before, after).max(2) > margin).astype(np.uint8))
    return np.array([x, y, x + w, y + h])


def test_a_box_is_tight_around_what_was_planted():
    """On an even ground, with nothing else in the scene, the box is where the picture changed."""
    from amogus_search.synth.canvas import Canvas
    from amogus_search.synth.compose import Placed, bend, random_bend

    for seed in range(30):
        rng = np.random.default_rng(seed)
        drawing, height = DRAWINGS[seed % 2], float(rng.uniform(16, 120))
        sprite = paint_motif(drawing, rng, height, "flat" if seed % 3 else "shapes")
        placed, _ = bend(sprite, random_bend(rng, sprite.shape.shape[::-1]))
        ground = np.full((256, 256, 3), 128, np.uint8)
        canvas = Canvas(ground.copy())
        x, y = (int(v) for v in rng.integers(10, 60, 2))
        there = Placed(placed.rgba, placed.shape, x, y, placed.blend)
        assert canvas.add(there, np.zeros((7, 3), np.float32), sprite.attributes)
        if cv2.absdiff(ground, canvas.image).max() > 60:  # grey on grey has no border to compare with
            difference = np.abs(canvas.box(0) - _changed(ground, canvas.image, 25)).max()
            assert difference <= max(3, 0.1 * height), seed


def test_the_same_number_gives_the_same_scene_and_truth_lies_inside():
    plan = MotifScenes(DRAWINGS, seed=5, side_px=128)
    for index in range(12):
        one, again = draw_scene(plan, index), draw_scene(plan, index)
        assert one.image.tobytes() == again.image.tobytes()
        assert one.boxes_xyxy.tobytes() == again.boxes_xyxy.tobytes()
        assert (one.boxes_xyxy >= 0).all()
        assert (one.boxes_xyxy <= 128).all()
    other = MotifScenes(DRAWINGS, seed=6, side_px=128)
    assert draw_scene(plan, 0).image.tobytes() != draw_scene(other, 0).image.tobytes()


def test_scenes_show_several_at_many_sizes():
    plan = MotifScenes(DRAWINGS, seed=1, side_px=320)
    boxes = np.concatenate([draw_scene(plan, index).boxes_xyxy for index in range(25)])
    longest = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    assert len(boxes) > 50
    assert longest.min() < 20
    assert longest.max() > 160


def test_a_scene_without_the_motif_has_distractors_in_its_place():
    cast = empty_cast(motif_cast(DRAWINGS))
    kinds = set()
    for seed in range(20):
        scene = generate_scene(np.random.default_rng(seed), (128, 128), cast=cast)
        kinds |= {one.build for one in scene.attributes}
    assert "motif" not in kinds
    assert "distractor" in kinds


def test_crewmates_are_distractors_unless_the_motif_is_one():
    texture = np.zeros((40, 40, 3), np.uint8)
    beside, alone = (motif_cast(DRAWINGS, beside_amogi=flag).others for flag in (True, False))
    builds = [
        {draw(np.random.default_rng(s), 40.0, texture).attributes.build for s in range(60)} for draw in (beside, alone)
    ]
    assert builds[0] - {"distractor"}
    assert builds[1] == {"distractor"}


def test_written_scenes_are_kept_and_only_missing_ones_drawn(tmp_path):
    plan = MotifScenes(DRAWINGS, seed=2, side_px=64)
    assert write_scenes(plan, tmp_path, "val", 6) == 6
    pictures = sorted((tmp_path / "images" / "val").iterdir())
    contents = [path.read_bytes() for path in pictures]
    pictures[0].write_bytes(b"mine")
    pictures[3].unlink()
    assert write_scenes(plan, tmp_path, "val", 6) == 6
    assert pictures[0].read_bytes() == b"mine"
    assert pictures[3].read_bytes() == contents[3]
    assert not list(tmp_path.rglob("*.part"))


def test_labels_are_those_of_the_scene_and_empty_where_nothing_is_planted(tmp_path):
    plan = MotifScenes(DRAWINGS, seed=2, side_px=96)
    write_scenes(plan, tmp_path / "with", "val", 4)
    write_scenes(MotifScenes(DRAWINGS, seed=2, side_px=96, with_motif=False), tmp_path / "without", "val", 4)
    for index in range(4):
        text = (tmp_path / "with" / "labels" / "val" / f"{index:06d}.txt").read_text()
        assert text == "".join(label_lines(draw_scene(plan, index)))
        assert (tmp_path / "without" / "labels" / "val" / f"{index:06d}.txt").read_text() == ""


def test_drawing_stops_when_there_is_enough_but_not_before_the_least(tmp_path):
    plan = MotifScenes(DRAWINGS, seed=2, side_px=64)
    assert write_scenes(plan, tmp_path, "train", 200, least=20, enough=lambda: True) == 32


@pytest.mark.slow
def test_several_processes_draw_what_one_draws(tmp_path):
    plan = MotifScenes(DRAWINGS, seed=3, side_px=64)
    write_scenes(plan, tmp_path / "one", "val", 20)
    write_scenes(plan, tmp_path / "two", "val", 20, workers=2)
    for path in sorted((tmp_path / "one" / "images" / "val").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / "images" / "val" / path.name).read_bytes()
