"""Teaching a network for so long: it stops in time, goes on after a kill, and has no keypoints."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from amogus_search import weights
from amogus_search.core.motif import Motif

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Discs on noise, some to learn from and some to look at."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 8)):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            picture = rng.integers(60, 120, (64, 64, 3)).astype(np.uint8)
            x, y = (int(v) for v in rng.integers(16, 48, 2))
            cv2.circle(picture, (x, y), 12, (240, 240, 30), -1)
            cv2.imwrite(str(folder / "images" / split / f"{number}.png"), picture)
            (folder / "labels" / split / f"{number}.txt").write_text(f"0 {x / 64} {y / 64} {25 / 64} {25 / 64}\n")
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    path.write_bytes(weights.read("amogus_detector.safetensors"))
    return path


def settings(scenes, start, **values):
    from amogus_search.training.motif import MotifTraining

    fields = {"seconds": 3.0, "side_px": 64, "batch": 8, "warmup_steps": 2, "round_seconds": 1.0, "watched": 4}
    return MotifTraining(scenes, scenes, start, **(fields | values))


def test_the_detection_network_takes_all_it_needs_from_the_pose_network(start):
    from amogus_search.training import pose_model

    model = pose_model.build("yolov8n-pose", 0)
    assert pose_model.load_matching(model, start) == len(model.state_dict())


def test_it_trains_for_as_long_as_it_was_told_and_writes_down_every_round(scenes, start, tmp_path):
    from amogus_search.training.motif import MotifRun, learn, read_log

    chosen = settings(scenes, start)
    run = MotifRun(tmp_path, chosen)
    rounds = list(learn(run, chosen))
    assert len(rounds) >= 1
    assert rounds[-1].seconds >= chosen.seconds
    assert rounds[-1].steps == run.steps
    assert all(np.isfinite(one.class_loss) and one.class_loss > 0 for one in rounds)
    assert [one.steps for one in read_log(tmp_path / "log.csv")] == [one.steps for one in rounds]
    assert list(learn(run, chosen)) == []


def test_a_killed_run_goes_on_where_it_was(scenes, start, tmp_path):
    """Nothing after the last finished round is kept, and the time up to it is not spent again."""
    from amogus_search.training.motif import MotifRun, learn, read_log

    chosen = settings(scenes, start, seconds=6.0, round_seconds=0.1)
    begun = learn(MotifRun(tmp_path, chosen), chosen)
    first = next(begun)
    begun.close()
    (tmp_path / "last.pt.part").write_bytes(b"half a file")
    again = MotifRun(tmp_path, chosen)
    assert again.resume()
    assert (again.steps, again.seconds) == (first.steps, first.seconds)
    clock = time.monotonic()
    rest = list(learn(again, chosen))
    assert time.monotonic() - clock < 6.0 + 20.0
    logged = read_log(tmp_path / "log.csv")
    assert [one.steps for one in logged] == [first.steps, *(one.steps for one in rest)]


def test_the_rate_warms_up_and_falls_with_the_time(scenes, start):
    from amogus_search.training.motif import rate_at

    chosen = settings(scenes, start, warmup_steps=10, learning_rate=1.0)
    assert rate_at(0, 0.0, chosen) == pytest.approx(0.1)
    assert rate_at(10, 0.0, chosen) == pytest.approx(1.0)
    assert rate_at(99, 0.5, chosen) == pytest.approx(0.51)
    assert rate_at(99, 1.0, chosen) == rate_at(99, 1.7, chosen) == pytest.approx(0.02)


def test_the_exported_network_runs_as_a_detector_without_keypoints(scenes, start, tmp_path):
    from amogus_search.detectors.openvino import OpenVinoDetector
    from amogus_search.training.motif import MotifRun

    run = MotifRun(tmp_path, settings(scenes, start))
    run.export(tmp_path / "d.safetensors", tmp_path / "d.onnx", "disc")
    detector = OpenVinoDetector("disc", (tmp_path / "d.onnx").read_bytes(), Motif("disc"))
    (found,) = detector.detect_tiles(np.zeros((1, 96, 96, 3), np.uint8))
    assert found.keypoint_names == ()
    assert Path(tmp_path / "d.safetensors").stat().st_size < 8_000_000
