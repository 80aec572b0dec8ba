import csv
import hashlib

import pytest

from amogus_search.core.labels import parse_yolo
from amogus_search.errors import UsageError
from amogus_search.exports.annotations import Selection
from amogus_search.exports.yolo import write_yolo

BOXES = [[1, 2, 11, 22], [30, 30, 40, 50]]


@pytest.fixture
def photos(tmp_path):
    """Two files on disk, of the same name and different content; their content need not be a picture here."""
    paths = [tmp_path / "photos" / folder / "a b.JPG" for folder in ("x", "y")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(path))
    return paths


@pytest.fixture
def hits(make_hit, photos):
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in photos]
    return [
        make_hit(1, bytes(photos[0]), BOXES, sha256=digests[0]),
        make_hit(2, bytes(photos[1]), [], sha256=digests[1]),
    ]


def test_labels_stand_beside_links_to_the_photos(hits, photos, tmp_path):
    report = write_yolo(hits, tmp_path / "out", flip_idx=(0, 1))
    assert (report.images, report.negatives, report.findings, report.problems) == (2, 1, 2, ())
    link = tmp_path / "out" / "images" / "000001_a-b.jpg"
    assert link.is_symlink()
    assert link.resolve() == photos[0].resolve()
    labels = parse_yolo((tmp_path / "out/labels/000001_a-b.txt").read_text(), (100, 80), ("head", "foot"))
    assert labels.detections.xyxy.round(2).tolist() == BOXES
    assert (tmp_path / "out/labels/000002_a-b.txt").read_text() == ""


def test_the_description_names_class_and_keypoints(hits, tmp_path):
    yaml = pytest.importorskip("yaml")
    write_yolo(hits, tmp_path / "out", category='odd: "name"', flip_idx=(0, 1))
    described = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert described["names"] == {0: 'odd: "name"'}
    assert (described["train"], described["kpt_shape"], described["flip_idx"]) == ("images", [2, 3], [0, 1])


def test_the_listing_says_which_photo_a_name_stands_for(hits, photos, tmp_path):
    write_yolo(hits, tmp_path / "out")
    with open(tmp_path / "out" / "images.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["name"], row["path"]) for row in rows] == [
        ("000001_a-b.jpg", str(photos[0])),
        ("000002_a-b.jpg", str(photos[1])),
    ]


def test_copies_are_made_only_of_the_content_that_was_searched(hits, photos, tmp_path):
    photos[1].write_bytes(b"another picture")
    report = write_yolo(hits, tmp_path / "out", copy=True)
    copied = tmp_path / "out" / "images" / "000001_a-b.jpg"
    assert not copied.is_symlink()
    assert copied.read_bytes() == photos[0].read_bytes()
    assert [(problem.rank, problem.reason) for problem in report.problems] == [(2, "changed")]
    assert not (tmp_path / "out" / "labels" / "000002_a-b.txt").exists()


def test_a_copy_takes_the_place_of_a_link_and_leaves_the_photo_behind_it(hits, photos, tmp_path):
    """An export that linked and was killed has no listing yet, by which the next one would know its links."""
    write_yolo(hits, tmp_path / "out")
    (tmp_path / "out" / "images.csv").unlink()
    before = [photo.read_bytes() for photo in photos]
    write_yolo(hits, tmp_path / "out", copy=True)
    assert not (tmp_path / "out" / "images" / "000001_a-b.jpg").is_symlink()
    assert [photo.read_bytes() for photo in photos] == before


def test_a_photo_that_vanished_is_reported(hits, photos, tmp_path):
    photos[0].unlink()
    report = write_yolo(hits, tmp_path / "out")
    assert [problem.reason for problem in report.problems] == ["vanished"]
    assert report.images == 1


def test_an_earlier_export_is_replaced_and_photos_are_never_written_through_links(hits, photos, tmp_path):
    before = [path.read_bytes() for path in photos]
    write_yolo(hits, tmp_path / "out")
    write_yolo(hits[:1], tmp_path / "out", copy=True, selection=Selection(min_amogusness=0.9))
    assert [path.read_bytes() for path in photos] == before
    assert sorted(file.name for file in (tmp_path / "out/images").iterdir()) == ["000001_a-b.jpg"]
    assert len((tmp_path / "out/labels/000001_a-b.txt").read_text().splitlines()) == 1


def test_folders_of_others_and_of_photos_are_refused(hits, photos, tmp_path):
    with pytest.raises(UsageError, match="photo folder"):
        write_yolo(hits, photos[0].parent / "out", source_folders=[bytes(tmp_path / "photos")])
    with pytest.raises(UsageError, match="not empty"):
        write_yolo(hits, tmp_path)


def test_an_images_folder_that_is_a_link_to_the_photos_is_refused(hits, photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "images").symlink_to(tmp_path / "photos")
    with pytest.raises(UsageError, match="photo folder"):
        write_yolo(hits, out, overwrite=True, source_folders=[bytes(tmp_path / "photos")])
