"""`amogus convert` from the command line, with fake models."""

import json

import numpy as np
import pytest
from PIL import Image


def rows(done):
    return {row["path"].rpartition("/")[2]: row for row in map(json.loads, done.out.splitlines())}


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_folder_is_converted_by_the_painter(amogus, photos, workplace):
    done = amogus("convert", photos, "--out", "out", "--detector", "fake", "-f", "jsonl", "--accept", "0.9")
    assert done.code == 0
    found = rows(done)
    assert {name: row["status"] for name, row in found.items()} == {
        "blue.png": "copied",
        "broken.jpg": "skipped",
        "empty.png": "copied",
        "one.png": "converted",
        "two.png": "converted",
    }
    assert found["two.png"]["changes"] == 2
    assert found["two.png"]["before"] > 0.9
    assert (workplace / "out" / "two.png").is_file()
    again = amogus("convert", photos, "--out", "out", "--detector", "fake", "-f", "jsonl", "--accept", "0.9")
    assert {row["status"] for row in rows(again).values()} == {"done"}


def test_results_are_on_stdout_and_words_on_stderr(amogus, photos):
    done = amogus("convert", photos / "one.png", "--out", "out", "--detector", "fake")
    assert done.out.splitlines()[0].split()[:2] == ["path", "status"]
    assert "1 converted" in done.err
    assert amogus("convert", photos / "one.png", "--out", "out2", "--detector", "fake", "-q").err == ""


def test_one_option_takes_the_form_of_the_results_and_of_the_pictures(amogus, photos, workplace):
    with Image.open(photos / "one.png") as image:
        image.save(photos / "a.jpg", quality=95)
    words = ("--detector", "fake", "--format", "same", "--format", "json", "-q")
    done = amogus("convert", photos / "a.jpg", "--out", "out", *words)
    (row,) = json.loads(done.out)
    assert row["output"].endswith("a.jpg")
    with Image.open(workplace / "out" / "a.jpg") as image:
        assert image.format == "JPEG"
    assert amogus("convert", photos, "--out", "out", "--format", "jpg").code == 2


def test_hits_of_an_index_are_converted(amogus, indexed, drawn, workplace):
    done = amogus("convert", "--out", "out", "--where", "path like '%two%'", "-f", "jsonl", "--min-confidence", "0.2")
    assert done.code == 0, done.err
    assert list(rows(done)) == ["two.png"]
    assert rows(done)["two.png"]["changes"] == 2
    assert (workplace / "out" / "two.json").is_file()


def test_an_output_among_indexed_photos_is_refused(amogus, indexed, drawn):
    done = amogus("convert", "--out", drawn / "out")
    assert done.code == 2
    assert "never written to" in done.err


def test_boxes_need_no_detector(amogus, photos, workplace):
    (workplace / "boxes.json").write_text(json.dumps([{"path": "photos/blue.png", "box": [20, 10, 60, 80]}]))
    words = ("--boxes", "boxes.json", "--no-look-again", "--color", "red", "--mask", "box", "--strength", "1")
    done = amogus("convert", "--out", "out", *words, "-f", "jsonl")
    assert done.code == 0, done.err
    assert rows(done)["blue.png"]["after"] is None
    before, after = (pixels(folder / "blue.png") for folder in (photos, workplace / "out"))
    assert (after[40:60, 35:45, 0] > 90).mean() > 0.5
    np.testing.assert_array_equal(after[:, 80:], before[:, 80:])


def test_a_person_by_hand_becomes_a_giant(amogus, photos, workplace):
    (workplace / "people.json").write_text(json.dumps([{"path": "photos/empty.png", "box": [50, 5, 100, 115]}]))
    words = ("--boxes", "people.json", "--target", "person", "--no-look-again", "-f", "jsonl")
    done = amogus("convert", "--out", "out", *words)
    assert done.code == 0, done.err
    record = json.loads((workplace / "out" / "empty.json").read_text())
    assert record["options"]["target"] == "person"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("photos", "--backend", "diffuson"), "no converter called 'diffuson'"),
        (("photos", "--style", "cubist"), "no style 'cubist'"),
        (("photos", "--color", "mauve-ish"), "no colour"),
        (("photos", "--prompt", "{colour}"), "has a field {colour}"),
        (("photos", "--backend-option", "style"), "KEY=VALUE"),
        (("photos", "--index", "somewhere"), "an index is asked"),
        (("photos", "--target", "person"), "finds no persons"),
        (("--target", "person"), "knows no persons"),
        (("photos", "--dilate", "-60"), "dilated by"),
        (("photos", "--min-area", "0.5", "--max-area", "0.1"), "smallest <= largest"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(amogus, photos, workplace, words, said):
    done = amogus("convert", *words, "--out", "out")
    assert done.code == 2
    assert said in done.err
    assert not (workplace / "out").exists()


def test_a_dry_run_writes_masks(amogus, photos, workplace):
    done = amogus("convert", photos / "one.png", "--out", "out", "--detector", "fake", "--dry-run", "-f", "jsonl")
    assert rows(done)["one.png"]["status"] == "planned"
    names = sorted(p.name for p in (workplace / "out").iterdir())
    assert names == ["one.1.crop.png", "one.1.mask.png", "one.json"]
