import numpy as np
import pytest

from amogus_search import weights

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]  # ultralytics warns about itself

MOTIF = weights.motif("amogus")


def random_network(architecture):
    import torch

    from amogus_search.training import pose_model

    torch.manual_seed(0)
    model = pose_model.build(architecture, 7)
    with torch.no_grad():
        model.train()(torch.rand(2, 3, 96, 96))  # running means of something that was seen
    return model.eval()


@pytest.mark.parametrize("architecture", ["yolov8n-pose", "yolo11n-pose", "yolo26n-pose"])
def test_a_pt_file_is_the_network_behind_the_onnx_file(architecture, tmp_path):
    import torch

    from amogus_search.detectors.ultralytics import UltralyticsDetector
    from amogus_search.training import onnx_export
    from amogus_search.training.pt_file import write_pt

    model = random_network(architecture)
    onnx_export.export_pose(model, tmp_path / "m.onnx", {}, side_px=64)
    write_pt((tmp_path / "m.onnx").read_bytes(), architecture, MOTIF, tmp_path / "m.pt")
    tile = torch.from_numpy(np.random.default_rng(0).random((1, 3, 96, 96), np.float32))
    detector = UltralyticsDetector(tmp_path / "m.pt", {"amogus": MOTIF})
    assert detector.motif == MOTIF
    with torch.no_grad():
        expected = random_network(architecture)(tile)[0].numpy()
        answer = detector._model.model.float().eval()(tile)
    got = (answer[0] if isinstance(answer, tuple) else answer).numpy()
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=0.3, rtol=0.02)  # pixels; both keep their weights as fp16


def test_weights_of_another_architecture_are_refused(tmp_path):
    from amogus_search.errors import WeightsError
    from amogus_search.training import onnx_export
    from amogus_search.training.pt_file import write_pt

    onnx_export.export_pose(random_network("yolo11n-pose"), tmp_path / "m.onnx", {}, side_px=64)
    with pytest.raises(WeightsError, match="convolutions"):
        write_pt((tmp_path / "m.onnx").read_bytes(), "yolov8n-pose", MOTIF, tmp_path / "m.pt")
    assert not (tmp_path / "m.pt").exists()
