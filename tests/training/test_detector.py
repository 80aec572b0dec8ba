from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from amogus_search import weights

pytestmark = pytest.mark.heavy

MOTIF = weights.motif("amogus")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    from amogus_search.synth.dataset import write_pose_dataset

    folder = tmp_path_factory.mktemp("scenes")
    write_pose_dataset(folder, 40, seed=3, size_wh=(96, 96))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(12):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 255, (120, 160, 3)).astype(np.uint8))
    return folder


def config(dataset, photos=None, **values):
    from amogus_search.training.detector import DetectorTraining

    fields = {"side_px": 96, "epochs": 2, "batch": 4, "warmup_batches": 2, "photos": str(photos or "")}
    return DetectorTraining(data=(str(dataset),), **(fields | values))


def test_a_run_logs_every_epoch_and_keeps_the_best_weights(dataset, photos, tmp_path):
    from amogus_search.training.detector import train_detector

    results = list(train_detector(tmp_path / "run", config(dataset, photos), MOTIF))
    assert [r.epoch for r in results] == [1, 2]
    assert all(np.isfinite(r.class_loss) and r.class_loss > 0 for r in results)
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 3
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_a_stopped_run_goes_on_to_the_same_end(dataset, photos, tmp_path):
    """Stopped after one epoch of two and called again, it does the second one only, and every number is the same."""
    import torch
    from safetensors.torch import load_file

    from amogus_search.training.detector import train_detector

    torch.set_num_threads(1)
    whole = list(train_detector(tmp_path / "whole", config(dataset, photos), MOTIF))
    first = train_detector(tmp_path / "parts", config(dataset, photos), MOTIF)
    next(first)
    first.close()
    rest = list(train_detector(tmp_path / "parts", config(dataset, photos), MOTIF))
    assert [replace(r, seconds=0) for r in rest] == [replace(whole[1], seconds=0)]
    ends = [torch.load(tmp_path / run / "last.pt", weights_only=True) for run in ("whole", "parts")]
    for part in ("model", "average"):
        assert all(torch.equal(ends[0][part][key], ends[1][part][key]) for key in ends[0][part])
    best = [load_file(tmp_path / run / "best.safetensors") for run in ("whole", "parts")]
    assert all(torch.equal(best[0][key], best[1][key]) for key in best[0])


