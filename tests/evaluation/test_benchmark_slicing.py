import numpy as np
import pytest

from amogus_search.core.types import DecodedImage, Detections, FileEntry, SkippedImage
from amogus_search.errors import AmogusError, MissingExtraError
from amogus_search.evaluation import slicing_peer
from amogus_search.evaluation.benchmark_slicing import ALIKE, CountingDetector, Side, ours, run
from amogus_search.evaluation.comparing import Plants
from amogus_search.testing import FakeDetector

ENTRY = FileEntry(b"/p.jpg", b"/", None)
PLANTS = Plants(4, (40.0, 120.0))


def photo(*boxes, size_wh=(500, 400)):
    pixels = np.random.default_rng(7).integers(90, 130, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = (230, 20, 20)
    return DecodedImage(ENTRY, pixels, size_wh, "00", "JPEG")


def seer(share, false=0):
    """Finds the true boxes of the plants, that share of them, and some false ones in the corner."""

    def look(image):
        _, truth = PLANTS.into(photo(), 0)
        kept = truth[: round(share * len(truth))]
        boxes = np.concatenate([kept, np.tile(np.asarray([[0, 0, 9, 9]], np.float32), (false, 1))])
        return Detections.make(boxes, np.ones(len(boxes))), 7

    return look


def test_recall_windows_and_false_findings_are_counted_for_each_side():
    sides = [Side("theirs", seer(1.0)), Side("ours", seer(0.5, false=2))]
    list(run([photo()], sides, PLANTS))
    theirs, own = (side.row(sides[0]) for side in sides)
    assert (theirs["recall"], own["recall"]) == (1.0, 0.5)
    assert (own["only_here"], own["only_there"]) == (0, own["planted"] // 2)
    assert (own["windows"], own["false"]) == (7, 2)
    assert theirs["times_as_fast"] == 1.0


def test_our_way_counts_the_windows_that_the_detector_saw():
    found, windows = ours(FakeDetector(tile_px=128), overlap=0.2, min_confidence=0.25)(photo((30, 30, 60, 60)))
    assert len(found) == 1
    assert windows > 10


def test_without_the_gate_no_fewer_windows_are_looked_at():
    class Faint(FakeDetector):
        floor = 0.003

    image = photo((30, 30, 90, 90), size_wh=(1200, 900))
    gated = ours(Faint(tile_px=640), overlap=0.2, min_confidence=0.25)(image)[1]
    everywhere = ours(Faint(tile_px=640), overlap=0.2, min_confidence=0.25, everywhere=True)(image)[1]
    assert gated < everywhere


def test_the_windows_of_others_are_the_whole_picture_and_one_grid_at_its_own_size():
    image = photo((30, 30, 90, 90), size_wh=(1200, 1200))
    detector = FakeDetector(tile_px=400)
    with_halves = ours(detector, overlap=0.2, min_confidence=0.25, everywhere=True)(image)[1]
    alike = ours(detector, overlap=0.2, min_confidence=0.25, everywhere=True, profile=ALIKE)(image)[1]
    assert alike == 1 + 4 * 4
    assert alike < with_halves


def test_a_counting_detector_says_what_the_detector_says():
    detector = FakeDetector(tile_px=96)
    assert CountingDetector(detector).tile_px == 96
    assert CountingDetector(detector).motif is detector.motif


def test_windows_that_are_looked_at_at_once_are_counted_too():
    class Several(FakeDetector):
        parallel = 2

        def begin(self, tiles):
            return lambda: super(Several, self).detect_tiles(tiles)

    image = photo((30, 30, 60, 60))
    counted = [ours(kind(tile_px=128), overlap=0.2, min_confidence=0.25)(image)[1] for kind in (FakeDetector, Several)]
    assert counted[0] == counted[1] > 10


def test_a_photo_that_cannot_be_read_stops_the_measurement():
    with pytest.raises(AmogusError, match="corrupt"):
        list(run([SkippedImage(ENTRY, "corrupt", "ends early")], [Side("ours", seer(1.0))], PLANTS))


def test_without_sahi_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(slicing_peer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        slicing_peer.require_sahi()
    assert "amogus_search[peers]" in caught.value.hint
