import json

import numpy as np
import pytest

from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import UsageError
from amogus_search.evaluation.demo import compare, read_truth


def hit(path, boxes, amogusness):
    values = np.asarray(amogusness, np.float64)
    found = Detections.make(boxes, np.full(len(values), 0.5))
    scores = FindingScores(values, values, np.zeros(len(values), bool))
    return Hit(1, path, 1.0, "amogusness", "00", (400, 400), found, scores, 0)


def test_every_amogus_is_found_or_missed_and_the_rest_is_false_each_under_its_size():
    truth = {
        b"/a": np.asarray([[0, 0, 20, 20], [100, 100, 150, 150]], np.float32),
        b"/b": np.asarray([[0, 0, 200, 200]], np.float32),
        b"/clean": np.zeros((0, 4), np.float32),
    }
    hits = [
        hit(b"/a", [[1, 1, 20, 20], [300, 300, 350, 350]], [0.9, 0.8]),
        hit(b"/clean", [[0, 0, 10, 10], [0, 0, 300, 300]], [0.7, 0.2]),
        hit(b"/elsewhere", [[0, 0, 10, 10]], [0.9]),
    ]
    rows = compare(hits, truth, threshold=Threshold(min_amogusness=0.5))
    assert [(row.size, row.hidden, row.found, row.missed, row.false) for row in rows] == [
        ("under 32 px", 1, 1, 0, 1),
        ("32 to 96 px", 1, 0, 1, 1),
        ("over 96 px", 1, 0, 1, 0),
        ("all", 3, 1, 2, 2),
    ]


def test_two_findings_of_one_amogus_are_one_found_and_one_false():
    truth = {b"/a": np.asarray([[0, 0, 50, 50]], np.float32)}
    (*_, total) = compare([hit(b"/a", [[0, 0, 50, 50], [0, 0, 48, 50]], [0.9, 0.8])], truth, threshold=Threshold())
    assert (total.found, total.missed, total.false) == (1, 0, 1)


def test_the_truth_is_read_with_paths_beside_its_file(tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"photos/0.jpg": [{"box": [1, 2, 3, 4]}], "photos/1.jpg": []}))
    truth = read_truth(path)
    assert set(truth) == {bytes(tmp_path / "photos/0.jpg"), bytes(tmp_path / "photos/1.jpg")}
    assert truth[bytes(tmp_path / "photos/0.jpg")].tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"a": 3}'])
def test_another_file_is_refused_with_the_command_that_makes_one(tmp_path, content):
    path = tmp_path / "truth.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="no truth of a demo folder") as caught:
        read_truth(path)
    assert "amogus synth demo" in caught.value.hint