def test_a_run_that_was_begun_before_a_setting_existed_goes_on(dataset, tmp_path):
    import json

    from amogus_search.training.detector import train_detector

    next(train_detector(tmp_path, config(dataset), MOTIF))
    values = json.loads((tmp_path / "config.json").read_text())
    del values["average_decay"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert [r.epoch for r in train_detector(tmp_path, config(dataset), MOTIF)] == [2]


def test_a_folder_with_another_run_is_refused(dataset, tmp_path):
    from amogus_search.errors import AmogusError
    from amogus_search.training.detector import train_detector

    next(train_detector(tmp_path, config(dataset), MOTIF))
    with pytest.raises(AmogusError, match="other settings"):
        next(train_detector(tmp_path, replace(config(dataset), seed=9), MOTIF))


@pytest.mark.parametrize("architecture", ["yolov8n-pose", "yolo11n-pose", "yolo26n-pose"])
def test_every_architecture_takes_a_step_and_answers_in_openvino_as_in_torch(architecture, dataset, tmp_path):
    """Their losses have other parts, and YOLO26 has another head: the findings come out in one form all the same."""
    import torch

    from amogus_search import runtime
    from amogus_search.core import yolo
    from amogus_search.training import detector, onnx_export, pose_data

    tiny = config(dataset, architecture=architecture)
    run = detector.Run(tmp_path, tiny, MOTIF)
    data = pose_data.PoseDataset.open([dataset], "train", 7)
    run.model.train()
    losses = detector.train_batch(run, [data.load(row) for row in range(4)])
    assert all(np.isfinite(value) for value in losses.values())
    assert min(losses[name] for name in ("box_loss", "pose_loss", "visibility_loss", "class_loss", "dfl_loss")) > 0
    assert (losses["likelihood_loss"] > 0) == (architecture == "yolo26n-pose")

    model = run.averaged()
    tile = np.random.default_rng(0).integers(0, 255, (1, 96, 96, 3)).astype(np.uint8)
    with torch.no_grad():
        raw = model(torch.from_numpy(tile.transpose(0, 3, 1, 2).copy()).float() / 255)[0][0].numpy()
    onnx_export.export_pose(model, tmp_path / "m.onnx", {"note": "random"}, side_px=64)
    ours = runtime.compile_onnx((tmp_path / "m.onnx").read_bytes(), shapes={"images": (1, 3, 96, 96)})
    shown = ours.run({"images": tile.transpose(0, 3, 1, 2).astype(np.float32) / 255})
    got = next(iter(shown.values()))[0]
    assert got.shape == raw.shape
    np.testing.assert_allclose(got, raw, atol=0.05)  # pixels, and weights are stored as fp16
    findings = [
        yolo.decode(one, min_confidence=0.0, max_iou=1.1, keypoint_names=MOTIF.keypoint_names) for one in (got, raw)
    ]
    assert len(findings[0]) == len(findings[1]) == 189
    np.testing.assert_allclose(findings[0].confidence, findings[1].confidence, rtol=0.01)


def test_the_exported_network_has_dynamic_axes_in_onnx_runtime(tmp_path):
    """For users of other tools: any batch, any sides that are multiples of 32."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from amogus_search.training import onnx_export, pose_model

    onnx_export.export_pose(pose_model.build("yolov8n-pose", 7).eval(), tmp_path / "m.onnx", {}, side_px=64)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    for shape, anchors in (((1, 3, 64, 64), 84), ((3, 3, 96, 160), 315)):
        (answer,) = session.run(None, {"images": np.zeros(shape, np.float32)})
        assert answer.shape == (shape[0], 26, anchors)


def test_an_architecture_that_nobody_knows_is_refused():
    from amogus_search.errors import WeightsError
    from amogus_search.training import pose_model

    with pytest.raises(WeightsError, match="no architecture 'yolov99n-pose'"):
        pose_model.build("yolov99n-pose", 7)


def test_mirroring_swaps_left_and_right_keypoints():
    from amogus_search.training.pose_data import Sample, mirrored

    points = np.asarray([[[0.1 * i, 0.5, 2] for i in range(7)]], np.float32)
    sample = Sample(np.zeros((4, 4, 3), np.uint8), np.asarray([[0.2, 0.5, 0.1, 0.1]], np.float32), points)
    once = mirrored(sample, MOTIF.flip_idx)
    assert once.boxes[0, 0] == pytest.approx(0.8)
    left, right = (MOTIF.keypoint_names.index(n) for n in ("visor_left", "visor_right"))
    assert once.keypoints[0, left, 0] == pytest.approx(1 - points[0, right, 0])
    twice = mirrored(once, MOTIF.flip_idx)
    assert twice.keypoints == pytest.approx(points)


def test_hidden_keypoints_are_trained_as_absent():
    from amogus_search.training.pose_data import Sample
    from amogus_search.training.pose_model import collate

    points = np.full((1, 7, 3), 0.5, np.float32)
    points[0, :, 2] = [2, 1, 0, 2, 1, 2, 2]
    batch = collate([Sample(np.zeros((32, 32, 3), np.uint8), np.full((1, 4), 0.5, np.float32), points)])
    assert batch["keypoints"][0, :, 2].tolist() == [2, 0, 0, 2, 0, 2, 2]


def test_a_keypoint_loss_that_asks_for_more_punishes_the_same_distance_harder():
    import torch

    from amogus_search.training import pose_model
    from amogus_search.training.pose_data import Sample

    points = np.full((1, 7, 3), 0.5, np.float32)
    points[0, :, 2] = 2
    sample = Sample(np.zeros((64, 64, 3), np.uint8), np.full((1, 4), 0.5, np.float32), points)
    losses = []
    for sigma in (0.0, 0.05):
        torch.manual_seed(0)
        model = pose_model.build("yolov8n-pose", 7)
        if sigma:
            pose_model.set_keypoint_sigma(model, sigma)
        batch = pose_model.collate([sample])
        losses.append(float(model.train().loss(batch, model(batch["img"]))[1]["pose_loss"]))
    assert losses[1] > 1.2 * losses[0]


def test_false_findings_come_back_as_crops_that_hold_them(tmp_path):
    from amogus_search.core.types import Detections
    from amogus_search.training import mining

    photo = np.zeros((200, 300, 3), np.uint8)
    photo[80:120, 100:130] = 255
    found = Detections.make([[100, 80, 130, 120], [0, 0, 9, 9]], [0.8, 0.1])
    mined = mining.hard_negatives([(Path("a.jpg"), (300, 200), found)], min_confidence=0.3)
    mining.write(mined, tmp_path / "hard.jsonl")
    again = mining.read(tmp_path / "hard.jsonl")
    assert again == mined
    assert len(mined) == 1
    rng = np.random.default_rng(0)
    assert all(mining.crop_around(photo, again[0], 96, rng).max() == 255 for _ in range(20))


def test_held_out_photos_are_never_trained_on(photos):
    from amogus_search.training.negatives import may_train_on, training_photos

    allowed = [p for p in photos.iterdir() if may_train_on(p)]
    assert 0 < len(allowed) < 12
    assert len(training_photos(str(photos))) == len(allowed)


def test_a_blend_lies_between_two_runs_and_refuses_strangers(tmp_path):
    import torch

    from amogus_search.errors import WeightsError
    from amogus_search.training import pose_model

    for name, value in (("zero", 0.0), ("one", 1.0)):
        pose_model.save_tensors({"w": torch.full((2, 2), value), "n": torch.tensor(3)}, tmp_path / name, {})
    pose_model.save_tensors({"w": torch.zeros(3)}, tmp_path / "stranger", {})
    mixed = pose_model.blend(tmp_path / "zero", tmp_path / "one", 0.25)
    assert mixed["w"].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert mixed["n"] == 3
    with pytest.raises(WeightsError, match="same network"):
        pose_model.blend(tmp_path / "zero", tmp_path / "stranger", 0.5)


def _shown_as_it_is(crop, photo) -> bool:
    """Whether a crop is a window of the photo, pixel by pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(photo[..., 0], crop.shape[:2])
    starts = np.argwhere((windows[..., 0, :8] == crop[0, :8, 0]).all(-1))
    return any((windows[y, x] == crop[..., 0]).all() for y, x in starts)


def test_camera_photos_and_small_false_findings_are_half_of_the_time_met_at_their_own_pixels():
    """Tiles show them so; grain, leaves and pebbles look like nothing once they are resized."""
    from amogus_search.training import mining
    from amogus_search.training.pose_data import photo_crop

    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (300, 320, 3), dtype=np.uint8)
    camera = [_shown_as_it_is(photo_crop(photo, 48, rng), photo) for _ in range(60)]
    assert 15 < sum(camera) < 45
    assert not any(_shown_as_it_is(photo_crop(photo[:150], 48, rng), photo) for _ in range(20))
    small = mining.HardNegative("a.jpg", (0.5, 0.5, 0.51, 0.51), 0.5)
    large = mining.HardNegative("a.jpg", (0.2, 0.2, 0.6, 0.6), 0.5)
    assert 15 < sum(_shown_as_it_is(mining.crop_around(photo, small, 48, rng), photo) for _ in range(60)) < 45
    assert not any(_shown_as_it_is(mining.crop_around(photo, large, 48, rng), photo) for _ in range(20))
