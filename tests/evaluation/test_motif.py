"""A taught motif is calibrated on one half of its pictures and measured on the other; nothing found is no crash."""

import cv2
import numpy as np
import pytest

from amogus_search.evaluation.motif import MotifSets, measure
from amogus_search.sources.workers import DecodePool
from amogus_search.testing import FakeDetector


def draw(folder, count, *, red=True, labelled=True):
    """Pictures with one red box each, or none."""
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng((number, red, labelled))
        pixels = rng.integers(90, 140, (128, 128, 3)).astype(np.uint8)
        x, y = (int(v) for v in rng.integers(5, 70, 2))
        if red:
            pixels[y : y + 40, x : x + 30] = (20, 20, 230)
        cv2.imwrite(str(folder / "images" / "val" / f"{number}.png"), pixels)
        line = f"0 {(x + 15) / 128} {(y + 20) / 128} {30 / 128} {40 / 128}\n" if red and labelled else ""
        (folder / "labels" / "val" / f"{number}.txt").write_text(line)
    return folder


def measured(sets):
    with DecodePool() as pool:
        return measure(FakeDetector(), sets, pool, {"name": "box"})


def test_found_motifs_make_a_calibration_and_figures(tmp_path):
    seen, unseen = draw(tmp_path / "seen", 12), draw(tmp_path / "unseen", 6)
    without = draw(tmp_path / "without", 8, red=False)
    photo = draw(tmp_path / "photos", 4, labelled=False) / "images" / "val"
    photos = tuple(sorted(photo.iterdir()))
    calibration, figures = measured(MotifSets(seen, unseen, without, photos))
    assert figures["ap50_seen"] == figures["ap50_unseen"] == 1.0
    assert figures["false_per_100_without"] == 0
    assert figures["false_per_100_photos"] is not None
    assert (figures["measured_scenes"], figures["measured_without"], figures["measured_photos"]) == (18, 8, 4)
    assert calibration.made["bare"] == "photos"
    assert len(calibration.background) in range(1, 5)


def test_without_photos_drawn_pictures_are_the_background(tmp_path):
    sets = MotifSets(draw(tmp_path / "seen", 6), None, draw(tmp_path / "without", 6, red=False))
    calibration, figures = measured(sets)
    assert calibration.made["bare"] == "without"
    assert figures["ap50_unseen"] is None
    assert figures["false_per_100_photos"] is None
    assert figures["recall"] == 1.0


def test_a_motif_that_finds_nothing_is_measured_all_the_same(tmp_path):
    sets = MotifSets(draw(tmp_path / "seen", 4, red=False), None, draw(tmp_path / "without", 4, red=False))
    calibration, figures = measured(sets)
    assert figures["precision"] is None
    assert figures["calibration_error"] is None
    assert figures["false_per_100_without"] == pytest.approx(0)
    assert calibration.id
