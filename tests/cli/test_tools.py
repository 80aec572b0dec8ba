"""`amogus models`, `synth`, `eval` and `doctor`: small runs of what stands around the main job."""

import json

import numpy as np
import pytest
from PIL import Image


def test_the_embedded_models_are_listed_with_size_and_licence(amogus):
    rows = json.loads(amogus("models", "list", "--format", "json").out)
    assert {("detector", "amogus"), ("embedder", "amogus")} <= {(row["kind"], row["name"]) for row in rows}
    assert all(row["bytes"] > 0 for row in rows)


def test_a_model_is_written_as_onnx_and_never_over_a_file(amogus, workplace):
    assert amogus("models", "export", "amogus", "out.onnx").code == 0
    assert (workplace / "out.onnx").stat().st_size > 1_000_000
    again = amogus("models", "export", "amogus", "out.onnx")
    assert again.code == 2
    assert "is there already" in again.err


def test_an_unknown_model_is_answered_with_the_known_ones(amogus):
    done = amogus("models", "export", "amongus", "out.onnx")
    assert done.code == 1
    assert "amogus" in done.err


def test_scenes_are_a_data_set_that_eval_can_read(amogus, workplace):
    done = amogus("synth", "scenes", "data", "-n", "6", "--size", "96", "--workers", "1", "--format", "json")
    assert done.code == 0
    assert json.loads(done.out)["images"] == 6
    measured = amogus("eval", "detect", "data", "--detector", "fake", "--format", "json")
    (row,) = json.loads(measured.out)
    assert row["images"] == 6
    assert 0 <= row["ap50"] <= 1 or np.isnan(row["ap50"])


def test_the_same_seed_draws_the_same_sheet(amogus, workplace):
    for name in ("a.png", "b.png"):
        assert amogus("synth", "sheet", name, "--columns", "2", "--rows", "3", "--cell", "32").code == 0
    assert (workplace / "a.png").read_bytes() == (workplace / "b.png").read_bytes()
    with Image.open(workplace / "a.png") as sheet:
        assert sheet.size == (64, 96)


def test_a_sheet_needs_the_name_of_a_picture(amogus):
    done = amogus("synth", "sheet", "sheet.txt")
    assert done.code == 2
    assert "sheet.png" in done.err


def test_a_small_demo_is_drawn_indexed_and_compared_with_its_truth(amogus):
    pytest.importorskip("skimage")
    drawn = json.loads(amogus("synth", "demo", "demo", "-n", "5", "--format", "json").out)
    assert (drawn["images"], drawn["clean"]) == (5, 1)
    assert amogus("index", "demo/photos", "--detector", "fake", "--embedder", "fake", "--profile", "fast").code == 0
    rows = json.loads(amogus("eval", "demo", "demo/truth.json", "--format", "json").out)
    assert rows[-1]["size"] == "all"
    assert rows[-1]["hidden"] == drawn["amogi"] == rows[-1]["found"] + rows[-1]["missed"]


def test_training_without_torch_names_the_extra(amogus, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = amogus("train", "detector", "run", "--data", "data")
    assert done.code == 1
    assert 'pip install "amogus_search[train]"' in done.err


@pytest.mark.slow
def test_the_doctor_finds_this_installation_well(amogus):
    done = amogus("doctor", "--format", "json")
    assert done.code == 0, done.err
    assert {"numpy", "openvino", "faiss-cpu"} <= {row["part"] for row in json.loads(done.out)}
