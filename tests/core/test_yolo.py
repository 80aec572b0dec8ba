import numpy as np
import pytest

from amogus_search.core.yolo import decode


def raw(*columns):
    return np.asarray(columns, np.float32).T


def test_centres_and_sizes_become_corners():
    found = decode(raw((50, 40, 20, 10, 0.9)), min_confidence=0.1, max_iou=0.5)
    assert found.xyxy.tolist() == [[40, 35, 60, 45]]
    assert found.confidence.tolist() == pytest.approx([0.9])


def test_weak_ones_and_the_weaker_of_two_overlapping_ones_go():
    found = decode(
        raw((50, 40, 20, 20, 0.8), (51, 40, 20, 20, 0.9), (200, 200, 20, 20, 0.05)), min_confidence=0.1, max_iou=0.5
    )
    assert found.confidence.tolist() == pytest.approx([0.9])


def test_keypoints_come_along():
    found = decode(
        raw((5, 5, 4, 4, 0.9, 1, 2, 0.7, 3, 4, 0.2)), min_confidence=0.1, max_iou=0.5, keypoint_names=("a", "b")
    )
    assert found.keypoints[0] == pytest.approx(np.asarray([[1, 2, 0.7], [3, 4, 0.2]]))


def test_the_best_class_counts_when_there_are_several():
    found = decode(raw((5, 5, 4, 4, 0.2, 0.9, 0.1)), min_confidence=0.1, max_iou=0.5, classes=3)
    assert found.confidence.tolist() == pytest.approx([0.9])


def test_a_flood_of_candidates_is_survived():
    rng = np.random.default_rng(0)
    flood = np.concatenate([rng.uniform(0, 640, (2, 8400)), np.full((2, 8400), 8), rng.uniform(0.2, 1, (1, 8400))])
    assert 0 < len(decode(flood.astype(np.float32), min_confidence=0.1, max_iou=0.5)) <= 3000


def test_the_keypoints_of_suppressed_neighbours_are_averaged_in_by_confidence_and_overlap():
    """Neighbouring anchors see the same figure and err differently."""
    best, twin = (50, 50, 20, 20, 0.8, 10, 20, 0.9), (50, 50, 20, 20, 0.4, 13, 20, 0.1)
    (points,) = decode(raw(best, twin), min_confidence=0.1, max_iou=0.5, keypoint_names=("a",)).keypoints
    assert points[0] == pytest.approx([11, 20, 0.9])


@pytest.mark.parametrize("other", [(58, 50, 20, 20, 0.7), (50, 50, 20, 20, 0.05)])
def test_candidates_elsewhere_or_far_weaker_have_no_say(other):
    found = decode(
        raw((50, 50, 20, 20, 0.8, 10, 20, 0.9), (*other, 19, 29, 0.9)),
        min_confidence=0.01,
        max_iou=0.3,
        keypoint_names=("a",),
    )
    assert found.keypoints[0, 0] == pytest.approx([10, 20, 0.9])
