"""`amogus duplicates` from the outside: what is one group, which file is kept, what would be freed."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image


def picture(seed, size=(160, 120)):
    """A smooth field of a colour of its own."""
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.integers(20, 235, (5, 6, 3)).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    return np.clip(field.astype(int) + rng.integers(-60, 60, 3), 0, 255).astype(np.uint8)


@pytest.fixture
def library(workplace, amogus, monkeypatch):
    """Six pictures; one under two names more, one saved smaller twice, one with something new in it; and an index."""
    photos = workplace / "photos"
    photos.mkdir()
    for seed in range(6):
        Image.fromarray(picture(seed)).save(photos / f"{seed}.png")
    shutil.copy(photos / "0.png", photos / "0 again.png")
    os.utime(photos / "0.png", (1_000_000_000, 1_000_000_000))
    os.link(photos / "0.png", photos / "0 linked.png")
    small = Image.fromarray(cv2.resize(picture(1), (80, 60), interpolation=cv2.INTER_AREA))
    small.save(photos / "1 small.jpg", quality=85)
    small.save(photos / "1 smaller.jpg", quality=60)
    other = picture(2)
    cv2.circle(other, (80, 60), 12, (255, 255, 255), -1)
    Image.fromarray(other).save(photos / "2 with a ball.png")
    monkeypatch.setenv("AMOGUS_INDEX", str(workplace / "index"))
    assert amogus("index", photos, "--detector", "fake", "--embedder", "fake", "-q").code == 0
    return photos


def names(group):
    return [os.path.basename(file["path"]) for file in (group["keep"], *group["copies"])]


def test_exact_and_near_copies_are_told_apart(amogus, library):
    before = {path.name: path.read_bytes() for path in library.iterdir()}
    done = amogus("duplicates", "--format", "json")
    assert done.code == 0, done.err
    exact, near = json.loads(done.out)
    assert (exact["kind"], names(exact)) == ("exact", ["0 linked.png", "0 again.png", "0.png"])
    assert (near["kind"], names(near)) == ("near", ["1.png", "1 small.jpg", "1 smaller.jpg"])
    assert near["keep"]["width"] == 160
    assert all(0.9 <= copy["similarity"] <= 1 for copy in near["copies"])
    assert all(copy["similarity"] is None for copy in exact["copies"])
    assert "could be freed" in done.err
    assert {path.name: path.read_bytes() for path in library.iterdir()} == before


def test_another_name_of_the_same_file_on_disk_frees_nothing(amogus, library):
    exact = json.loads(amogus("duplicates", "--format", "json", "--kind", "exact").out)[0]
    size = (library / "0.png").stat().st_size
    assert {os.path.basename(copy["path"]): copy["frees"] for copy in exact["copies"]} == {
        "0 again.png": size,
        "0.png": 0,
    }
    assert exact["frees"] == size


def test_pages_are_parts_of_one_order(amogus, library):
    everything = amogus("duplicates", "--format", "jsonl").out.splitlines()
    first = amogus("duplicates", "--format", "jsonl", "-n", 1)
    assert first.out.splitlines() == everything[:1]
    assert "go on with --skip 1" in first.err
    assert amogus("duplicates", "--format", "jsonl", "--skip", 1).out.splitlines() == everything[1:]
    assert amogus("duplicates", "--format", "jsonl").out.splitlines() == everything


def test_the_table_has_a_line_a_file(amogus, library):
    lines = amogus("duplicates", "--format", "csv").out.splitlines()
    assert lines[0].split(",")[:4] == ["group", "kind", "what", "similarity"]
    assert len(lines) == 1 + 3 + 3
    assert [line.split(",")[2] for line in lines[1:]] == ["keep", "copy", "copy"] * 2


def test_a_similarity_that_nothing_reaches_leaves_the_exact_ones(amogus, library):
    groups = json.loads(amogus("duplicates", "--near", "1", "--format", "json").out)
    assert [group["kind"] for group in groups] == ["exact"]


def test_a_file_that_changed_or_went_is_not_called_a_copy(amogus, library):
    (library / "1 small.jpg").unlink()
    Image.fromarray(picture(1)).save(library / "1 smaller.jpg")
    done = amogus("duplicates", "--kind", "near", "--format", "json")
    assert json.loads(done.out) == []
    assert "not compared" in done.err
    assert "changed" in done.err
    assert done.code == 3


def test_without_copies_it_says_so(amogus, indexed):
    done = amogus("duplicates")
    assert (done.code, done.out) == (0, "")
    assert "no copies among 4 pictures" in done.err


def test_there_is_no_way_to_delete(amogus):
    text = amogus("duplicates", "--help").out
    assert "--delete" not in text
    assert "--remove" not in text
    assert "Nothing is deleted" in text
