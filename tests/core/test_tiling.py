from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amogus_search.core import tiling
from amogus_search.core.types import Detections
from amogus_search.pipeline.resize import resize
from amogus_search.settings import PROFILES, TILING


def plan(size_wh, name="balanced"):
    profile = PROFILES[name]
    return tiling.plan(
        size_wh,
        640,
        full_px=profile.full_px,
        native_tiles=profile.native_tiles,
        enlarge=profile.enlarge,
        overlap=TILING.overlap_ratio,
        much_larger=TILING.much_larger,
        max_enlarged_px=TILING.max_enlarged_px,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_the_tiles_of_every_zoom_cover_the_whole_picture(width, height):
    by_zoom = {}
    for tile in plan((width, height)):
        by_zoom.setdefault(tile.zoom, []).append(tile)
    for tiles in by_zoom.values():
        seen = np.zeros((height, width), bool)
        for t in tiles:
            seen[t.y : t.y + t.height, t.x : t.x + t.width] = True
        assert seen.all()


@settings(max_examples=60, deadline=None)
@given(st.integers(641, 9000), st.sampled_from([0.1, 0.2, 0.5]))
def test_neighbouring_tiles_overlap_by_at_least_the_ratio(length, overlap):
    starts = tiling.starts(length, 640, overlap)
    assert starts[0] == 0
    assert starts[-1] == length - 640
    assert (640 - np.diff(starts) >= overlap * 640 - 1).all()


def test_neighbouring_zooms_are_close_enough_that_what_one_cuts_the_next_shows_whole():
    zooms = sorted({tile.zoom for tile in plan((6000, 4000))})
    assert all(b / a <= 2 * TILING.much_larger for a, b in pairwise(zooms))


@pytest.mark.parametrize("size_wh", [(250_000_000, 1), (1, 2_400_000), (83_000_000, 3), (500_000, 41), (780_000, 320)])
def test_a_strip_of_any_length_has_a_bounded_number_of_windows(size_wh):
    """As many pixels as any picture may have, but drawn out: windows would be of padding."""
    tiles = plan(size_wh)
    assert len(PROFILES["balanced"].full_px) <= len(tiles) <= 3500
    assert all(min(tile.shown_wh) >= 3 for tile in tiles[len(PROFILES["balanced"].full_px) :])


def test_a_panorama_is_looked_at_closely_all_along():
    tiles = [tile for tile in plan((60_000, 200)) if tile.zoom == 1]
    assert min(tile.x for tile in tiles) == 0
    assert max(tile.x + tile.width for tile in tiles) == 60_000


def test_a_small_picture_is_looked_at_whole_only():
    assert {(t.width, t.height) for t in plan((500, 400))} == {(500, 400)}


@pytest.mark.parametrize("size_wh", [(640, 480), (300, 900), (2000, 1300)])
def test_a_point_goes_to_the_tile_and_back(size_wh):
    """The way there is the picture itself: a white dot is found where it was put."""
    pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    spot = (size_wh[0] // 3, size_wh[1] // 2)
    pixels[spot[1] - 8 : spot[1] + 8, spot[0] - 8 : spot[0] + 8] = 255
    for tile in plan(size_wh):
        shown = tiling.cut(pixels, tile, resize)
        width, height = tile.shown_wh
        left, top = tile.offset_xy
        ys, xs = np.nonzero(shown[top : top + height, left : left + width, 0] > 128)
        ys, xs = ys + top, xs + left
        whole = tile.x + 9 <= spot[0] < tile.x + tile.width - 9 and tile.y + 9 <= spot[1] < tile.y + tile.height - 9
        if not whole or len(xs) < 4:
            continue
        box = [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]
        back = tiling.to_image(Detections.make(box, [0.5]), tile, size_wh).xyxy[0]
        assert np.abs((back[:2] + back[2:]) / 2 - spot).max() <= 1.5 / min(1, tile.zoom)


def test_a_box_cut_by_a_tile_edge_is_marked_but_not_one_at_the_edge_of_the_picture():
    tile = tiling.Tile(0, 100, 640, 640, 1.0, 640)
    found = np.asarray([[0, 200, 50, 300], [300, 0, 350, 90], [600, 300, 640, 400], [100, 100, 200, 200]], np.float32)
    assert tiling.is_cut(found, tile, (2000, 2000)).tolist() == [False, True, True, False]


def test_padding_is_grey_and_the_picture_lies_where_ultralytics_puts_it():
    """428 rows lack 20 to 448: ten are left above, whatever the input's height."""
    pixels = np.full((428, 640, 3), 255, np.uint8)
    tile = tiling.fitted((640, 428), 640)
    for rectangular, height in ((False, 640), (True, 448)):
        shown = tiling.cut(pixels, tile, resize, rectangular=rectangular)
        assert shown.shape == (height, 640, 3)
        assert (shown[:10] == tiling.PAD_VALUE).all()
        assert (shown[10:438] == 255).all()
        assert (shown[438:] == tiling.PAD_VALUE).all()


@pytest.mark.parametrize(
    ("size_wh", "input_wh"),
    [
        ((4000, 3000), (640, 480)),
        ((3000, 4000), (480, 640)),
        ((1500, 1000), (640, 448)),
        ((1920, 1080), (640, 384)),
        ((2000, 300), (640, 320)),
        ((500, 500), (640, 640)),
        ((640, 481), (640, 640)),
    ],
)
def test_a_rectangular_input_is_the_least_padded_of_a_few(size_wh, input_wh):
    tile = tiling.fitted(size_wh, 640)
    pixels = np.full((size_wh[1] // 4, size_wh[0] // 4, 3), 255, np.uint8)
    shown = tiling.cut(pixels, tile, resize, zoom_xy=(0.25, 0.25), rectangular=True)
    assert tiling.input_wh(tile, rectangular=True) == input_wh == shown.shape[1::-1]
    assert (shown == tiling.cut(pixels, tile, resize, zoom_xy=(0.25, 0.25))[: input_wh[1], : input_wh[0]]).all()


def test_rectangles_come_in_nine_shapes_whatever_the_picture():
    shapes = {
        tiling.input_wh(tile, rectangular=True)
        for width in range(20, 3000, 97)
        for height in range(20, 3000, 89)
        for tile in plan((width, height))
        if tile.side_px == 640
    }
    assert len(shapes) == 9


def test_a_tile_without_structure_is_empty_and_one_with_a_speck_is_not():
    flat = np.full((64, 64, 3), 90, np.uint8)
    specked = flat.copy()
    specked[8:24, 8:24] = 250
    assert tiling.is_empty(flat, TILING.empty_std)
    assert not tiling.is_empty(specked, TILING.empty_std)


def test_the_highest_zoom_can_be_chosen_from_where_the_zoom_below_is_close():
    others, closest, below = tiling.finest(plan((6000, 4000)))
    assert {tile.zoom for tile in closest} == {1.0}
    assert (below, max(tile.zoom for tile in others)) == (0.5, 0.5)
    assert len(others) + len(closest) == len(plan((6000, 4000)))


@pytest.mark.parametrize("size_wh", [(500, 400), (1500, 1000)])
def test_nothing_is_chosen_where_small_things_would_leave_no_trace(size_wh):
    """A single window shows it all, or the zoom below is less than half."""
    assert tiling.finest(plan(size_wh)) == (plan(size_wh), [], 0.0)
    assert tiling.finest([]) == ([], [], 0.0)


def test_a_box_touches_the_windows_that_show_a_part_of_it():
    tile = tiling.Tile(100, 50, 64, 64, 1.0, 64)
    inside, across, beside = ([110, 60, 120, 70], [90, 40, 101, 51], [164, 50, 170, 60])
    for box, expected in ((inside, True), (across, True), (beside, False)):
        assert tiling.touches(tile, np.asarray([box], np.float32)) is expected
    assert not tiling.touches(tile, np.zeros((0, 4), np.float32))


def test_a_window_is_empty_by_all_that_is_looked_at_however_little_varies():
    """A quick look at a few pixels may spare the closer one, and must never change the answer."""
    flat = np.full((64, 64, 3), 100, np.uint8)
    for side in range(0, 24, 2):
        spotted = flat.copy()
        spotted[20 : 20 + side, 20 : 20 + side] = 110
        assert tiling.is_empty(spotted, 0.7) == bool(spotted[::4, ::4].std() < 0.7)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert not tiling.is_empty(noise, 0.7)
    assert not tiling.is_empty(flat, 0.0)
