import json

import numpy as np
import pytest

from amogus_search.core.calibration import uncalibrated
from amogus_search.evaluation import measures
from amogus_search.evaluation.calibration import area_under_curve, expected_error, reliability
from amogus_search.evaluation.detection import report
from amogus_search.evaluation.records import ImageRecord, dataset_digest, keypoints_found, records_of


def pooled(judged):
    return measures.pool_records(records_of(judged, uncalibrated))


def test_the_metrics_agree_with_those_of_the_table(make):
    """Two ways to the same figures: from stored records, and from the findings themselves."""
    judged = make.random(1)
    values = measures.headline(pooled(judged), 0.5, np.ones(len(judged)))
    table = report(judged, uncalibrated, 0.5)
    for name in ("ap50", "ap50_confidence", "recall", "precision", "false_per_100"):
        assert values[name] == pytest.approx(getattr(table, name), abs=1e-4), name


def test_stricter_overlaps_lower_the_average_precision(make):
    values = measures.headline(pooled(make.random(2, jitter=3)), 0.5, np.ones(60))
    assert 0 < values["ap50_95"] < values["ap50"] - 0.1


def test_a_picture_that_counts_twice_counts_as_two(make):
    judged = make.random(3, pictures=20)
    twice = np.ones(20)
    twice[:5] = 2
    weighted = measures.headline(pooled(judged), 0.5, twice)
    copied = measures.headline(pooled(judged + judged[:5]), 0.5, np.ones(25))
    for name, value in copied.items():
        # Ties between a finding and its copy fall into bins as they come.
        assert weighted[name] == pytest.approx(value, abs=0.02 if name == "calibration_error" else 1e-9, nan_ok=True), (
            name
        )


def test_a_record_survives_json(make):
    record = records_of(make.random(4), uncalibrated)[0]
    again = ImageRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert again.to_dict() == record.to_dict()
    assert again.score.tolist() == record.score.tolist()


def test_sizes_are_those_of_the_picture_and_those_the_detector_saw(make):
    """A box of 10 px, shown twice as large, is one of 20 px to the detector."""
    judged = [make.picture("a", [[0, 0, 8, 10]], [[0, 0, 8, 10, 0.9]], zoom=2.0)]
    seen = {
        (frame, band): measures.in_band(pooled(judged), frame, band, 0.5, np.ones(1))["ap50"]
        for frame in measures.FRAMES
        for band in measures.BANDS
    }
    assert {place for place, value in seen.items() if value == pytest.approx(1)} == {
        ("image", "8 to 16"),
        ("input", "16 to 32"),
    }
    assert np.isnan(seen["image", "over 96"])


def test_in_a_band_findings_of_other_sizes_do_not_count(make):
    """A false finding of 60 px says nothing about amogi of 10 px; one of 10 px does."""
    truth, found = [[0, 0, 8, 10]], [[0, 0, 8, 10, 0.5]]
    other = [make.picture("a", truth, [*found, [50, 50, 90, 110, 0.9]])]
    same = [make.picture("a", truth, [*found, [50, 50, 60, 60, 0.9]])]
    of = [measures.in_band(pooled(one), "image", "8 to 16", 0.1, np.ones(1))["ap50"] for one in (other, same)]
    assert of == [pytest.approx(1), pytest.approx(0.5)]


def test_keypoints_are_right_within_a_tenth_of_the_longer_side(make):
    """Only visible ones of findings that matched count: not hidden ones, not those of the false finding."""
    truth = [[0, 0, 20, 40]]
    points = [[[10, 0, 1], [0, 20, 0.5]]]
    for off, right in ((3.9, 1), (4.1, 0)):
        near = [[[10 + off, 0, 0.9], [90, 90, 0.9]], [[0, 0, 0.9], [0, 0, 0.9]]]
        found = [[0, 0, 20, 40, 0.9], [100, 100, 120, 140, 0.9]]
        assert keypoints_found(make.picture("a", truth, found, points=points, found_points=near)) == (right, 1)


def test_the_digest_names_pictures_and_labels_in_any_order(make):
    judged = make.random(5, pictures=6)
    other = make.random(6, pictures=6)
    assert dataset_digest(judged) == dataset_digest(reversed(other))
    assert dataset_digest(judged) != dataset_digest(judged[1:])
    moved = make.picture("000.png", [[1, 2, 3, 4]])
    assert dataset_digest([moved, *judged[1:]]) != dataset_digest(judged)


def test_resamples_are_as_large_as_the_set_and_the_same_for_a_seed():
    draws = measures.resamples(40, 30, seed=1)
    assert (draws.sum(axis=1) == 40).all()
    assert (draws == measures.resamples(40, 30, seed=1)).all()
    assert measures.resamples(0, 30, seed=1).shape == (30, 0)


def test_pictures_without_anything_give_nothing_to_measure(make):
    values = measures.headline(pooled([make.picture("a")]), 0.5, np.ones(1))
    assert values.pop("false_per_100") == 0
    assert all(np.isnan(value) for value in values.values())


def test_reliability_bins_have_equal_mass_and_know_weights():
    rng = np.random.default_rng(0)
    stated = rng.random(1000)
    correct = rng.random(1000) < stated
    bins = reliability(stated, correct)
    assert [one.findings for one in bins] == [100] * 10
    assert sum(one.weight for one in bins) == pytest.approx(1)
    weight = np.where(correct, 1.0, 3.0)
    assert expected_error(stated, correct, weight=weight) > 4 * expected_error(stated, correct)
    assert area_under_curve(stated, correct, weight=weight) == pytest.approx(area_under_curve(stated, correct))
