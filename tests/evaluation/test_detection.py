import json

import cv2
import numpy as np
import pytest

from amogus_search.core.calibration import uncalibrated
from amogus_search.core.types import FindingScores
from amogus_search.errors import AmogusError
from amogus_search.evaluation.calibration import area_under_curve, expected_error, fit
from amogus_search.evaluation.detection import judge, report
from amogus_search.evaluation.labelled import held_out, one_half, read_dataset
from amogus_search.settings import Profile
from amogus_search.sources.workers import DecodePool
from amogus_search.testing import RED_BOX, FakeDetector

PROFILE = Profile("whole", full_px=(128,), native_tiles=False)


def write(folder, name, boxes, labelled=None):
    """One 128-pixel picture with red boxes, of which some are labelled."""
    pixels = np.random.default_rng(len(name)).integers(90, 140, (128, 128, 3)).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = (20, 20, 230)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "images" / f"{name}.png"), pixels)
    lines = [
        f"0 {(x1 + x2) / 256} {(y1 + y2) / 256} {(x2 - x1) / 128} {(y2 - y1) / 128}"
        for x1, y1, x2, y2 in (boxes if labelled is None else labelled)
    ]
    (folder / "labels" / f"{name}.txt").write_text("\n".join(lines))


@pytest.fixture
def dataset(tmp_path):
    """Three real boxes, one of them never found (it is not red), and one false one."""
    write(tmp_path, "a", [(10, 10, 40, 40), (60, 60, 100, 100)])
    write(tmp_path, "b", [(20, 20, 50, 60)], labelled=[(80, 80, 100, 100)])
    write(tmp_path, "c", [])
    return tmp_path


def judged(images):
    with DecodePool() as pool:
        return list(judge(images, pool, FakeDetector(), PROFILE))


def test_the_report_counts_found_missed_and_false_ones(dataset):
    measured = report(judged(read_dataset(dataset)), uncalibrated, 0.5)
    assert (measured.images, measured.truth, measured.false_findings) == (3, 3, 1)
    assert measured.recall == pytest.approx(2 / 3)
    assert measured.precision == pytest.approx(2 / 3)
    assert measured.false_per_100 == pytest.approx(100 / 3)
    assert measured.false_interval[0] < 100 / 3 < measured.false_interval[1]


def test_nothing_to_measure_is_null_and_never_nan(tmp_path):
    """NaN is not JSON."""
    write(tmp_path, "empty", [])
    values = report(judged(read_dataset(tmp_path)), uncalibrated, 0.5).to_dict()
    assert values["ap50"] is None
    assert values["recall"] is None
    assert values["precision"] is None
    json.dumps(values, allow_nan=False)


def test_a_picture_that_cannot_be_read_stops_the_measurement(dataset):
    (dataset / "images" / "d.png").write_bytes(b"nothing")
    with pytest.raises(AmogusError, match=r"d\.png"):
        judged(read_dataset(dataset))


def test_a_folder_without_labels_holds_nothing_to_find(dataset):
    assert all(image.label is None for image in read_dataset(dataset / "images"))


def test_the_halves_are_disjoint_and_complete_and_go_by_content(tmp_path):
    for number in range(30):
        write(tmp_path, f"picture-{number:02d}", [(number, 10, number + 9, 30)])
    images = read_dataset(tmp_path)
    fit_half, report_half = one_half(images, True), one_half(images, False)
    assert sorted(i.path for i in (*fit_half, *report_half)) == [i.path for i in images]
    assert fit_half
    assert report_half
    assert 0 < len(held_out(images)) < 30


def test_a_fitted_calibration_ranks_real_ones_above_false_ones(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(40):
        x, real = int(rng.integers(2, 80)), number % 2
        write(tmp_path, f"{number:02d}", [(x, 20, x + 12 + 20 * real, 60)], labelled=None if real else [])
    results = judged(read_dataset(tmp_path))
    fitted = fit({"all": (results, 40.0)}, results[::2], RED_BOX, {"note": "test"})
    assert fitted.made["mix"] == {"all": {"pictures": 40, "worth": 40.0}}
    assert len(fitted.background) == 20
    scores = fitted.score(results[0].detections)
    assert isinstance(scores, FindingScores)
    assert 0 <= scores.amogusness[0] <= 1


def test_the_expected_calibration_error_is_small_for_honest_scores_and_large_for_boasts():
    rng = np.random.default_rng(0)
    honest = rng.random(20000)
    correct = rng.random(20000) < honest
    assert expected_error(honest, correct) < 0.02
    assert expected_error(np.full(20000, 0.99), correct) > 0.4


def test_the_area_under_the_curve_counts_ties_half():
    assert area_under_curve(np.asarray([0.9, 0.1]), np.asarray([True, False])) == 1
    assert area_under_curve(np.asarray([0.5, 0.5]), np.asarray([True, False])) == 0.5
