import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.cropping import crop, crop_window, scale_boxes, to_crop, to_image

sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))
corners = st.lists(st.floats(-50, 450, width=32), min_size=4, max_size=4)


def test_a_window_is_square_with_the_padding_on_each_side():
    assert crop_window([100, 100, 120, 110], (400, 400), 0.5) == (90, 85, 130, 125)


def test_a_window_at_the_border_is_shifted_inwards_and_stays_square():
    assert crop_window([0, 0, 20, 10], (400, 400), 0.5) == (0, 0, 40, 40)
    assert crop_window([390, 395, 400, 400], (400, 400), 0.5) == (380, 380, 400, 400)


def test_a_window_larger_than_the_picture_is_clipped_in_that_direction_only():
    assert crop_window([10, 0, 110, 30], (400, 30), 0.0) == (10, 0, 110, 30)


def test_a_whole_number_box_without_padding_is_cropped_exactly():
    """Float noise must not add a pixel: 30 px at a padding of 0.1 are 36 px."""
    left, top, right, bottom = crop_window(np.float32([10, 10, 40, 40]), (100, 100), 0.1)
    assert (right - left, bottom - top) == (36, 36)


@given(sizes, corners, st.floats(0, 2))
def test_any_box_gives_a_window_that_is_inside_the_picture_and_not_empty(size, box, padding):
    left, top, right, bottom = crop_window(box, size, padding)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert right - left == bottom - top or size[0] == right - left or size[1] == bottom - top


@given(sizes, st.data(), st.floats(0, 2))
def test_a_window_holds_the_box_that_it_was_made_for(size, data, padding):
    x1 = data.draw(st.integers(0, size[0] - 1))
    y1 = data.draw(st.integers(0, size[1] - 1))
    box = (x1, y1, data.draw(st.integers(x1 + 1, size[0])), data.draw(st.integers(y1 + 1, size[1])))
    left, top, right, bottom = crop_window(box, size, padding)
    assert left <= box[0]
    assert top <= box[1]
    assert right >= box[2]
    assert bottom >= box[3]


@given(sizes, corners)
def test_the_way_into_a_crop_and_back_is_the_identity(size, box):
    window = crop_window(box, size, 0.2)
    assert np.allclose(to_image(to_crop(np.float32(box), window), window), np.float32(box), atol=1e-3)
    assert np.allclose(to_image(to_crop(np.float32([box[:2]]), window), window), np.float32([box[:2]]), atol=1e-3)


def test_crop_takes_the_pixels_of_the_window_as_a_copy():
    pixels = np.arange(20 * 20 * 3, dtype=np.uint8).reshape(20, 20, 3)
    taken = crop(pixels, [4, 4, 8, 8], 0.25)
    assert np.array_equal(taken, pixels[3:9, 3:9])
    assert taken.flags.c_contiguous
    assert not np.shares_memory(taken, pixels)


@pytest.mark.parametrize(
    ("box", "size", "padding"),
    [([0, 0, np.nan, 1], (9, 9), 0.1), ([0, 0, 1, 1], (0, 9), 0.1), ([0, 0, 1, 1], (9, 9), -0.1)],
)
def test_nonsense_is_refused(box, size, padding):
    with pytest.raises(ValueError, match="cannot crop"):
        crop_window(box, size, padding)


def test_points_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="last axis"):
        to_crop(np.zeros((2, 3)), (0, 0, 1, 1))


def test_boxes_follow_a_reduced_decode():
    assert scale_boxes([[10, 20, 30, 40]], (100, 200), (50, 100)).tolist() == [[5, 10, 15, 20]]
