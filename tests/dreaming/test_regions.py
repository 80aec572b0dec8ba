"""Windows of a picture, and the promise that nothing changes where it must not."""

import numpy as np
import pytest

from amogus_search.dreaming.regions import blended, regions_of
from amogus_search.errors import UsageError

SIZE = (300, 200)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)


def test_without_a_box_all_of_the_picture_dreams(pixels):
    (region,) = regions_of(SIZE, [])
    assert region.window == (0, 0, 300, 200)
    assert region.boxes is None
    assert region.allowed((30, 20)).min() == 1
    np.testing.assert_allclose(region.cut(pixels), pixels / 255, atol=1e-6)


def test_a_box_is_a_place_in_a_window_with_context():
    (region,) = regions_of(SIZE, [[100, 50, 160, 110]])
    x1, y1, x2, y2 = region.window
    assert x1 < 100 < 160 < x2
    assert y1 < 50 < 110 < y2
    np.testing.assert_array_equal(region.limits[0], [100 - x1, 50 - y1, 160 - x1, 110 - y1])
    assert (region.boxes[0, :2] > region.limits[0, :2]).all()
    assert (region.boxes[0, 2:] < region.limits[0, 2:]).all()


def test_places_are_looked_for_in_a_box_if_that_is_asked():
    (region,) = regions_of(SIZE, [[100, 50, 160, 110]], choose=True)
    assert region.window == (100, 50, 160, 110)
    assert region.boxes is None
    assert not region.allowed((60, 60))[0].any()


@pytest.mark.parametrize("choose", [False, True])
@pytest.mark.parametrize("box", [(100, 50, 160, 110), (0, 0, 40, 40), (280.6, 150, 400, 220)])
def test_outside_of_the_box_every_pixel_is_the_same(pixels, box, choose):
    """However large the change is: cubic enlargement reaches beyond its samples, and the box must hold all the same."""
    (region,) = regions_of(SIZE, [box], choose=choose)
    boxes = region.boxes if region.boxes is not None else np.asarray([[0, 0, *region.size_wh]], np.float32)
    before = pixels.copy()
    result = blended(pixels, region, np.full((31, 33, 3), 0.7, np.float32), boxes)
    outside = np.ones((SIZE[1], SIZE[0]), bool)
    outside[max(0, round(box[1])) : round(box[3]), max(0, round(box[0])) : round(box[2])] = False
    np.testing.assert_array_equal(result[outside], pixels[outside])
    assert (result != pixels).any()
    np.testing.assert_array_equal(pixels, before)


def test_far_from_its_places_a_whole_picture_stays_the_same(pixels):
    (region,) = regions_of(SIZE, [])
    result = blended(pixels, region, np.full((20, 30, 3), 0.3, np.float32), np.asarray([[50, 50, 90, 90]], np.float32))
    np.testing.assert_array_equal(result[:, 150:], pixels[:, 150:])
    assert (result[60:80, 60:80] >= pixels[60:80, 60:80]).all()
    assert (result[60:80, 60:80] > pixels[60:80, 60:80]).any()


def test_a_change_is_enlarged_without_seams_between_the_bands(monkeypatch, pixels):
    from amogus_search.dreaming import regions

    change = np.random.default_rng(1).random((40, 60, 3)).astype(np.float32) * 0.2
    (region,) = regions_of(SIZE, [])
    whole = np.asarray([[0, 0, 300, 200]], np.float32)
    results = []
    for rows in (7, 1000):
        monkeypatch.setattr(regions, "_BAND", rows)
        results.append(blended(pixels, region, change, whole).astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1


def test_a_region_follows_its_picture_to_another_size():
    (region,) = regions_of(SIZE, [[100, 50, 160, 110]])
    small = region.shrunk(SIZE, (150, 100))
    assert max(small.window) <= 150
    corner = small.limits[0, :2] + small.window[:2]
    np.testing.assert_allclose(corner, (50, 25), atol=1.1)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (400, 0, 500, 50), (0, 0, float("nan"), 5), (50, 50, 20, 20)])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(UsageError):
        regions_of(SIZE, [box])
