import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from amogus_search.core.calibration import Calibration, Curve, uncalibrated
from amogus_search.errors import UsageError
from amogus_search.evaluation import confusion
from amogus_search.evaluation.baseline import compare
from amogus_search.evaluation.detection import judge
from amogus_search.evaluation.labelled import read_dataset
from amogus_search.evaluation.page import report_page
from amogus_search.evaluation.records import records_of
from amogus_search.evaluation.report import MeasuredSet, read_report, report_json, report_text
from amogus_search.evaluation.report_folder import claim_report_folder, write_report
from amogus_search.settings import STRICTNESS, Profile
from amogus_search.sources.workers import DecodePool
from amogus_search.testing import FakeDetector

MADE = {"threshold": 0.5, "detector": "fake"}
CALIBRATION = Calibration(Curve(0.0, 1.0), Curve(0.0, 1.0), np.sort(np.r_[np.zeros(90), np.linspace(0.1, 0.9, 10)]))


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.seen = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def test_a_report_holds_every_level_with_its_target_and_intervals(make):
    (data,) = report_json([make.measured(make.random(1))], CALIBRATION, MADE)["data"]
    assert {level["name"]: level["target"] for level in data["levels"]} == dict(STRICTNESS)
    for level in data["levels"]:
        assert level["precision_low"] <= level["precision"] <= level["precision_high"]
        assert level["false_low"] <= level["false_per_100"] <= level["false_high"]
        assert level["rarity_low"] <= level["rarity"]
    assert data["metrics"]["ap50"]["low"] <= data["metrics"]["ap50"]["value"] <= data["metrics"]["ap50"]["high"]
    assert len(data["sizes"]) == 10


def test_where_the_background_ends_rarity_has_no_upper_bound(make):
    strict = report_json([make.measured(make.random(1))], CALIBRATION, MADE)["data"][0]["levels"][0]
    assert strict["rarity_high"] is not None
    ended = Calibration(Curve(0.0, 1.0), Curve(0.0, 1.0), np.zeros(50))
    strict = report_json([make.measured(make.random(1))], ended, MADE)["data"][0]["levels"][0]
    assert strict["rarity_high"] is None


def test_the_same_pictures_give_the_same_report_and_never_nan(make):
    texts = [report_text(report_json([make.measured(make.random(1))], None, MADE)) for _ in range(2)]
    assert texts[0] == texts[1]
    empty = report_text(report_json([make.measured([make.picture("a")])], None, MADE))
    assert json.loads(empty)["data"][0]["metrics"]["ap50"]["value"] is None
    assert "NaN" not in empty


def test_several_sets_are_put_together_in_the_stated_mix(make):
    """A thousand photos' worth of empty pictures drown the false findings of the drawn ones."""
    drawn = make.measured(make.random(1, pictures=20), "drawn", 20.0)
    photos = make.measured([make.picture(f"p{number}") for number in range(10)], "photos", 1000.0)
    data = report_json([drawn, photos], None, MADE)["data"]
    assert [one["name"] for one in data] == ["drawn", "photos", "together"]
    alone, together = (data[place]["metrics"]["false_per_100"]["value"] for place in (0, 2))
    assert together == pytest.approx(alone * 20 / 1020, abs=1e-3)
    assert data[2]["worth"] == {"drawn": 20.0, "photos": 1000.0}


@pytest.fixture
def dataset(tmp_path):
    """Two red boxes that are labelled, a blue one that is missed, and a red one that nobody labelled."""
    for name, boxes in {
        "real": [((20, 20, 60, 90), (20, 20, 230), True), ((90, 60, 110, 100), (20, 20, 230), True)],
        "<script>miss&": [((30, 30, 80, 100), (230, 20, 20), True)],
        "false": [((30, 30, 80, 100), (20, 20, 230), False)],
    }.items():
        pixels = np.random.default_rng(1).integers(90, 140, (128, 128, 3)).astype(np.uint8)
        lines = []
        for (x1, y1, x2, y2), colour, labelled in boxes:
            pixels[y1:y2, x1:x2] = colour
            centre = f"{(x1 + x2) / 256} {(y1 + y2) / 256} {(x2 - x1) / 128} {(y2 - y1) / 128}"
            lines += [f"0 {centre}"] if labelled else []
        for kind in ("images", "labels"):
            (tmp_path / "set" / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{name}.png"), pixels)
        (tmp_path / "set" / "labels" / f"{name}.txt").write_text("\n".join(lines))
    return tmp_path / "set"


@pytest.fixture
def written(dataset, tmp_path):
    """The folder of a report on `dataset`."""
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    profile = Profile("whole", full_px=(128,), native_tiles=False)
    with DecodePool() as pool:
        judged = list(judge(read_dataset(dataset), pool, FakeDetector(), profile))
        measured = MeasuredSet("set", judged, records_of(judged, CALIBRATION.score), 3.0)
        report = report_json([measured], CALIBRATION, MADE)
        claim_report_folder(out)
        write_report(out, report, [measured], CALIBRATION.score, pool, compare(report, report))
    return out


def test_the_folder_holds_the_report_and_a_page_of_its_own(written):
    assert read_report(written / "report.json")["data"][0]["pictures"] == 3
    page = (written / "report.html").read_text()
    seen = Elements(page).seen
    policy = next(attrs["content"] for tag, attrs in seen if "http-equiv" in attrs)
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy
    assert "unsafe" not in policy
    assert not any(tag == "script" or "style" in attrs for tag, attrs in seen)
    outside = [value for _, attrs in seen for name, value in attrs.items() if name in ("src", "href")]
    assert outside
    assert all(value.startswith(("data:", "#")) for value in outside)


def test_the_page_shows_misses_and_false_findings_with_their_boxes(written):
    page = (written / "report.html").read_text()
    assert "Worst misses" in page
    assert "Worst false findings" in page
    assert page.count('<rect class="missed"') == 1
    assert page.count('<rect class="found"') == 1
    assert "&lt;script&gt;miss&amp;.png" in page
    assert "nothing found here" in page
    assert "Against the baseline" in page


def test_every_number_on_the_page_is_a_number(written):
    assert not re.search(r"\bnan\b|\binf\b|None", (written / "report.html").read_text())


def test_a_report_replaces_an_earlier_one_and_nothing_else(written, tmp_path):
    claim_report_folder(written)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        claim_report_folder(tmp_path / "photos")


def test_the_largest_miss_and_the_surest_false_finding_come_first(make):
    judged = [
        make.picture("small", [[0, 0, 10, 10]], [[50, 50, 70, 70, 0.3]]),
        make.picture("large", [[0, 0, 90, 90]], [[100, 100, 120, 120, 0.9]]),
    ]

    misses = confusion.worst_misses(judged, uncalibrated, 0.5)
    assert [case.image.path.name for case in misses] == ["large", "small"]
    assert [case.score for case in confusion.worst_false(judged, uncalibrated)] == [
        pytest.approx(0.9),
        pytest.approx(0.3),
    ]


def test_a_finding_below_the_threshold_is_a_miss_that_says_so(make):

    (miss,) = confusion.worst_misses([make.picture("a", [[0, 0, 9, 9]], [[0, 0, 9, 9, 0.4]])], uncalibrated, 0.5)
    assert miss.score == pytest.approx(0.4)
    assert miss.overlap == pytest.approx(1)


def test_a_page_without_cases_or_findings_can_be_made(make):
    pytest.importorskip("matplotlib")
    report = report_json([make.measured([make.picture("a")])], None, MADE)
    assert "Worst" not in report_page(report, {})
