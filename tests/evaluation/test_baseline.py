import json

import pytest

from amogus_search.errors import UsageError
from amogus_search.evaluation.baseline import compare, is_worse
from amogus_search.evaluation.report import read_report, report_json, report_text


@pytest.fixture
def reported(make):
    """A report of one set, as it would be read back."""

    def report(judged, threshold=0.5, name="drawn"):
        return json.loads(report_text(report_json([make.measured(judged, name)], None, {"threshold": threshold})))

    return report


def verdicts(changes):
    return {change.metric: change.verdict for change in changes}


def test_the_same_detector_is_the_same(make, reported):
    changes = compare(reported(make.random(1)), reported(make.random(1)))
    assert set(verdicts(changes).values()) <= {"same", "not measured"}
    assert not is_worse(changes)
    assert all(change.change == 0 for change in changes if change.change is not None)


def test_chance_alone_is_no_news(make, reported):
    """Detectors that are equally good and err elsewhere."""
    alarms = [is_worse(compare(reported(make.random(seed)), reported(make.random(seed + 50)))) for seed in range(4)]
    assert sum(alarms) <= 1


def test_a_worse_detector_is_noticed_and_a_better_one_too(make, reported):
    good, bad = make.random(1, found=0.95, false=0.05), make.random(2, found=0.6, false=0.6)
    worse = compare(reported(bad), reported(good))
    assert is_worse(worse)
    assert verdicts(worse)["recall"] == "worse"
    assert verdicts(worse)["false_per_100"] == "worse"
    better = compare(reported(good), reported(bad))
    assert not is_worse(better)
    assert verdicts(better)["ap50"] == "better"


def test_the_pictures_are_paired_by_content_and_not_by_order(make, reported):
    judged = make.random(1)
    changes = compare(reported(judged), reported(judged[::-1]))
    assert {change.noise for change in changes if change.noise is not None} == {0.0}


def test_other_pictures_are_refused_with_both_names(make, reported):
    with pytest.raises(UsageError, match=r"other pictures.*mine.*yours"):
        compare(reported(make.random(1), name="yours"), reported(make.random(1, pictures=10), name="mine"))


def test_another_threshold_is_refused(make, reported):
    with pytest.raises(UsageError, match=r"0\.2"):
        compare(reported(make.random(1)), reported(make.random(1), threshold=0.2))


def test_only_calibrated_scores_are_held_to_their_promise(make, reported):
    assert "calibration_error" not in verdicts(compare(reported(make.random(1)), reported(make.random(1))))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": "x", "version": 1, "data": []}'])
def test_what_is_no_report_is_refused(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(UsageError, match="report"):
        read_report(tmp_path / "report.json")
