"""Paths, boxes and hits become one list of inputs with names that cannot collide."""

import json
import os

import numpy as np
import pytest

from amogus_search.converting.inputs import from_boxes, from_hits, from_paths, read_boxes
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import AmogusError


def written(path, record):
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return path


def test_one_folder_is_mirrored_from_within_and_several_from_above(drawn_photos, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.png").write_bytes((drawn_photos / "one.png").read_bytes())
    assert [one.inside for one in from_paths([drawn_photos])][:2] == [b"blue.png", b"empty.png"]
    several = [one.inside for one in from_paths([drawn_photos / "one.png", tmp_path / "more"])]
    assert several == [b"photos/one.png", b"more/one.png"]


def test_what_detect_prints_can_be_read_as_json_and_as_lines(drawn_photos, tmp_path):
    finding = {"box": [1, 2, 3, 4], "keypoints": {"head": [2, 2, 1]}}
    images = [
        {"path": str(drawn_photos / "one.png"), "detections": [finding]},
        {"path": str(drawn_photos / "two.png"), "box": [5, 6, 7, 8]},
    ]
    array = from_boxes(written(tmp_path / "a.json", images))
    lines = from_boxes(written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, images))))
    for found in (array, lines):
        assert [one.inside for one in found] == [b"one.png", b"two.png"]
        assert found[0].targets[0].keypoints == {"head": (2, 2, 1)}
        np.testing.assert_array_equal(found[1].targets[0].box_xyxy, [5, 6, 7, 8])


def test_coco_names_are_looked_for_beside_the_file_and_in_the_folders_named(drawn_photos, tmp_path):
    coco = {
        "images": [{"id": 1, "file_name": "one.png"}, {"id": 2, "file_name": "blue.png"}],
        "categories": [{"id": 1, "keypoints": ["head"]}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 20], "keypoints": [3, 4, 2]}],
    }
    beside = from_boxes(written(drawn_photos / "coco.json", coco))
    assert {one.inside: len(one.targets) for one in beside} == {b"one.png": 1, b"blue.png": 0}
    np.testing.assert_array_equal(beside[0].targets[0].box_xyxy, [1, 2, 11, 22])
    assert beside[0].targets[0].keypoints == {"head": (3, 4, 1)}
    named = from_boxes(written(tmp_path / "coco.json", coco), [drawn_photos])
    assert {one.inside: len(one.targets) for one in named} == {
        b"blue.png": 0,
        b"empty.png": 0,
        b"one.png": 1,
        b"two.png": 0,
    }


@pytest.mark.parametrize(
    "record",
    [
        "{",
        [{"detections": []}],
        [{"path": "a", "detections": [{"box": [1, 2, 3]}]}],
        [{"path": "a", "detections": [{"box": [3, 3, 1, 1]}]}],
        [{"path": "a", "detections": [{"box": [1, 2, float("nan"), 4]}]}],
        [{"path": "a", "detections": ["box"]}],
        {"images": [], "annotations": [{"id": 1, "image_id": 3, "bbox": [1, 2, 3, 4]}]},
    ],
)
def test_what_is_no_box_is_refused_with_the_place(tmp_path, record):
    with pytest.raises(AmogusError):
        read_boxes(written(tmp_path / "bad.json", record))


def test_boxes_of_pictures_that_are_not_there_are_said_so(drawn_photos, tmp_path):
    boxes = written(tmp_path / "a.json", [{"path": "nowhere.png", "box": [1, 2, 3, 4]}])
    with pytest.raises(AmogusError):
        from_boxes(boxes)
    with pytest.raises(AmogusError, match="none of the pictures"):
        from_boxes(boxes, [drawn_photos])


def test_occluders_are_polygons(tmp_path):
    record = {"path": "a.png", "detections": [{"box": [0, 0, 9, 9], "occluders": [[[1, 1], [2, 1], [2, 2]]]}]}
    (target,) = read_boxes(written(tmp_path / "a.json", record))[b"a.png"]
    assert target.occluders[0].shape == (3, 2)


def test_of_a_region_its_finding_is_converted_and_of_an_image_all_that_pass(tmp_path):
    detections = Detections.make([(0, 0, 5, 5), (5, 5, 9, 9), (1, 1, 2, 2)], [0.9, 0.8, 0.1])
    scores = FindingScores(np.array([0.9, 0.7, 0.1]), np.ones(3), np.zeros(3, bool))

    def hit(path, detection):
        return Hit(1, path, 0.9, "amogusness", "ab" * 32, (10, 10), detections, scores, detection=detection)

    passes = Threshold(min_amogusness=0.5).passes
    root = os.fsencode(tmp_path)
    hits = [hit(root + b"/a.png", 1), hit(root + b"/b/c.png", None), hit(root + b"/a.png", 0)]
    found = from_hits(hits, [root], passes)
    assert [(one.inside, len(one.targets), one.sha256) for one in found] == [
        (b"a.png", 2, "ab" * 32),
        (b"b/c.png", 2, "ab" * 32),
    ]
    regions = from_hits(hits[:1], [root], passes, regions=True)
    assert [target.amogusness for target in regions[0].targets] == [0.7]
    assert os.fsdecode(found[1].stem) == "b/c"
