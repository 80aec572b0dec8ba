import json

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.calibration import uncalibrated
from amogus_search.core.types import Detections, FileEntry
from amogus_search.errors import UsageError
from amogus_search.evaluation import rplace, sheets
from amogus_search.finder import Found


def found(*boxes_and_scores):
    detections = Detections.make([box for box, _ in boxes_and_scores], [score for _, score in boxes_and_scores])
    return Found(FileEntry(b"/c.png", b"/", None), "00", (40, 40), detections, uncalibrated(detections))


def compared(seen, references):
    boxes = {name: np.asarray(rows, np.float32) for name, rows in references.items()}
    return rplace.compare(seen, seen.detections.confidence >= 0.5, boxes)


SEEN = found(((4, 4, 8, 9), 0.9), ((20, 20, 24, 25), 0.8), ((30, 5, 35, 10), 0.2))


def test_recall_is_told_for_each_list_and_each_overlap():
    comparison = compared(SEEN, {"strict": [(4, 4, 9, 9), (31, 5, 36, 10)], "loose": [(4, 4, 11, 11)]})
    strict, loose = comparison.recalls
    assert (strict.at[0.5], strict.any_score) == (0.5, 1.0)
    assert (loose.at[0.5], loose.at[0.4]) == (0.0, 1.0)


def test_a_finding_that_no_template_knows_is_counted_only_above_the_threshold():
    values = compared(SEEN, {"strict": [(4, 4, 9, 9)]}).to_dict()
    assert (values["findings"], values["findings_below_threshold"]) == (2, 1)
    assert (values["unmatched"], values["unmatched_share"]) == (1, 0.5)


def test_nothing_found_and_nothing_to_find_are_no_division_by_zero():
    nothing = found()
    assert compared(nothing, {"strict": [(4, 4, 9, 9)]}).to_dict()["references"][0]["recall_iou_0.5"] == 0
    assert compared(SEEN, {"strict": np.zeros((0, 4))}).to_dict()["references"][0]["recall_iou_0.5"] is None
    assert compared(nothing, {}).to_dict()["unmatched_share"] is None


def test_matches_are_read_by_rule(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("rule,pattern,x,y,w,h\nstrict,0,10,20,5,4\nloose,1,0,0,4,5\nstrict,0,1,2,5,5\n")
    read = rplace.read_matches(path)
    assert read["strict"].tolist() == [[10, 20, 15, 24], [1, 2, 6, 7]]
    assert list(read) == ["strict", "loose"]


@pytest.mark.parametrize("content", ["x,y\n1,2\n", "rule,x,y,w,h\nstrict,1,2,three,4\n", None])
def test_another_file_is_no_list_of_matches(tmp_path, content):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="no list of template matches"):
        rplace.read_matches(path)


def test_the_report_holds_pictures_to_look_at_and_the_figures(tmp_path):
    pixels = np.full((40, 40, 3), 90, np.uint8)
    comparison = compared(SEEN, {"st/rict": [(4, 4, 9, 9), (30, 30, 35, 35)]})
    rplace.write_report(tmp_path / "out", pixels, comparison, {"detector": "fake"})
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"canvas.png", "unmatched.png", "missed_st_rict.png", "summary.json"}
    with Image.open(tmp_path / "out" / "canvas.png") as canvas:
        assert canvas.size == (640, 640)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["detector"], summary["findings"]) == ("fake", 2)


def test_a_cell_shows_what_lies_at_the_edge_of_a_picture():
    pixels = np.full((20, 20, 3), 200, np.uint8)
    shown = sheets.cell(pixels, np.asarray([16, 16, 20, 20], np.float32), "0.50")
    assert (shown[10, 10] == 200).all()
    assert (shown[120, 120] == 40).all()


def test_a_sheet_has_rows_and_is_never_empty():
    one = sheets.cell(np.zeros((9, 9, 3), np.uint8), np.asarray([2, 2, 6, 6], np.float32), "")
    assert sheets.sheet([one] * 5, columns=3).shape == (2 * one.shape[0], 3 * one.shape[1], 3)
    assert sheets.sheet([]).shape == one.shape


def test_drawing_at_random_is_repeatable_and_draws_nothing_twice():
    drawn = sheets.drawn_at_random(50, 20, 4)
    assert drawn == sheets.drawn_at_random(50, 20, 4) == sorted(set(drawn))
    assert sheets.drawn_at_random(3, 20, 4) == [0, 1, 2]
