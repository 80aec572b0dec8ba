import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from amogus_search import registry, runtime
from amogus_search.core.motif import Motif
from amogus_search.detectors.openvino import OpenVinoDetector
from amogus_search.errors import AmogusError, WeightsError

TILES = np.zeros((3, 64, 64, 3), np.uint8)
BOX, FAR = (20, 20, 10, 10), (50, 50, 8, 8)
POINTS = (18, 18, 0.9) * 7


def test_findings_come_out_best_first_for_every_tile(tiny_yolo):
    path = tiny_yolo("one.onnx", [(*BOX, 0.6), (*FAR, 0.9)])
    found = registry.load_detector(str(path)).detect_tiles(TILES)
    assert len(found) == 3
    assert found[0].confidence == pytest.approx([0.9, 0.6], abs=0.01)
    assert found[2].xyxy[1] == pytest.approx([15, 15, 25, 25], abs=0.2)


def test_tiles_that_are_looked_at_at_once_give_the_same_findings_to_the_last_bit(tiny_yolo):
    """Sizes are mixed, and there are more tiles under way than are looked at."""
    rng = np.random.default_rng(3)
    shapes = [(64, 64), (32, 64), (64, 32), (64, 64), (96, 64)] * 3
    tiles = [rng.integers(0, 255, (1, *shape, 3)).astype(np.uint8) for shape in shapes]
    detector = registry.load_detector(str(tiny_yolo("one.onnx", [(*BOX, 0.6, *POINTS), (*FAR, 0.9, *POINTS)])))
    under_way = [detector.begin(tile) for tile in tiles]
    for tile, answer in zip(tiles, under_way, strict=True):
        (found,), (expected,) = answer(), detector.detect_tiles(tile)
        assert found.xyxy.tobytes() == expected.xyxy.tobytes()
        assert found.confidence.tobytes() == expected.confidence.tobytes()
        assert found.keypoints.tobytes() == expected.keypoints.tobytes()


def test_a_network_is_compiled_once_and_nobody_waits_for_that_of_another_shape(tiny_yolo, monkeypatch):
    path = tiny_yolo("one.onnx", [(*BOX, 0.6, *POINTS)])
    detector = registry.load_detector(str(path))
    real, compiled, go_on = runtime.compile_onnx, [], threading.Event()

    def compile_onnx(*args, shapes, **options):
        compiled.append(tuple(shapes["images"][2:]))
        if compiled[-1] == (96, 64):
            assert go_on.wait(30)
        return real(*args, shapes=shapes, **options)

    monkeypatch.setattr(runtime, "compile_onnx", compile_onnx)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(detector.expect, 96, 64) for _ in range(3)]
        assert len(detector.begin(TILES)()) == 3
        assert not any(one.done() for one in waiting)
        go_on.set()
        for one in waiting:
            one.result(30)
    assert len(detector.begin(np.zeros((1, 96, 64, 3), np.uint8))()) == 1
    assert sorted(compiled) == [(64, 64), (96, 64)]


def test_a_network_that_could_not_be_compiled_is_tried_again(tiny_yolo, monkeypatch):
    detector = registry.load_detector(str(tiny_yolo("one.onnx", [(*BOX, 0.6, *POINTS)])))

    def compile_onnx(*args, **options):
        raise AmogusError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(runtime, "compile_onnx", compile_onnx)
        with pytest.raises(AmogusError, match="no memory"):
            detector.begin(TILES)
    assert len(detector.begin(TILES)()) == 3


def test_no_tiles_have_no_findings(tiny_yolo):
    detector = registry.load_detector(str(tiny_yolo("one.onnx", [(*BOX, 0.6)])))
    assert detector.detect_tiles(TILES[:0]) == detector.begin(TILES[:0])() == []


def test_a_bad_model_is_told_by_whoever_waits_for_the_findings(tiny_yolo):
    path = tiny_yolo("several.onnx", [(*BOX, 0.9, 0.1, 0.1)])
    detector = OpenVinoDetector("d", path.read_bytes(), Motif("m"))
    answer = detector.begin(TILES)
    with pytest.raises(AmogusError, match="gives an output of shape"):
        answer()


def test_a_file_without_a_card_has_the_keypoints_of_the_motif_that_fits(tiny_yolo):
    path = tiny_yolo("pose.onnx", [(*BOX, 0.9, *POINTS)])
    detector = registry.load_detector(str(path))
    assert detector.motif.name == "amogus"
    assert detector.detect_tiles(TILES)[0].keypoints.shape == (1, 7, 3)


