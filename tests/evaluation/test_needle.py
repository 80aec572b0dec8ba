import json

import numpy as np
import pytest

from amogus_search.core.boxes import iou
from amogus_search.core.calibration import uncalibrated
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import DecodedImage, Detections, FileEntry, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation import needle
from amogus_search.evaluation.needle import NeedleSettings
from amogus_search.finder import Found

ENTRY = FileEntry(b"/p.jpg", b"/", None)
LARGE = NeedleSettings(draws=4, area=0.02, tier="plain", seed=3)


def photo(seed=0, size_wh=(240, 200)):
    pixels = np.random.default_rng(seed).integers(90, 130, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    return DecodedImage(ENTRY, pixels, size_wh, "00", "JPEG")


def look(*scores_of_true, false=()):
    """A detector that knows the bare photo: it finds what changed, with these scores, and these false boxes."""
    bare, scores = photo().pixels, iter(scores_of_true)

    def run(images):
        for image in images:
            rows, columns = np.nonzero((image.pixels != bare).any(axis=2))
            boxes = [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)] if len(rows) else []
            found = Detections.make([*boxes, *false], [*(next(scores) for _ in boxes), *[0.9] * len(false)])
            yield Found(image.entry, image.sha256, image.full_wh, found, uncalibrated(found))

    return run


def outcome(looking, settings=LARGE, photos=None):
    photos = [photo()] if photos is None else photos
    return list(needle.run(photos, len(photos), looking, Threshold(min_confidence=0.5), settings))[-1]


def test_a_needle_changes_the_photo_only_where_it_is():
    bare = photo().pixels
    pixels, box, _ = needle.plant(bare, 2, LARGE)
    rows, columns = np.nonzero((pixels != bare).any(axis=2))
    changed = np.asarray([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    assert iou(changed, box[None])[0, 0] > 0.5
    assert 0.3 * 0.02 < (box[2] - box[0]) * (box[3] - box[1]) / (240 * 200) < 2 * 0.02


def test_the_same_draw_hides_the_same_needle_and_another_one_another():
    first, again, other = (needle.plant(photo().pixels, draw, LARGE)[0] for draw in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_reaches_the_threshold_at_the_place_is_found():
    row = outcome(look(0.9, 0.8, 0.3, 0.9)).to_dict()
    assert (row["needles"], row["found"], row["recall"]) == (4, 3, 0.75)
    assert row["recall_low"] < 0.75 < row["recall_high"]


def test_false_findings_are_counted_with_and_without_needles():
    row = outcome(look(0.9, 0.9, 0.9, 0.9, false=[(0, 0, 3, 3)])).to_dict()
    assert (row["false_per_photo"], row["false_planted_per_photo"]) == (1.0, 1.0)


def test_needles_are_spread_over_the_photos_and_each_is_looked_at_bare_once():
    test = outcome(look(*[0.9] * 5), NeedleSettings(draws=5, area=0.02, tier="plain"), [photo(), photo(), photo()])
    assert test.bare_false == [0, 0, 0]
    assert sorted(one.draw for one in test.needles) == [0, 1, 2, 3, 4]


def test_the_report_shows_misses_and_false_findings(tmp_path):
    test = outcome(look(0.9, 0.1, 0.9, 0.9, false=[(0, 0, 3, 3)]))
    needle.write_report(tmp_path / "out", test, {"detector": "fake"})
    record = json.loads((tmp_path / "out" / "needles.json").read_text())
    assert [row["found"] for row in record["rows"]] == [True, False, True, True]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"misses.png", "false.png", "needles.json"}


def test_a_photo_that_cannot_be_read_stops_the_measurement():
    """A smaller sample would look like a better one."""
    with pytest.raises(AmogusError, match="truncated"):
        outcome(look(), photos=[SkippedImage(ENTRY, "truncated", "half of it")])
