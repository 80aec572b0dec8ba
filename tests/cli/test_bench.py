import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def dataset(workplace):
    for part in ("train", "val"):
        for kind in ("images", "labels"):
            (workplace / "data" / kind / part).mkdir(parents=True)
        for number in range(4):
            pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(workplace / "data" / "images" / part / f"{number}.png")
            (workplace / "data" / "labels" / part / f"{number}.txt").write_text("0 0.5 0.5 0.25 0.375\n")
    return workplace / "data"


def test_a_detector_is_measured_in_two_precisions_and_sizes(amogus, dataset, tiny_yolo):
    network = tiny_yolo("net.onnx", [(32, 32, 16, 24, 0.9)])
    done = amogus("bench", "detector", dataset, "--weights", network, "--size", "64,96", "-n", "2", "--format", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [(row["precision"], row["size"], row["images"]) for row in rows] == [
        ("fp32", 64, 2),
        ("fp32", 96, 2),
        ("bf16", 64, 2),
        ("bf16", 96, 2),
    ]
    assert rows[0]["ap50"] == 1
    assert rows[0]["keypoints"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--precision", "fp16"), "there are: fp32, bf16, int8"),
        (("--size", "100"), "multiples of 32"),
        (("--size", "big"), "multiples of 32"),
        (("--weights", "net.pt"), "is no .onnx file"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(amogus, dataset, words, said):
    done = amogus("bench", "detector", dataset, *words)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("command", ["slicing", "wholes"])
def test_a_missing_program_to_compare_with_is_an_error_with_a_way_out(amogus, dataset, command, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    gone = ("sahi", "rclip", "ultralytics")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in gone else real(name, *rest))
    done = amogus("bench", command, dataset)
    assert done.code == 1
    assert "pip install" in done.err


def test_an_index_without_a_detector_has_whole_pictures_only(amogus, photos):
    done = amogus("index", photos, "--index", "wholes", "--detector", "none", "--embedder", "fake")
    assert done.code == 0, done.err
    hits = json.loads(amogus("query", "red", "--index", "wholes", "--format", "json").out)
    assert len(hits) == 4
    assert {hit["detection"] for hit in hits} == {None}