def test_a_file_without_a_card_that_nothing_fits_is_refused(tiny_yolo):
    path = tiny_yolo("several.onnx", [(*BOX, 0.9, 0.1, 0.1)])
    with pytest.raises(AmogusError, match="gives an output of shape"):
        registry.load_detector(str(path))


def test_all_classes_of_a_file_that_names_them_count_as_the_motif(tiny_yolo):
    about = {"names": "{0: 'cat', 1: 'dog', 2: 'bus'}", "task": "detect"}
    path = tiny_yolo("three.onnx", [(*BOX, 0.1, 0.8, 0.2), (*FAR, 0.0, 0.0, 0.3)], about)
    detector = registry.load_detector(str(path))
    assert detector.motif.name == "three"
    assert detector.detect_tiles(TILES)[0].confidence == pytest.approx([0.8, 0.3], abs=0.01)


def test_masks_of_a_segmentation_network_are_passed_over(tiny_yolo):
    path = tiny_yolo("masks.onnx", [(*BOX, 0.9, 0.2, *[0.5] * 32)], {"names": "{0: 'a', 1: 'b'}", "task": "segment"})
    (found, *_) = registry.load_detector(str(path)).detect_tiles(TILES)
    assert found.confidence == pytest.approx([0.9], abs=0.01)
    assert found.keypoints.shape == (1, 0, 3)


def test_a_pose_network_that_names_its_keypoints_gets_the_motif_with_so_many(tiny_yolo):
    about = {"names": "{0: 'amogus'}", "kpt_shape": "[7, 3]", "task": "pose"}
    detector = registry.load_detector(str(tiny_yolo("seven.onnx", [(*BOX, 0.9, *POINTS)], about)))
    assert detector.motif.name == "amogus"
    assert detector.detect_tiles(TILES)[0].keypoints[0, 0] == pytest.approx([18, 18, 0.9], abs=0.1)


def test_keypoints_of_an_unknown_motif_are_passed_over(tiny_yolo):
    about = {"names": "{0: 'person'}", "kpt_shape": "[2, 3]", "task": "pose"}
    (found, *_) = registry.load_detector(
        str(tiny_yolo("two.onnx", [(*BOX, 0.9, 1, 1, 1, 2, 2, 1)], about))
    ).detect_tiles(TILES)
    assert (len(found), found.keypoints.shape[1]) == (1, 0)


@pytest.mark.parametrize("about", [{"end2end": "True"}, {"args": "{'batch': 1, 'nms': True}"}])
def test_a_network_that_suppresses_by_itself_is_refused(tiny_yolo, about):
    """Its findings come as (b, 300, 6): they would be read as anchors of nonsense."""
    path = tiny_yolo("nms.onnx", [(*BOX, 0.9, 0)], {"names": "{0: 'a'}"} | about)
    with pytest.raises(AmogusError, match="suppresses its findings") as error:
        registry.load_detector(str(path))
    assert "nms=False" in error.value.hint


def test_a_card_of_nonsense_is_no_card(tiny_yolo):
    path = tiny_yolo("odd.onnx", [(*BOX, 0.9)], {"names": "__import__('os')"})
    assert len(registry.load_detector(str(path)).detect_tiles(TILES)[0]) == 1


def test_openvino_files_are_detectors_as_onnx_is(tiny_yolo):
    path = tiny_yolo("one.onnx", [(*BOX, 0.6)])
    runtime.save_openvino(path.read_bytes(), path.with_suffix(".xml"))
    detector = registry.load_detector(str(path.with_suffix(".xml")))
    assert detector.detect_tiles(TILES)[0].confidence == pytest.approx([0.6], abs=0.01)
    assert detector.fingerprint != registry.load_detector(str(path)).fingerprint


def test_an_xml_file_without_its_bin_file_is_refused(tiny_yolo):
    path = tiny_yolo("one.onnx", [(*BOX, 0.6)])
    runtime.save_openvino(path.read_bytes(), path.with_suffix(".xml"))
    path.with_suffix(".bin").unlink()
    with pytest.raises(WeightsError, match=r"one\.bin cannot be read"):
        registry.load_detector(str(path.with_suffix(".xml")))


def test_the_constants_of_an_xml_file_belong_to_its_fingerprint(tiny_yolo):
    path = tiny_yolo("one.onnx", [(*BOX, 0.6)])
    model, constants = runtime.network_files(runtime.read_network(path.read_bytes()))
    first, second = (OpenVinoDetector("d", model, Motif("m"), constants=c) for c in (constants, constants + b"x"))
    assert first.fingerprint != second.fingerprint


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"not a model")
    with pytest.raises(AmogusError, match="cannot read this model"):
        registry.load_detector(str(tmp_path / "no.onnx"))
