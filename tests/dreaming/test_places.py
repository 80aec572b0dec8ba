"""Places: chosen apart, masked softly, followed when the picture is rolled."""

import numpy as np

from amogus_search.dreaming import places


def boxes(*rows):
    return np.asarray(rows, np.float32)


def test_the_best_that_lie_apart_are_chosen_among_those_of_the_right_size():
    table = boxes((0, 0, 20, 20), (2, 2, 22, 22), (50, 0, 70, 20), (0, 50, 90, 90), (50, 50, 52, 52))
    scores = np.asarray([0.5, 0.9, 0.1, 1.0, 2.0], np.float32)
    chosen = places.best_apart(table, scores, 3, (10, 40))
    np.testing.assert_array_equal(chosen, table[[1, 2]])


def test_if_none_has_the_right_size_the_nearest_is_taken():
    table = boxes((0, 0, 2, 2), (0, 0, 6, 6))
    np.testing.assert_array_equal(places.best_apart(table, np.asarray([1, 0], np.float32), 1, (10, 20)), table[[1]])
    assert places.best_apart(table[:0], np.zeros(0, np.float32), 3, (10, 20)).shape == (0, 4)


def test_places_that_may_change_come_before_better_ones_that_may_not():
    mask = np.zeros((50, 100), np.float32)
    mask[:, 40:] = 1
    table = boxes((0, 0, 30, 30), (30, 0, 60, 30), (50, 0, 80, 30), (41, 20, 90, 50), (90, 60, 120, 90))
    np.testing.assert_array_equal(places.well_within(table, mask, 3), table[[2, 3, 1]])
    assert places.well_within(table[:0], mask, 3).shape == (0, 4)


def test_a_mask_is_whole_within_and_nothing_far_away():
    mask = places.mask_of(boxes((20, 20, 40, 60)), (100, 80))
    assert mask.shape == (80, 100)
    assert mask[25:55, 25:35].min() == 1
    assert not mask[:, 60:].any()
    assert 0 < mask[40, 41] < 1


def test_a_feather_ends_where_the_box_does():
    feather = places.feather_of(boxes((10.5, 20, 50, 60)), (100, 80))
    outside = np.ones((80, 100), bool)
    outside[20:60, 11:50] = False
    assert not feather[outside].any()
    assert feather[40, 30] == 1
    assert 0 < feather[40, 11] < 0.5


def test_a_feather_does_not_fade_where_the_picture_ends():
    feather = places.feather_of(boxes((0, 0, 50, 80)), (100, 80))
    assert feather[0, 0] == 1
    assert feather[40, 49] < 0.5


def test_masks_come_in_bands_too():
    one, size = boxes((20, 20, 40, 60)), (100, 80)
    for make in (places.mask_of, places.feather_of):
        np.testing.assert_array_equal(make(one, size, (30, 50)), make(one, size)[30:50])


def test_boxes_move_with_the_picture_and_are_left_out_at_the_seam():
    table = boxes((10, 10, 30, 30), (60, 10, 80, 30))
    moved, whole = places.rolled(table, (30, -15), (100, 50))
    np.testing.assert_array_equal(moved[0], (40, -5, 60, 15))
    np.testing.assert_array_equal(moved[1], (-10, -5, 10, 15))
    assert whole.tolist() == [False, False]
    moved, whole = places.rolled(table, (-45, 5), (100, 50))
    np.testing.assert_array_equal(moved[1], (15, 15, 35, 35))
    np.testing.assert_array_equal(moved[0], (65, 15, 85, 35))
    assert whole.tolist() == [True, True]


def test_a_rolled_place_shows_what_it_showed():
    picture = np.random.default_rng(0).random((50, 100))
    (box,), (whole,) = places.rolled(boxes((60, 10, 80, 30)), (-47, 13), (100, 50))
    x1, y1, x2, y2 = box.astype(int)
    assert whole
    rolled = np.roll(picture, (13, -47), (0, 1))
    np.testing.assert_array_equal(rolled[y1:y2, x1:x2], picture[10:30, 60:80])
