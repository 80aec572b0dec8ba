import numpy as np
import pytest

from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import DecodedImage, Detections, FileEntry, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation import benchmark_tiles as bench
from amogus_search.evaluation.benchmark_tiles import Looked, TilesSettings
from amogus_search.finder import Finder
from amogus_search.pipeline.detect import detect_images, planned_windows
from amogus_search.settings import Profile, TilingSettings
from amogus_search.testing import FakeDetector

ENTRY = FileEntry(b"/p.jpg", b"/", None)
PROFILE = Profile("p", full_px=(128, 64), native_tiles=True)
ANY = Threshold(min_confidence=0.2)


class Faint(FakeDetector):
    """Also finds rectangles that are a little red, with little confidence."""

    floor = 0.003

    def detect_tiles(self, tiles):
        return [self._faint(tile, found) for tile, found in zip(tiles, super().detect_tiles(tiles), strict=True)]

    def _faint(self, tile, found):
        rows, columns = np.nonzero((tile[..., 0] > 150) & (tile[..., 1] < 100))
        if len(found) or not len(rows):
            return found
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        names = self.motif.keypoint_names
        return Detections.make([box], [0.03], keypoints=np.zeros((1, len(names), 3)), keypoint_names=names)


def photo(*boxes, size_wh=(700, 500)):
    pixels = np.random.default_rng(7).integers(90, 130, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = (230, 20, 20)
    return DecodedImage(ENTRY, pixels, size_wh, "00", "JPEG")


def looked_at(image, detector):
    tiles = planned_windows(image.full_wh, detector.tile_px, PROFILE)
    test = bench.TilesBench((), {})
    return tiles, bench._look(test, image, Finder(detector), PROFILE)


@pytest.mark.parametrize("hint", [0.0, 0.02, 0.5])
def test_what_is_paid_for_is_what_the_pipeline_looks_at(hint):
    """Else the figures would be those of another gate."""
    image = photo((30, 40, 60, 70), (500, 300, 506, 307))
    _, looked = looked_at(image, Faint())
    detector = Faint()
    list(detect_images([image], detector, PROFILE, tiles=TilingSettings(hint_confidence=hint)))
    assert sum(bench.paid_for(looked, hint, bench.hints_of(looked, hint, image.full_wh))) == detector.tiles_seen


def test_rows_say_what_each_setting_saves_and_loses():
    test = list(bench.run([photo(), photo()], Finder(Faint()), PROFILE, ANY, TilesSettings(plants=3)))[-1]
    rows = test.rows()
    assert [row["hint_confidence"] for row in rows] == [0.0, 0.003, 0.005, 0.01, 0.02, 0.05]
    passes = [row["passes"] for row in rows]
    assert passes == sorted(passes, reverse=True)
    assert rows[1]["saved"] > 0.5 > rows[0]["saved"]
    assert {row["planted"] for row in rows} == {rows[0]["planted"]}
    assert rows[0]["lost"] == 0


def test_a_detector_without_faint_candidates_has_no_gate_to_compare():
    test = list(bench.run([photo()], Finder(FakeDetector()), PROFILE, ANY, TilesSettings(plants=1)))[-1]
    assert [row["hint_confidence"] for row in test.rows()] == [0.0]


def test_a_window_that_no_hint_touches_is_not_paid_for():
    image = photo((30, 40, 60, 70))
    tiles, looked = looked_at(image, Faint())
    paid = bench.paid_for(looked, 0.5, bench.hints_of(looked, 0.5, image.full_wh))
    highest = max(tile.zoom for tile in tiles)
    at_highest = [tile for tile, is_paid in zip(tiles, paid, strict=True) if is_paid and tile.zoom == highest]
    assert at_highest
    assert all(tile.x < 60 and tile.y < 70 for tile in at_highest)
    assert isinstance(looked[0], Looked)


def test_a_smooth_ground_keeps_its_colours_and_loses_its_structure():
    rough = photo().pixels
    smooth = bench.smooth(rough)
    assert smooth.shape == rough.shape
    assert abs(float(smooth.mean()) - float(rough.mean())) < 2
    assert smooth.std() < 0.3 * rough.std()


def test_a_photo_that_cannot_be_read_stops_the_benchmark():
    with pytest.raises(AmogusError, match="truncated"):
        list(bench.run([SkippedImage(ENTRY, "truncated", "half")], Finder(Faint()), PROFILE, ANY, TilesSettings()))


def test_neighbours_do_not_lead_to_a_planted_one():
    truth = np.asarray([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    hints = np.asarray([[1, 1, 9, 9], [21, 1, 29, 9], [50, 50, 60, 60]], np.float32)
    assert bench.without_others(hints, truth, 0).tolist() == [[1, 1, 9, 9], [50, 50, 60, 60]]
    assert bench.without_others(np.zeros((0, 4), np.float32), truth, 1).shape == (0, 4)
