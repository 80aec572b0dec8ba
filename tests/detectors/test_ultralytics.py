"""Models of all three kinds, randomly initialised on the spot, through every door that they can come in by."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amogus_search import registry, weights

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore"),  # torch and ultralytics warn about themselves
]

KINDS = ("detect", "pose", "segment")


def tiles_of_blocks():
    """Five tiles that are not alike anywhere."""
    blocks = np.random.default_rng(0).integers(0, 255, (5, 12, 12, 3))
    return np.repeat(np.repeat(blocks, 8, axis=1), 8, axis=2).astype(np.uint8)


def build(kind):
    """A network whose findings are confident, and each in another measure, so that their order means something."""
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel, PoseModel, SegmentationModel

    torch.manual_seed(0)
    network = {
        "detect": lambda: DetectionModel("yolov8n.yaml", nc=3, verbose=False),
        "pose": lambda: PoseModel("yolov8n-pose.yaml", nc=1, data_kpt_shape=[7, 3], verbose=False),
        "segment": lambda: SegmentationModel("yolov8n-seg.yaml", nc=2, verbose=False),
    }[kind]()
    noise = torch.from_numpy(tiles_of_blocks().transpose(0, 3, 1, 2).copy()).float() / 255
    seen = {}
    head = network.model[-1]
    hooks = [
        branch[-1].register_forward_hook(lambda module, given, answer: seen.__setitem__(module, answer.std()))
        for branch in head.cv3
    ]
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all that was seen, so that one look makes a network that is awake
    with torch.no_grad():
        network.train()(noise)
        network.eval()(noise)
        for branch, hook in zip(head.cv3, hooks, strict=True):
            hook.remove()
            branch[-1].weight.mul_(2 / seen[branch[-1]])
            branch[-1].bias.fill_(-2.0)
    yolo = YOLO(f"yolov8n{ {'detect': '', 'pose': '-pose', 'segment': '-seg'}[kind] }.yaml")
    network.args, network.task = yolo.model.args, kind
    yolo.model = network
    return yolo


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The (.pt file, .onnx file) of each kind."""
    from amogus_search.detectors.ultralytics import _import

    _import()
    folder, made = tmp_path_factory.mktemp("models"), {}
    for kind in KINDS:
        yolo = build(kind)
        yolo.save(folder / f"{kind}.pt")
        yolo.ckpt_path = yolo.model.pt_path = str(folder / f"{kind}.pt")
        onnx = yolo.export(format="onnx", dynamic=True, simplify=False, imgsz=64, verbose=False)
        made[kind] = (folder / f"{kind}.pt", folder / f"{kind}.onnx")
        assert str(onnx) == str(made[kind][1])
    return made


@pytest.fixture(scope="module")
def tiles():
    return tiles_of_blocks()


def same(found, expected, pixels=1.0):
    """The same findings, but for rounding, and for ultralytics cutting boxes off at the tile's edge."""
    assert abs(len(found) - len(expected)) <= 1 + len(expected) // 10
    for box, confidence in list(zip(expected.xyxy.clip(0, 96), expected.confidence, strict=True))[:3]:
        # Its place in the order may differ, for many are almost equally sure.
        away = np.abs(found.xyxy.clip(0, 96) - box).max(axis=1) / pixels
        unlike = np.abs(found.confidence - confidence) / 0.02
        assert np.maximum(away, unlike).min() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_each_kind_answers_alike_as_pt_as_onnx_and_in_openvino(files, tiles, kind):
    from amogus_search.detectors.openvino import OpenVinoDetector

    pt, onnx = files[kind]
    by_torch = registry.load_detector(str(pt))
    by_onnx = registry.load_detector(f"ultralytics:{onnx}")
    by_openvino = registry.load_detector(str(onnx))
    assert isinstance(by_openvino, OpenVinoDetector)
    by_openvino.precision = "f32"
    by_openvino._compiled.clear()
    answers = [detector.detect_tiles(tiles) for detector in (by_torch, by_onnx, by_openvino)]
    assert [len(answer) for answer in answers] == [5, 5, 5]
    assert min(len(found) for found in answers[0]) > 0
    for expected, onnx_found, openvino_found in zip(*answers, strict=True):
        same(onnx_found, expected)
        same(openvino_found, expected)


def test_a_pose_model_with_as_many_keypoints_as_a_motif_has_its_evidence(files, tiles):
    for name in (str(files["pose"][0]), f"ultralytics:{files['pose'][1]}", str(files["pose"][1])):
        detector = registry.load_detector(name)
        assert detector.motif == weights.motif("amogus"), name
        found = detector.detect_tiles(tiles[:1])[0]
        assert found.keypoints.shape == (len(found), 7, 3), name


def test_small_tiles_and_odd_batches_are_taken_too(files, tiles):
    """The profile balanced shows windows of two sizes, and the last batch of a run is seldom full."""
    for name in (str(files["detect"][0]), f"ultralytics:{files['detect'][1]}", str(files["detect"][1])):
        detector = registry.load_detector(name)
        assert len(detector.detect_tiles(tiles[:3, :64, :64])) == 3
        assert detector.detect_tiles(tiles[:0]) == []


def test_no_model_says_anything_on_stdout(files, tiles, capfd):
    """Results stand there, and a program reads them."""
    for name in (str(files["segment"][0]), f"ultralytics:{files['segment'][1]}"):
        registry.load_detector(name).detect_tiles(tiles[:1])
    assert capfd.readouterr().out == ""


def test_findings_of_a_foreign_segmentation_model_go_through_the_pipeline(files, tmp_path):
    from PIL import Image

    from amogus_search.core.thresholds import Threshold
    from amogus_search.finder import detect

    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (120, 160, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    for file in files["segment"]:
        (found,) = detect(tmp_path / "a.png", detector=str(file), threshold=Threshold())
        assert len(found.detections) > 0
        assert np.isnan(found.scores.amogusness).all()


def test_its_settings_leave_no_folder_behind(tmp_path):
    """They once did, one for every process that ran."""
    script = (
        "from amogus_search.detectors.ultralytics import keep_to_itself; keep_to_itself(); "
        "import os, ultralytics; print(os.environ['YOLO_CONFIG_DIR'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "YOLO_CONFIG_DIR"}
    environment |= {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []
