import sys

import numpy as np
import pytest

from amogus_search import weights
from amogus_search.errors import AmogusError, MissingExtraError
from amogus_search.quantisation import quantised


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(AmogusError, match="no pictures to learn"):
        quantised(b"", [])


def test_what_is_no_model_is_refused():
    with pytest.raises(AmogusError, match="cannot read this"):
        quantised(b"no model", [np.zeros((64, 64, 3), np.uint8)])


def test_without_nncf_the_extra_is_named(tiny_yolo, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    model = tiny_yolo("net.onnx", [(1, 1, 1, 1, 0.5)]).read_bytes()
    with pytest.raises(MissingExtraError) as error:
        quantised(model, [np.zeros((64, 64, 3), np.uint8)])
    assert "amogus_search[int8]" in error.value.hint


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")  # torch warns about itself when NNCF imports it
def test_the_embedded_detector_finds_the_same_in_int8(capfd):
    """Plain scenes, at a size that it was not quantised at: the axes stay dynamic."""
    pytest.importorskip("nncf")
    from amogus_search.core.boxes import iou
    from amogus_search.detectors.openvino import OpenVinoDetector
    from amogus_search.synth.scenes import generate_scene

    model, motif = weights.read("amogus_detector.onnx"), weights.motif("amogus")
    tiles = [generate_scene(np.random.default_rng((3, n)), (160, 160), tier="plain").image for n in range(8)]
    small, constants = quantised(model, tiles)
    assert capfd.readouterr().out == ""
    assert len(small) + len(constants) < 0.8 * len(model)
    shown = np.stack(
        [
            generate_scene(np.random.default_rng((4, n)), (320, 320), tier="plain", height_px_range=(40, 150)).image
            for n in range(4)
        ]
    )
    exact = OpenVinoDetector("f32", model, motif, precision="f32").detect_tiles(shown)
    rough = OpenVinoDetector("int8", small, motif, precision="f32", constants=constants).detect_tiles(shown)
    sure = [found.keep(found.confidence > 0.6) for found in exact]
    assert sum(map(len, sure)) > 3
    overlaps = [iou(one.xyxy, other.xyxy).max(axis=1) for one, other in zip(sure, rough, strict=True) if len(one)]
    assert np.median(np.concatenate(overlaps)) > 0.95
    assert np.concatenate(overlaps).min() > 0.7
