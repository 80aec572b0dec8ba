import numpy as np
import pytest

from amogus_search.core import tiling
from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation.benchmark_engine import Contender, Pair, alone, looking, run, turned_round
from amogus_search.evaluation.comparing import Plants
from amogus_search.evaluation.engine_causes import STEPS, Preparation, canvas_of, prepared
from amogus_search.pipeline.resize import resize
from amogus_search.testing import FakeDetector

ENTRY = FileEntry(b"/p.jpg", b"/", None)
NO_PLANTS = Plants(0, (20.0, 40.0))


def photo(*boxes, size_wh=(160, 107)):
    pixels = np.random.default_rng(7).integers(90, 130, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = (230, 20, 20)
    return DecodedImage(ENTRY, pixels, size_wh, "00", "JPEG")


def bgr_finder(detector):
    """A library that takes red for blue unless it is given BGR."""
    look = looking(detector)
    return lambda images: look([turned_round(image) for image in images])


@pytest.fixture
def pairs():
    ours = Contender("ours", looking(FakeDetector(tile_px=640)))
    theirs = Contender("theirs", bgr_finder(FakeDetector(tile_px=640)), threads=1, wants=turned_round)
    silent = Contender("asked only", looking(FakeDetector(tile_px=640)), timed=False)
    return [Pair(ours, theirs), Pair(silent, theirs)]


def test_both_see_the_same_pixels_each_in_the_form_it_wants(pairs):
    list(run([photo((30, 20, 70, 60)), photo((80, 30, 120, 90))], pairs, NO_PLANTS))
    row = pairs[0].row()
    assert (row["pictures"], row["findings"], row["share"]) == (2, 4, 1.0)
    assert row["low"] <= row["times_as_fast"] or row["times_as_fast"] <= row["high"]
    assert row["other_threads"] == 1


def test_pictures_are_shown_in_stacks_and_every_one_of_them_counts(pairs):
    stacks = []
    single = Contender("one by one", alone(FakeDetector(tile_px=640)))
    seen = Contender(
        "in stacks", lambda images: stacks.append(len(images)) or looking(FakeDetector(tile_px=640))(images)
    )
    photos = [photo((30 + 5 * i, 20, 70 + 5 * i, 60)) for i in range(5)]
    list(run(photos, [Pair(seen, single)], NO_PLANTS, together=2))
    assert stacks == [2, 2, 2, 2, 1, 1], "each once before it is timed"
    row = Pair(seen, single).row()
    assert row["pictures"] == 5
    assert row["ms"] > 0


def test_one_that_is_only_asked_for_its_findings_has_no_times(pairs):
    list(run([photo((30, 20, 70, 60))], pairs, NO_PLANTS))
    row = pairs[1].row()
    assert row["times_as_fast"] is None
    assert row["share"] == 1.0
    assert list(row) == list(pairs[0].row())


def test_a_picture_that_cannot_be_read_stops_the_measurement(pairs):
    with pytest.raises(AmogusError, match="corrupt"):
        list(run([SkippedImage(ENTRY, "corrupt", "ends early")], pairs, NO_PLANTS))


@pytest.mark.parametrize("how", STEPS.values(), ids=STEPS.keys())
def test_however_a_picture_is_prepared_findings_are_in_its_pixels(how):
    image = photo((30, 20, 70, 60), size_wh=(640, 428))
    detector = FakeDetector(tile_px=640)
    (found,), (usual,) = prepared(detector, how)([image]), looking(detector)([image])
    np.testing.assert_allclose(found.xyxy, usual.xyxy, atol=1)


def test_their_shape_is_the_least_multiple_of_32_and_ours_one_of_a_few():
    """360 rows make 384 of either; 500 make 512 of theirs."""
    for rows, theirs, ours in ((360, 384, 384), (500, 512, 640)):
        pixels = photo(size_wh=(640, rows)).pixels
        tile = tiling.fitted((640, rows), 640)
        assert canvas_of(pixels, tile, Preparation(shape=True), rectangular=True).shape == (theirs, 640, 3)
        assert canvas_of(pixels, tile, Preparation(), rectangular=True).shape == (ours, 640, 3)


def test_our_own_way_is_that_of_the_pipeline():
    pixels = photo(size_wh=(640, 428)).pixels
    tile = tiling.fitted((640, 428), 640)
    np.testing.assert_array_equal(
        canvas_of(pixels, tile, Preparation(), rectangular=True),
        tiling.cut(pixels, tile, resize, rectangular=True),
    )
