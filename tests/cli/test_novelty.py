"""`amogus novelty` from the outside: copies are named whatever was done to them, new pictures are new."""

import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image

PICTURES = 48


def picture(seed, size=(120, 96)):
    """Some discs on a smooth field, in colours of its own."""
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.integers(0, 255, (5, 6, 3)).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        centre = int(rng.integers(size[0])), int(rng.integers(size[1]))
        cv2.circle(field, centre, int(rng.integers(4, 16)), tuple(int(value) for value in rng.integers(0, 255, 3)), -1)
    return np.clip(field * rng.uniform(0.3, 1.0, 3), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(trained_once, amogus):
    """An index of drawn pictures; one of them has a red box, which the fake detector finds."""
    photos, index = trained_once / "photos", trained_once / "index"
    if not index.exists():
        photos.mkdir()
        for seed in range(PICTURES):
            Image.fromarray(picture(seed)).save(photos / f"{seed}.png")
        boxed = picture(777)
        boxed[30:60, 40:80] = (230, 20, 20)
        boxed[40:50, 50:60] = (230, 75, 75)
        Image.fromarray(boxed).save(photos / "boxed.png")
        assert amogus("index", photos, "--index", index, "--detector", "fake", "--embedder", "fake", "-q").code == 0
    return index


@pytest.fixture
def generated(workplace):
    """Copies made in several ways, and two pictures that are nowhere else."""
    folder = workplace / "generated"
    folder.mkdir()
    Image.fromarray(picture(3)).save(folder / "same.png")
    Image.fromarray(picture(4)).resize((60, 48)).save(folder / "small.jpg", quality=80)
    Image.fromarray(picture(5)[:, ::-1].copy()).save(folder / "mirrored.png")
    Image.fromarray(picture(6)[5:, 6:]).save(folder / "cropped.png")
    for seed in (1001, 1002):
        Image.fromarray(picture(seed)).save(folder / f"new {seed}.png")
    return folder


def verdicts(done):
    return {record["path"].rpartition("/")[2]: record["verdict"] for record in map(json.loads, done.out.splitlines())}


def test_copies_are_named_and_new_pictures_are_new(amogus, trained, generated):
    done = amogus("novelty", generated, "--against", trained, "--format", "jsonl")
    assert done.code == 0, done.err
    found = verdicts(done)
    assert {found[name] for name in ("same.png", "small.jpg", "mirrored.png", "cropped.png")} == {"copied"}
    assert "copied" not in {found["new 1001.png"], found["new 1002.png"]}
    assert re.search(r"4 copied, \d close, \d new", done.err)


def test_the_nearest_is_the_one_that_was_copied(amogus, trained, generated):
    done = amogus("novelty", generated / "mirrored.png", "--against", trained, "--format", "json", "-n", 1)
    (record,) = json.loads(done.out)
    (nearest,) = record["nearest"]
    assert nearest["path"].endswith("/5.png")
    assert (nearest["kind"], nearest["same_pixels"], nearest["mirrored"]) == ("image", True, True)
    assert nearest["similarity"] > 0.99


def test_a_copy_of_a_crop_is_one_too(amogus, trained, trained_once, workplace):
    with Image.open(trained_once / "photos" / "boxed.png") as boxed:
        boxed.crop((34, 19, 86, 71)).save(workplace / "crop.png")
    (record,) = json.loads(amogus("novelty", "crop.png", "--against", trained, "--format", "json").out)
    assert record["verdict"] == "copied"
    assert record["nearest"][0]["kind"] == "detection"
    assert len(record["nearest"][0]["box"]) == 4


def test_what_cannot_be_read_costs_only_itself(amogus, trained, generated):
    (generated / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    done = amogus("novelty", generated, "--against", trained, "--format", "csv")
    assert done.code == 0
    assert "1 skipped" in done.err
    assert len(done.out.splitlines()) == 1 + 7


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_the_report_holds_every_picture(amogus, trained, generated, workplace, name):
    words = ("novelty", generated, "--against", trained, "--report", workplace / name, "-q")
    assert amogus(*words).code == 0
    text = (workplace / name).read_text()
    assert all(path.name in text for path in generated.iterdir())
    assert "4 copied" in text
    if name.endswith("json"):
        report = json.loads(text)
        assert report["limits"]["sampled"] == PICTURES + 1
        assert len(report["pictures"]) == 6
    else:
        assert "http" not in text.replace("http-equiv", "")
        assert text.count("<article>") == 6
    assert amogus(*words).code == 0  # a report may be replaced


def test_a_report_is_written_over_nothing_else(amogus, trained, generated, workplace):
    (workplace / "mine.html").write_text("mine")
    done = amogus("novelty", generated, "--against", trained, "--report", "mine.html")
    assert done.code == 2
    assert (workplace / "mine.html").read_text() == "mine"
    done = amogus("novelty", generated, "--against", trained, "--report", generated / "report.html")
    assert (done.code, "never written to" in done.err) == (2, True)
    assert amogus("novelty", generated, "--against", trained, "--report", "report.pdf").code == 2


def test_a_name_is_never_markup(amogus, trained, generated, workplace):
    (generated / "same.png").rename(generated / "<b onload=x>.png")
    assert amogus("novelty", generated, "--against", trained, "--report", "report.html").code == 0
    text = (workplace / "report.html").read_text()
    assert "<b onload" not in text
    assert "&lt;b onload=x&gt;.png" in text


def test_a_small_index_judges_by_pixels_alone(amogus, indexed, drawn):
    done = amogus("novelty", drawn / "one.png", "--against", indexed, "--format", "jsonl")
    assert verdicts(done) == {"one.png": "copied"}
    assert "too small to say what is close" in done.err


def test_the_same_run_says_the_same(amogus, trained, generated):
    first, again = (amogus("novelty", generated, "--against", trained, "--format", "jsonl") for _ in range(2))
    assert first.out == again.out
