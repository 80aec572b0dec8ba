"""`amogus eval`: reports, baselines, frozen tiers and the ablation table, on a few pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from amogus_search.evaluation import tiers


def draw(folder, count, *, labelled=True, seed=0):
    """Pictures with one red box each; in every third the box is blue, which the fake detector does not find."""
    rng = np.random.default_rng(seed)
    for kind in ("images", "labels") if labelled else ("images",):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        pixels = rng.integers(90, 140, (128, 128, 3)).astype(np.uint8)
        x, y, side = (int(value) for value in rng.integers(10, 60, 3))
        pixels[y : y + side, x : x + side] = (20, 20, 230) if number % 3 == 2 else (230, 20, 20)
        Image.fromarray(pixels).save(folder / "images" / f"{number:02d}.png")
        if labelled and number % 5:
            line = f"0 {(x + side / 2) / 128} {(y + side / 2) / 128} {side / 128} {side / 128}\n"
            (folder / "labels" / f"{number:02d}.txt").write_text(line)
    return folder


FAKE = ("--detector", "fake", "--profile", "fast", "--format", "json")


def test_a_report_leaves_the_rows_as_they_are_and_is_its_own_baseline(amogus, workplace):
    pytest.importorskip("matplotlib")
    draw(workplace / "data", 12)
    bare = amogus("eval", "detect", "data", *FAKE)
    done = amogus("eval", "detect", "data", "--report", "out", *FAKE)
    assert done.code == 0, done.err
    assert json.loads(done.out) == json.loads(bare.out)
    assert (workplace / "out" / "report.html").read_text().startswith("<!DOCTYPE html>")
    again = amogus("eval", "detect", "data", "--baseline", "out/report.json", *FAKE)
    assert again.code == 0, again.err
    rows = json.loads(again.out)
    assert {row["metric"]: row["verdict"] for row in rows}["ap50"] == "same"
    assert {row["change"] for row in rows} <= {0, None}


def test_a_model_that_got_worse_ends_in_exit_code_one(amogus, workplace):
    """The stored report is made better than the detector is, by taking away all that it did wrong."""
    pytest.importorskip("matplotlib")
    draw(workplace / "data", 20)
    assert amogus("eval", "detect", "data", "--report", "out", *FAKE).code == 0
    report = json.loads((workplace / "out" / "report.json").read_text())
    for record in report["data"][0]["records"]:
        record["findings"] = [[*box, 0.9, 0.9] for box in record["truth"]]
    (workplace / "better.json").write_text(json.dumps(report))
    done = amogus("eval", "detect", "data", "--baseline", "better.json", *FAKE)
    assert done.code == 1
    assert "worse than the baseline" in done.err
    assert "worse" in {row["verdict"] for row in json.loads(done.out)}


def test_a_baseline_of_other_pictures_is_refused(amogus, workplace):
    pytest.importorskip("matplotlib")
    draw(workplace / "one", 4)
    draw(workplace / "two", 4, seed=1)
    assert amogus("eval", "detect", "one", "--report", "out", *FAKE).code == 0
    done = amogus("eval", "detect", "two", "--baseline", "out/report.json", *FAKE)
    assert done.code == 2
    assert "one (" in done.err
    assert "two (" in done.err


def test_an_output_that_is_taken_is_refused_before_anything_is_measured(amogus, workplace):
    pytest.importorskip("matplotlib")
    draw(workplace / "data", 2)
    done = amogus("eval", "detect", "data", "--report", "data", *FAKE)
    assert done.code == 2
    assert "not empty" in done.err


def test_coco_labels_are_a_data_set_too(amogus, workplace):
    draw(workplace / "data", 6)
    boxes = []
    for label in sorted((workplace / "data" / "labels").iterdir()):
        _, cx, cy, width, height = (float(word) * 128 for word in label.read_text().split())
        boxes.append((int(label.stem), [cx - width / 2, cy - height / 2, width, height]))
    document = {
        "images": [{"id": n, "file_name": f"{n:02d}.png", "width": 128, "height": 128} for n in range(6)],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": box} for n, box in boxes],
        "categories": [{"id": 1, "name": "box"}],
    }
    (workplace / "coco.json").write_text(json.dumps(document))
    yolo = json.loads(amogus("eval", "detect", "data", *FAKE).out)[0]
    coco = json.loads(amogus("eval", "detect", "coco.json", "--images", "data/images", *FAKE).out)[0]
    assert coco | {"data": ""} == yolo | {"data": ""}


def test_worth_must_be_stated_for_every_set_or_none(amogus, workplace):
    assert amogus("eval", "detect", "a", "b", "--worth", "3", *FAKE).code == 2


def test_the_ablation_table_has_a_row_for_every_set_of_opinions(amogus, workplace):
    draw(workplace / "data", 24)
    done = amogus("eval", "ablate", "--data", "data", *FAKE)
    assert done.code == 0, done.err
    assert [row["opinions"] for row in json.loads(done.out)] == [
        "confidence",
        "confidence + parts",
        "confidence + colours",
        "confidence + parts + colours",
    ]


def test_frozen_tiers_are_drawn_once_and_measured(amogus, workplace, monkeypatch):
    few = tiers.FrozenTier("plain", 3, 5, 96)
    monkeypatch.setattr(tiers, "frozen_tiers", lambda text=None: {"plain": few})
    done = amogus("eval", "tiers", "sets", "--workers", "1", *FAKE)
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert row["data"] == "plain"
    assert row["images"] == 3
    assert {"pck10", "small", "small_ap50", "small_input", "small_input_ap50"} <= set(row)
    assert len(list((workplace / "sets" / "plain" / "images").rglob("*.jpg"))) == 3


def test_an_unknown_tier_and_no_folder_are_usage_errors(amogus):
    assert amogus("eval", "tiers").code == 2
    assert amogus("eval", "tiers", "sets", "--tier", "easy").code == 2
