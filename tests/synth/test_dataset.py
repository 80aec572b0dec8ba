"""Written datasets and the demo folder."""

import json

import numpy as np
import pytest
from PIL import Image

from amogus_search.synth.dataset import load_photo, write_pose_dataset
from amogus_search.synth.demo import draw_demo


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "p.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((60, 100, 3), np.uint8)).save(path, exif=exif)
    return path


def _size(path):
    with Image.open(path) as picture:
        return picture.size


def test_files_of_a_dataset_can_be_read_back(tmp_path, photo):
    calls = []
    summary = write_pose_dataset(tmp_path, 12, 5, [photo], (96, 96), progress=lambda done, n: calls.append((done, n)))
    assert calls[-1] == (12, 12)
    records = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert len(records) == summary.images == 12
    assert len(list(tmp_path.glob("images/val/*.jpg"))) == 1
    for record in records:
        assert _size(tmp_path / record["image"]) == (96, 96)
        label = (tmp_path / record["image"].replace("images", "labels")).with_suffix(".txt")
        lines = label.read_text().splitlines()
        assert len(lines) == len(record["amogi"])
        for line in lines:
            numbers = [float(v) for v in line.split()]
            assert len(numbers) == 5 + 21
            assert numbers[0] == 0
            assert all(0 <= v <= 1 for v in numbers[1:5])
    assert summary.amogi == sum(len(r["amogi"]) for r in records)
    assert "kpt_shape: [7, 3]" in summary.data_yaml.read_text()


def test_a_longer_dataset_begins_with_the_shorter_one(tmp_path):
    for name, n in (("a", 3), ("b", 5)):
        write_pose_dataset(tmp_path / name, n, 9, size_wh=(64, 64), suffix=".png")
    for index in range(3):
        name = f"images/train/{index:06d}.png"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_photos_are_loaded_upright_and_reduced(photo):
    assert load_photo(photo).shape == (100, 60, 3)
    assert max(load_photo(photo, 50).shape) == 50


def test_the_demo_has_clean_pictures_and_true_boxes(tmp_path):
    sample = np.full((60, 80, 3), 140, np.uint8)
    draw_demo(tmp_path, 5, 1, [sample])
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert sorted(truth) == sorted(str(p.relative_to(tmp_path).as_posix()) for p in tmp_path.glob("photos/*"))
    assert sum(not found for found in truth.values()) >= 1
    for name, found in truth.items():
        width, height = _size(tmp_path / name)
        assert 900 <= max(width, height) <= 1600
        for item in found:
            x1, y1, x2, y2 = item["box"]
            assert 0 <= x1 < x2 <= width
            assert 0 <= y1 < y2 <= height
            assert item["caption"]
            assert item["style"]
