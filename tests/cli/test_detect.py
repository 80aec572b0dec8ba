"""`amogus detect`: one record a file, paths as given, skipped files with their reason."""

import json

import pytest


def records(done):
    return [json.loads(line) for line in done.out.splitlines()]


def test_one_line_a_picture_in_order_with_paths_as_given(amogus, photos):
    done = amogus("detect", "photos", "--detector", "fake", "--format", "jsonl")
    assert done.code == 0
    assert [record["path"] for record in records(done)] == [
        f"photos/{name}" for name in ("blue.png", "broken.jpg", "empty.png", "one.png", "two.png")
    ]


def test_files_come_in_the_order_of_the_command_line(amogus, photos):
    done = amogus("detect", "photos/two.png", "photos/one.png", "--detector", "fake", "--format", "jsonl")
    assert [record["path"] for record in records(done)] == ["photos/two.png", "photos/one.png"]
    assert [len(record["detections"]) for record in records(done)] == [2, 1]


def test_a_broken_file_is_skipped_with_its_reason_and_is_no_failure(amogus, photos):
    done = amogus("detect", "photos/broken.jpg", "--detector", "fake", "--format", "jsonl")
    (record,) = records(done)
    assert done.code == 0
    assert set(record) == {"path", "skipped", "detail"}


def test_a_box_is_in_pixels_of_the_picture(amogus, photos):
    done = amogus("detect", "photos/one.png", "--detector", "fake", "--format", "json")
    (record,) = json.loads(done.out)
    (found,) = record["detections"]
    assert found["box"] == pytest.approx([10, 10, 50, 50], abs=2)
    assert found["amogusness"] is None
    assert found["rarity"] is None


@pytest.mark.parametrize(
    ("bound", "count"), [((), 1), (("--min-confidence", "0.999"), 0), (("--strictness", "loose"), 0)]
)
def test_a_bound_leaves_out_what_does_not_reach_it(amogus, photos, bound, count):
    """A detector without a calibration has no amogusness, so that no bound on it can be reached."""
    done = amogus("detect", "photos/one.png", "--detector", "fake", "--format", "json", *bound)
    assert len(json.loads(done.out)[0]["detections"]) == count


def test_a_path_inside_a_folder_given_with_dots_stays_as_given(amogus, photos, monkeypatch):
    (photos / "sub").mkdir()
    monkeypatch.chdir(photos / "sub")
    done = amogus("detect", "../one.png", "..", "--exclude", "sub", "--detector", "fake", "--format", "jsonl")
    paths = [record["path"] for record in records(done)]
    assert paths[0] == "../one.png"
    assert "../two.png" in paths


def test_an_unknown_detector_is_answered_with_the_known_ones(amogus, photos):
    done = amogus("detect", "photos", "--detector", "amongus")
    assert done.code == 2
    assert "did you mean 'amogus'" in done.err
