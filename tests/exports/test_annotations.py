import csv
import json

import numpy as np
import pytest

from amogus_search.core.types import FindingScores
from amogus_search.errors import UsageError
from amogus_search.exports.annotations import Selection, write_coco, write_csv, write_parquet

BOXES = [[1, 2, 11, 22], [30, 30, 40, 50]]


@pytest.fixture
def hits(make_hit):
    return [make_hit(1, b"/photos/a.jpg", BOXES), make_hit(2, b"/photos/sub/b.jpg", [])]


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_csv_has_a_row_a_finding_and_one_for_an_image_without(hits, tmp_path):
    report = write_csv(hits, tmp_path / "new" / "out.csv")
    assert (report.images, report.negatives, report.findings) == (2, 1, 2)
    first, second, negative = rows_of(report.out)
    assert (first["finding"], first["x1"], first["head_x"], first["evidence_red"]) == ("0", "1.0", "1.0", "0.2")
    assert first["crop_id"] == hits[0].crop_id
    assert (first["rarity_at_least"], second["rarity_at_least"]) == ("", "true")
    assert (negative["path"], negative["finding"], negative["width"]) == ("/photos/sub/b.jpg", "", "100")


def test_an_image_that_was_hit_twice_is_there_once(make_hit, tmp_path):
    twice = [make_hit(1, b"/a.jpg", BOXES, detection=1), make_hit(2, b"/a.jpg", BOXES, detection=0)]
    assert write_csv(twice, tmp_path / "a.csv").findings == 2


@pytest.mark.parametrize(
    ("selection", "finding"),
    [(Selection(min_amogusness=0.9), ["0", ""]), (Selection(only_hits=True), ["1", ""])],
)
def test_findings_can_be_selected_and_the_images_stay(make_hit, tmp_path, selection, finding):
    hits = [make_hit(1, b"/a.jpg", BOXES, detection=1), make_hit(2, b"/b.jpg", [])]
    report = write_csv(hits, tmp_path / "a.csv", selection=selection)
    assert [row["finding"] for row in rows_of(report.out)] == finding


def test_without_a_calibration_no_finding_reaches_a_threshold(make_hit, tmp_path):
    nothing = FindingScores(np.full(2, np.nan), np.full(2, np.nan), np.zeros(2, bool))
    hit = make_hit(1, b"/a.jpg", BOXES, scores=nothing)
    assert write_csv([hit], tmp_path / "a.csv", selection=Selection(min_amogusness=0.0)).findings == 0
    assert write_csv([hit], tmp_path / "b.csv").findings == 2


def test_every_name_survives_csv_and_coco(make_hit, tmp_path, hostile_path):
    hits = [make_hit(1, hostile_path, BOXES)]
    row = rows_of(write_csv(hits, tmp_path / "a.csv").out)[0]
    image = json.loads(write_coco(hits, tmp_path / "a.json").out.read_text())["images"][0]
    assert (bytes.fromhex(row["path_hex"]) if row["path_hex"] else row["path"].encode()) == hostile_path
    assert (bytes.fromhex(image["path_hex"]) if "path_hex" in image else image["file_name"].encode()) == hostile_path


def test_parquet_has_the_same_table_with_nulls(hits, tmp_path):
    pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    frame = pd.read_parquet(write_parquet(hits, tmp_path / "out.parquet").out)
    assert frame["finding"].tolist()[:2] == [0, 1]
    assert frame["finding"].isna().tolist() == [False, False, True]
    assert frame["rarity_at_least"].tolist()[:2] == [False, True]
    assert frame["margin"].isna().all()
    assert frame["path"].tolist()[2] == "/photos/sub/b.jpg"
    assert list(frame.columns) == list(rows_of(write_csv(hits, tmp_path / "out.csv").out)[0])


def test_coco_has_categories_keypoints_and_the_images_without_findings(hits, tmp_path):
    document = json.loads(write_coco(hits, tmp_path / "out.json").out.read_text())
    assert document["categories"] == [
        {"id": 1, "name": "amogus", "supercategory": "amogus", "keypoints": ["head", "foot"], "skeleton": []}
    ]
    assert [image["id"] for image in document["images"]] == [1, 2]
    assert [(a["id"], a["image_id"], a["bbox"]) for a in document["annotations"]] == [
        (1, 1, [1, 2, 10, 20]),
        (2, 1, [30, 30, 10, 20]),
    ]
    assert document["annotations"][0]["keypoints"] == [1, 2, 2, 0, 0, 0]
    assert document["annotations"][0]["amogusness"] == 0.97


def test_coco_names_can_be_relative_to_a_folder(hits, make_hit, tmp_path):
    hits.append(make_hit(3, b"/photos2/c.jpg", []))
    document = json.loads(write_coco(hits, tmp_path / "o.json", relative_to="/photos").out.read_text())
    assert [image["file_name"] for image in document["images"]] == ["a.jpg", "sub/b.jpg", "/photos2/c.jpg"]


def test_a_motif_without_keypoints_has_plain_boxes(make_hit, tmp_path):
    hit = make_hit(1, b"/a.jpg", BOXES)
    bare = type(hit.detections).make(hit.detections.xyxy, hit.detections.confidence)
    document = json.loads(
        write_coco(
            [make_hit(1, b"/a.jpg", BOXES, detections=bare)], tmp_path / "o.json", category="mug"
        ).out.read_text()
    )
    assert "keypoints" not in document["categories"][0]
    assert "keypoints" not in document["annotations"][0]


@pytest.mark.parametrize("write", [write_csv, write_coco])
def test_a_folder_or_a_place_among_the_photos_is_refused(write, hits, tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        write(hits, tmp_path)
    with pytest.raises(UsageError, match="photo folder"):
        write(hits, tmp_path / "out.x", source_folders=[bytes(tmp_path)])
