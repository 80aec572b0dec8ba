import csv
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import DecodedImage
from amogus_search.errors import UsageError
from amogus_search.exports.crops import export_crops


def listed(report):
    with open(report.listing, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def files(folder):
    return sorted(file.name for file in folder.iterdir())


def test_crops_sort_by_rank_and_can_be_traced_back(make_hit, library, tmp_path):
    hits = [
        make_hit(2, b"/photos/b.jpg", [[20, 20, 30, 40]], score=0.5),
        make_hit(1, b"/photos/a b.jpg", [[1, 2, 9, 9]]),
    ]
    report = export_crops(hits, library.decoded, tmp_path / "out", pad_ratio=0.5)
    first, second, listing = files(tmp_path / "out")
    assert re.fullmatch(rf"0001_0.97_a-b_{hits[1].crop_id}\.jpg", first)
    assert re.fullmatch(rf"0002_0.50_b_{hits[0].crop_id}\.jpg", second)
    assert listing == "crops.csv"
    assert (report.written, report.problems, report.without_finding) == (2, (), 0)
    row = listed(report)[1]
    assert (row["file"], row["path"], row["sha256"]) == (second, "/photos/b.jpg", hits[0].sha256)
    assert [row[key] for key in ("x1", "y1", "x2", "y2")] == ["20.0", "20.0", "30.0", "40.0"]
    assert [row[key] for key in ("crop_x1", "crop_y1", "crop_x2", "crop_y2")] == ["5", "10", "45", "50"]
    assert (row["amogusness"], row["evidence_visor"], row["crop_id"]) == ("0.97", "0.98", hits[0].crop_id)


def test_a_crop_has_the_pixels_of_the_finding_with_its_surroundings(make_hit, library, tmp_path):
    hit = make_hit(1, b"/a.jpg", [[20, 20, 40, 40]])
    export_crops([hit], library.decoded, tmp_path / "out", pad_ratio=0.5)
    with Image.open(next((tmp_path / "out").glob("*.jpg"))) as picture:
        assert picture.layer[1][1:3] == (1, 1), "full colour resolution"
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape == (40, 40, 3)
    assert abs(pixels[20, 20] - [220, 20, 20]).max() < 12
    assert abs(pixels[3, 3] - 40).max() < 12


def test_a_photo_is_decoded_once_however_many_hits_it_has(make_hit, library, tmp_path):
    boxes = [[1, 2, 11, 22], [30, 30, 40, 50]]
    hits = [make_hit(1, b"/a.jpg", boxes), make_hit(2, b"/a.jpg", boxes, detection=1, crop_id=None)]
    assert export_crops(hits, library.decoded, tmp_path / "out").written == 2
    assert library.read == [b"/a.jpg"]


def test_a_reduced_decode_is_cropped_in_its_own_pixels(make_hit, library, tmp_path):
    hit = make_hit(1, b"/a.jpg", [[20, 20, 40, 40]])

    def halved(path: bytes) -> DecodedImage:
        full = library.decoded(path)
        return replace(full, pixels=full.pixels[::2, ::2])

    report = export_crops([hit], halved, tmp_path / "out", pad_ratio=0.0)
    with Image.open(next((tmp_path / "out").glob("*.jpg"))) as picture:
        assert picture.size == (10, 10)
    assert [listed(report)[0][key] for key in ("crop_x1", "crop_x2")] == ["20", "40"]


def test_photos_that_vanished_changed_or_broke_are_reported_and_never_cropped(make_hit, library, tmp_path):
    hits = [make_hit(rank, f"/{rank}.jpg".encode(), [[1, 2, 9, 9]]) for rank in (1, 2, 3, 4)]
    library.sha256[b"/1.jpg"] = "f" * 64
    del library.pictures[b"/2.jpg"]
    library.broken.add(b"/3.jpg")
    report = export_crops(hits, library.decoded, tmp_path / "out")
    assert [(p.rank, p.reason) for p in report.problems] == [(1, "changed"), (2, "vanished"), (3, "truncated")]
    assert report.written == 1
    assert [row["rank"] for row in listed(report)] == ["4"]


def test_another_size_is_noticed_where_only_pixels_are_given(make_hit, library, tmp_path):
    hit = make_hit(1, b"/a.jpg", [[1, 2, 9, 9]])
    library.pictures[b"/a.jpg"] = np.zeros((50, 50, 3), np.uint8)
    report = export_crops([hit], library.pixels, tmp_path / "out")
    assert [problem.reason for problem in report.problems] == ["changed"]
    assert "50 x 50" in report.problems[0].detail


def test_every_name_gives_a_plain_file_name(make_hit, library, tmp_path, hostile_path):
    report = export_crops([make_hit(1, hostile_path, [[1, 2, 9, 9]])], library.decoded, tmp_path / "out")
    name = files(tmp_path / "out")[0]
    assert re.fullmatch(r"0001_0\.97_[A-Za-z0-9_-]+_[0-9a-f]{16}\.jpg", name)
    row = listed(report)[0]
    assert (bytes.fromhex(row["path_hex"]) if row["path_hex"] else row["path"].encode()) == hostile_path


def test_photos_of_one_name_do_not_collide(make_hit, library, tmp_path):
    hits = [make_hit(1, b"/x/a.jpg", [[1, 2, 9, 9]]), make_hit(2, b"/y/a.jpg", [[1, 2, 9, 9]])]
    assert export_crops(hits, library.decoded, tmp_path / "out").written == 2
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 2


def test_images_without_a_finding_are_counted_and_whole_image_matches_exported_whole(make_hit, library, tmp_path):
    nothing = make_hit(1, b"/a.jpg", [])
    whole = make_hit(2, b"/b.jpg", [], by="similarity", score=0.31)
    report = export_crops([nothing, whole], library.decoded, tmp_path / "out")
    assert (report.written, report.without_finding) == (1, 1)
    with Image.open(next((tmp_path / "out").glob("0002_0.31_b_*.jpg"))) as picture:
        assert picture.size == (100, 80)


def test_an_earlier_export_is_replaced_and_the_users_files_stay(make_hit, library, tmp_path):
    out = tmp_path / "out"
    export_crops([make_hit(1, b"/a.jpg", [[1, 2, 9, 9]]), make_hit(2, b"/b.jpg", [[1, 2, 9, 9]])], library.decoded, out)
    (out / "mine.jpg").write_bytes(b"keep")
    export_crops([make_hit(1, b"/c.jpg", [[1, 2, 9, 9]])], library.decoded, out)
    assert [name.split("_")[2:3] for name in files(out)] == [["c"], [], []]
    assert (out / "mine.jpg").read_bytes() == b"keep"


def test_a_folder_with_something_else_in_it_is_refused(make_hit, library, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    hit = make_hit(1, b"/a.jpg", [[1, 2, 9, 9]])
    with pytest.raises(UsageError, match="not empty"):
        export_crops([hit], library.decoded, tmp_path)
    assert export_crops([hit], library.decoded, tmp_path, overwrite=True).written == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_crops_csv_of_something_else_does_not_make_a_folder_ours(make_hit, library, tmp_path):
    (tmp_path / "crops.csv").write_text("wheat,barley\n")
    with pytest.raises(UsageError, match="not empty"):
        export_crops([], library.decoded, tmp_path)


def test_nothing_is_written_into_a_photo_folder(make_hit, library, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "link").symlink_to(photos)
    for out in (photos, photos / "crops", tmp_path / "link" / "crops"):
        with pytest.raises(UsageError, match="photo folder"):
            export_crops([], library.decoded, out, overwrite=True, source_folders=[bytes(photos)])
    assert files(photos) == []


def test_the_same_hits_give_the_same_bytes(make_hit, library, tmp_path):
    hits = [make_hit(1, b"/a.jpg", [[1, 2, 9, 9]])]
    for name in ("one", "two"):
        export_crops(hits, library.decoded, tmp_path / name)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    for name in files(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
