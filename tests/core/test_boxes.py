import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.boxes import areas, clip, ios, iou, suppress


def boxes(*rows):
    return np.asarray(rows, np.float32).reshape(-1, 4)


@st.composite
def some_boxes(draw, most=8):
    rows = draw(st.lists(st.tuples(*[st.integers(0, 60)] * 4), max_size=most))
    return boxes(*[(x, y, x + w + 1, y + h + 1) for x, y, w, h in rows])


@given(some_boxes(), some_boxes())
def test_iou_is_symmetric_and_between_zero_and_one(a, b):
    table = iou(a, b)
    assert table.shape == (len(a), len(b))
    assert np.allclose(table, iou(b, a).T)
    assert ((table >= 0) & (table <= 1)).all()


def test_a_box_inside_another_has_full_ios_but_a_small_iou():
    inner, outer = boxes((2, 2, 4, 4)), boxes((0, 0, 10, 10))
    assert ios(inner, outer)[0, 0] == 1
    assert np.isclose(iou(inner, outer)[0, 0], 0.04)


def test_areas_work_on_batches_and_an_inverted_box_has_none():
    """A conversion that indexes the first axis is right for one box and wrong for two."""
    assert areas(boxes((0, 0, 2, 3), (5, 5, 1, 9))).tolist() == [6, 0]


def test_suppression_keeps_the_best_of_an_overlapping_pair_and_a_lone_box():
    found = boxes((0, 0, 10, 10), (1, 1, 11, 11), (50, 50, 60, 60))
    kept = suppress(found, np.asarray([0.6, 0.9, 0.5], np.float32), max_iou=0.5)
    assert kept.tolist() == [1, 2]


def test_a_small_one_in_front_of_a_large_one_is_no_part_of_it():
    """A large half of a box is the same finding; a twentieth of it is somebody else."""
    found, confidence = boxes((0, 0, 100, 100), (10, 10, 30, 35), (0, 0, 100, 45)), np.asarray([0.6, 0.9, 0.5])
    kept = suppress(found, confidence, max_iou=0.5, max_ios=0.8, part_ratio=0.3)
    assert kept.tolist() == [1, 0]
    assert suppress(found, confidence, max_iou=0.5, max_ios=0.8).tolist() == [1]


def test_suppression_breaks_ties_by_position_whatever_the_order_given():
    found, same = boxes((30, 0, 40, 10), (0, 0, 10, 10)), np.full(2, 0.5, np.float32)
    first = found[suppress(found, same, max_iou=0.5)]
    second = found[::-1][suppress(found[::-1], same, max_iou=0.5)]
    assert (first == second).all()


@given(some_boxes(12))
def test_no_two_survivors_overlap_by_more_than_the_limit(found):
    kept = found[suppress(found, np.linspace(1, 0, len(found), dtype=np.float32), max_iou=0.4)]
    table = iou(kept, kept) - np.eye(len(kept))
    assert (table <= 0.4 + 1e-6).all()


def test_clipping_keeps_a_box_inside_the_picture():
    assert clip(boxes((-5, -5, 50, 8)), (20, 10)).tolist() == [[0, 0, 20, 8]]
