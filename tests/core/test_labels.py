import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.labels import coco_annotations, coco_category, parse_coco, parse_yolo, yolo_lines
from amogus_search.core.types import Detections
from amogus_search.errors import AmogusError

NAMES = ("head", "foot")


def two_findings() -> Detections:
    points = [[[20, 20, 0.9], [30, 58, 0.2]], [[100, 60, 1.0], [110, 90, 0.5]]]
    return Detections.make([[10, 20, 40, 60], [90, 50, 130, 100]], [0.9, 0.4], keypoints=points, keypoint_names=NAMES)


def test_a_yolo_line_has_shares_of_the_picture_and_unseen_keypoints_are_zero():
    line = yolo_lines(two_findings(), (200, 100))[0]
    assert line == ("0 0.125000 0.400000 0.150000 0.400000 0.100000 0.200000 2 0.000000 0.000000 0")


def test_yolo_lines_come_back_as_the_same_boxes_and_keypoints():
    found = two_findings()
    labels = parse_yolo("\n".join(yolo_lines(found, (200, 100), 3)) + "\n\n", (200, 100), NAMES)
    assert labels.classes.tolist() == [3, 3]
    assert np.allclose(labels.detections.xyxy, found.xyxy, atol=1e-3)
    assert np.allclose(labels.detections.keypoints[1], [[100, 60, 1], [110, 90, 1]], atol=1e-3)
    assert labels.detections.keypoints[0, 1].tolist() == [0, 0, 0]
    assert labels.detections.confidence.tolist() == [1, 1]


def test_confidences_travel_in_the_last_column():
    text = "\n".join(yolo_lines(two_findings(), (200, 100), with_confidence=True))
    assert np.allclose(parse_yolo(text, (200, 100), NAMES).detections.confidence, [0.9, 0.4])


@given(st.lists(st.tuples(*[st.floats(0, 300, width=32)] * 4), max_size=5))
def test_any_boxes_survive_the_round_trip_within_a_thousandth_of_a_pixel(corners):
    boxes = [(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for a, b, c, d in corners]
    found = Detections.make(boxes, np.ones(len(boxes)))
    back = parse_yolo("\n".join(yolo_lines(found, (301, 301))), (301, 301))
    assert np.allclose(back.detections.xyxy, found.xyxy, atol=1e-3)


def test_boxes_are_clipped_and_those_outside_are_left_out():
    found = Detections.make([[-10, -10, 10, 10], [300, 10, 320, 30]], [1, 1])
    assert yolo_lines(found, (100, 100)) == ["0 0.050000 0.050000 0.100000 0.100000"]


def test_an_empty_label_file_is_an_image_without_findings():
    labels = parse_yolo("", (10, 10), NAMES)
    assert len(labels) == 0
    assert labels.detections.keypoints.shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.1", "line 2: 4 columns, expected 5"),
        ("0 0.5 0.5 0.1 abc", "line 2: could not convert"),
        ("0 0.5 0.5 0.1 nan", "line 2: a value is not finite"),
        ("0.5 0.5 0.5 0.1 0.1", "line 2: class 0.5"),
        ("-1 0.5 0.5 0.1 0.1", "line 2: class -1"),
        ("0 50 0.5 0.1 0.1", "line 2: box"),
        ("0 0.5 0.5 0.1 0.1 7", "line 2: confidence 7"),
    ],
)
def test_a_faulty_line_is_named(line, said):
    with pytest.raises(AmogusError, match=said):
        parse_yolo(f"0 0.5 0.5 0.1 0.1\n{line}\n", (10, 10))


def test_a_keypoint_flag_that_is_none_is_named():
    with pytest.raises(AmogusError, match="v is not 0, 1 or 2"):
        parse_yolo("0 0.5 0.5 0.1 0.1 0.5 0.5 5", (10, 10), ("head",))


def test_coco_annotations_have_boxes_areas_keypoints_and_running_ids():
    first, second = coco_annotations(two_findings(), image_id=7, first_id=11)
    assert first["bbox"] == [10, 20, 30, 40]
    assert first["area"] == 1200
    assert first["keypoints"] == [20, 20, 2, 0, 0, 0]
    assert (first["num_keypoints"], second["num_keypoints"]) == (1, 2)
    assert (first["id"], second["id"], second["image_id"], second["category_id"]) == (11, 12, 7, 1)


def test_coco_annotations_come_back_as_the_same_boxes():
    found = two_findings()
    labels = parse_coco(coco_annotations(found, 1, 1), NAMES)
    assert np.allclose(labels.detections.xyxy, found.xyxy)
    assert np.allclose(labels.detections.confidence, found.confidence)
    assert labels.detections.keypoints[0].tolist() == [[20, 20, 1], [0, 0, 0]]
    assert labels.classes.tolist() == [1, 1]
    assert len(parse_coco([], NAMES)) == 0


def test_a_category_without_keypoints_has_no_keypoint_fields():
    assert coco_category("mug") == {"id": 1, "name": "mug", "supercategory": "mug"}
    assert coco_category("amogus", NAMES)["keypoints"] == ["head", "foot"]


@pytest.mark.parametrize("box", [None, [1, 2, 3], [1, 2, -3, 4], "abcd", [1, 2, 3, float("nan")]])
def test_an_annotation_without_a_usable_box_is_named(box):
    with pytest.raises(AmogusError, match="annotation 5"):
        parse_coco([{"id": 5, "bbox": box}])


def test_an_annotation_with_other_keypoints_is_named():
    with pytest.raises(AmogusError, match="annotation 5: 3 keypoint values, expected 6"):
        parse_coco([{"id": 5, "bbox": [0, 0, 1, 1], "keypoints": [1, 2, 2]}], NAMES)
