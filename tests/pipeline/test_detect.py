import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.pipeline.detect import decode_px, detect_images
from amogus_search.settings import PROFILES, DetectSettings, Profile, TilingSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.testing import FakeDetector

BALANCED = Profile("balanced", full_px=(128, 64), native_tiles=True)
THOROUGH = Profile("thorough", full_px=(128,), native_tiles=True, enlarge=(2,))


def picture(*boxes, size_wh=(120, 90), name=b"/p.png"):
    pixels = np.random.default_rng(7).integers(90, 130, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = (230, 20, 20)
    return DecodedImage(FileEntry(name, b"/", None), pixels, size_wh, "00", "PNG")


def found_in(*images, profile=BALANCED, **settings):
    return list(detect_images(images, FakeDetector(), profile, **settings))


def test_a_finding_comes_back_in_pixels_of_the_full_picture():
    _, found = found_in(picture((30, 20, 60, 70)))[0]
    assert len(found) == 1
    assert np.abs(found.xyxy[0] - (30, 20, 60, 70)).max() < 2


def test_small_things_in_a_large_picture_are_found_at_its_own_size():
    box = (701, 402, 709, 411)
    _, whole_frame = found_in(picture(box, size_wh=(900, 600)), profile=Profile("fast", (128,), False))[0]
    _, tiled = found_in(picture(box, size_wh=(900, 600)))[0]
    assert len(whole_frame) == 0
    assert len(tiled) == 1
    assert np.abs(tiled.xyxy[0] - box).max() <= 2


def test_a_thing_across_the_edge_of_tiles_is_reported_once_and_whole():
    for x in range(80, 140, 7):
        _, found = found_in(picture((x, 100, x + 24, 130), size_wh=(400, 300)))[0]
        assert len(found) == 1
        assert np.abs(found.xyxy[0] - (x, 100, x + 24, 130)).max() < 3


def test_pictures_that_share_a_batch_do_not_mix_and_keep_their_order():
    images = [picture((10 * i + 2, 10, 10 * i + 9, 30), name=b"/%d" % i) for i in range(9)]
    results = found_in(*images)
    assert [image.entry.path for image, _ in results] == [b"/%d" % i for i in range(9)]
    for i, (_, found) in enumerate(results):
        assert found.xyxy[0, 0] == pytest.approx(10 * i + 2, abs=2)


def test_the_answer_does_not_depend_on_who_else_is_in_the_batch():
    lone = found_in(picture((30, 20, 60, 70)))[0][1]
    crowded = found_in(picture(), picture((5, 5, 20, 30)), picture((30, 20, 60, 70)))[2][1]
    assert lone.xyxy.tolist() == crowded.xyxy.tolist()


def test_a_skipped_file_passes_through_at_its_place():
    skipped = SkippedImage(FileEntry(b"/bad", b"/", None), "corrupt", "x")
    results = found_in(picture(), skipped, picture())
    assert results[1] is skipped
    assert len(results) == 3


def test_a_picture_without_structure_costs_no_tiles():
    detector = FakeDetector()
    flat = DecodedImage(FileEntry(b"/f", b"/", None), np.full((90, 120, 3), 60, np.uint8), (120, 90), "00", "PNG")
    _, found = next(iter(detect_images([flat], detector, BALANCED)))
    assert len(found) == 0
    assert found.evidence_names == detector.motif.evidence_names
    assert detector.tiles_seen == 0


def test_evidence_is_filled_in():
    _, found = found_in(picture((30, 20, 60, 70)))[0]
    assert dict(zip(found.evidence_names, found.evidence[0], strict=True))["red"] == 1


def test_weak_findings_are_left_out_and_the_best_are_kept_when_there_are_too_many():
    many = picture((2, 2, 12, 12), (30, 2, 50, 22), (60, 60, 90, 85))
    assert len(found_in(many, detect=DetectSettings(min_confidence=0.999))[0][1]) == 0
    kept = found_in(many, detect=DetectSettings(max_per_megapixel=2))[0][1]
    assert len(kept) == 2
    assert (np.diff(kept.confidence) <= 0).all()


def test_enlarged_tiles_say_so_in_their_zoom():
    _, found = found_in(picture((30, 20, 34, 25)), profile=THOROUGH)[0]
    assert len(found) == 1
    assert found.zoom[0] >= 1


def test_a_reduced_decode_gives_boxes_of_the_full_size():
    full = picture((30, 20, 60, 70))
    half = DecodedImage(full.entry, np.ascontiguousarray(full.pixels[::2, ::2]), full.full_wh, "00", "JPEG")
    _, found = found_in(half)[0]
    assert np.abs(found.xyxy[0] - (30, 20, 60, 70)).max() < 4
    assert dict(zip(found.evidence_names, found.evidence[0], strict=True))["red"] == 1


class _SizesSeen(FakeDetector):
    """Remembers which shares of its tiles are not padding."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.tiles = []

    def detect_tiles(self, tiles):
        self.tiles += list(tiles)
        return super().detect_tiles(tiles)


def test_a_detector_that_takes_rectangles_pays_for_no_padding_and_finds_the_same():
    """Wide and tall pictures take turns, so its batches are of one shape each."""
    pictures = [picture((30, 20, 60, 70), size_wh=size_wh) for size_wh in ((200, 90), (90, 200), (100, 100)) * 2]
    detector = _SizesSeen(tile_px=128)
    detector.rectangular = True
    squares = list(detect_images(pictures, FakeDetector(tile_px=128), Profile("whole", (128,), native_tiles=False)))
    rectangles = list(detect_images(pictures, detector, Profile("whole", (128,), native_tiles=False)))
    assert {tile.shape for tile in detector.tiles} == {(64, 128, 3), (128, 64, 3), (128, 128, 3)}
    assert [found.xyxy.tolist() for _, found in rectangles] == [found.xyxy.tolist() for _, found in squares]


def art(size_wh=(50, 40)):
    pixels = np.random.default_rng(5).integers(0, 4, (size_wh[1] // 2, size_wh[0] // 2, 1)).astype(np.uint8)
    pixels = np.repeat(pixels * 60, 3, axis=2).repeat(2, axis=0).repeat(2, axis=1)
    return DecodedImage(FileEntry(b"/art.png", b"/", None), pixels, size_wh, "00", "PNG")


def test_pixel_art_is_enlarged_further_and_without_smearing():
    """A crewmate of r/place is five pixels tall, and a smeared one was found half as often."""
    profile = Profile("p", full_px=(128,), native_tiles=True, enlarge=(), enlarge_pixel_art=(8,))
    detector = _SizesSeen()
    list(detect_images([art()], detector, profile))
    assert len(detector.tiles) == 1 + 4 * 3
    assert all(set(np.unique(tile)) <= {0, 60, 114, 120, 180} for tile in detector.tiles)
    photo = _SizesSeen()
    list(detect_images([picture(size_wh=(50, 40))], photo, profile))
    assert len(photo.tiles) == 1


def test_a_detector_of_single_pixels_gets_the_picture_at_its_own_size_only():
    detector = _SizesSeen()
    detector.native_only = True
    image = picture((30, 20, 60, 70), size_wh=(200, 90))
    list(detect_images([image], detector, THOROUGH))
    assert len(detector.tiles) == 2
    assert np.array_equal(detector.tiles[0][3:93], image.pixels[:, :128])


class _Faint(_SizesSeen):
    """Says that it reports faint candidates too, as the gate wants it; finds red boxes as ever."""

    floor = 0.003


def test_the_highest_zoom_is_paid_for_only_where_the_zoom_below_saw_something():
    image = picture((30, 40, 60, 70), size_wh=(900, 600))
    everywhere, gated = _SizesSeen(), _Faint()
    ((_, all_found),) = detect_images([image], everywhere, BALANCED)
    ((_, found),) = detect_images([image], gated, BALANCED)
    assert found.xyxy.tolist() == all_found.xyxy.tolist()
    assert len(gated.tiles) < 0.5 * len(everywhere.tiles)


def test_a_picture_without_any_hint_gets_no_closer_look():
    gated = _Faint()
    list(detect_images([picture(size_wh=(900, 600))], gated, BALANCED))
    everywhere = _SizesSeen()
    list(detect_images([picture(size_wh=(900, 600))], everywhere, BALANCED))
    assert 8 * 6 <= len(everywhere.tiles) - len(gated.tiles) <= 10 * 7


def test_hints_of_one_picture_are_not_taken_for_another_ones():
    gated = _Faint(batch=4)
    images = [picture((30, 40, 60, 70), size_wh=(900, 600)), picture(size_wh=(900, 600), name=b"/q.png")]
    results = list(detect_images(images, gated, BALANCED))
    assert [len(found) for _, found in results] == [1, 0]


def test_a_setting_of_zero_pays_for_all():
    gated, everywhere = _Faint(), _SizesSeen()
    image = picture(size_wh=(900, 600))
    list(detect_images([image], gated, BALANCED, tiles=TilingSettings(hint_confidence=0.0)))
    list(detect_images([image], everywhere, BALANCED))
    assert len(gated.tiles) == len(everywhere.tiles)


def test_a_reduced_picture_is_decoded_only_where_nothing_closer_is_looked_at():
    exact = FakeDetector()
    exact.native_only = True
    assert decode_px(FakeDetector(), PROFILES["fast"]) == 1280
    assert decode_px(FakeDetector(), PROFILES["balanced"]) is None
    assert decode_px(FakeDetector(), PROFILES["thorough"]) is None
    assert decode_px(exact, PROFILES["fast"]) is None, "single pixels are read whatever the profile"
    assert min(PROFILES["fast"].full_px) * 2 <= decode_px(FakeDetector(), PROFILES["fast"])


def test_findings_in_a_reduced_picture_are_in_pixels_of_the_full_one(tmp_path):
    """The file is decoded at a part of its size, once, and nothing that comes out tells."""
    pixels = np.random.default_rng(7).integers(90, 130, (2000, 3000, 3)).astype(np.uint8)
    pixels[400:700, 900:1100] = (230, 20, 20)
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=95)
    fast = PROFILES["fast"]
    with DecodePool(max_side=decode_px(FakeDetector(), fast)) as pool:
        image, found = next(detect_images(pool.decode(FolderSource([tmp_path]).scan()), FakeDetector(), fast))
    assert image.pixels.shape == (853, 1280, 3)
    assert image.full_wh == (3000, 2000)
    assert np.abs(found.xyxy[0] - (900, 400, 1100, 700)).max() < 24, "a pixel of the 128 that the detector saw"
