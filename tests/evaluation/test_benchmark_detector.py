import numpy as np
import pytest
from PIL import Image

from amogus_search.core.motif import Motif
from amogus_search.evaluation.benchmark_detector import Candidate, compare
from amogus_search.evaluation.labelled import read_dataset
from amogus_search.sources.workers import DecodePool

RIGHT, WRONG = (32, 32, 16, 24), (52, 12, 8, 8)


@pytest.fixture
def dataset(tmp_path):
    """Three pictures of 128 pixels with one true box each, in the middle of an input of 64."""
    for kind in ("images", "labels"):
        (tmp_path / "data" / kind / "val").mkdir(parents=True)
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (128, 128, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "images" / "val" / f"{number}.png")
        label = tmp_path / "data" / "labels" / "val" / f"{number}.txt"
        label.write_text("0 0.5 0.5 0.25 0.375 0.5 0.5 2\n")
    return tmp_path / "data"


def no_ranges(size):
    raise AssertionError("nothing is quantised here")


def rows(tiny_yolo, dataset, precisions=("fp32",), sizes=(64,), **networks):
    motif = Motif("dot", ("middle",), (0,), {"body": ("middle",)})
    candidates = [
        Candidate(name, tiny_yolo(f"{name}.onnx", findings).read_bytes(), motif) for name, findings in networks.items()
    ]
    with DecodePool() as pool:
        return compare(candidates, precisions, sizes, read_dataset(dataset), pool, ranges_from=no_ranges)


def test_a_perfect_network_and_a_wrong_one_stand_beside_each_other(tiny_yolo, dataset):
    good, bad = rows(
        tiny_yolo,
        dataset,
        good=[(*RIGHT, 0.9, 32, 33, 0.9), (*WRONG, 0.1, 0, 0, 0)],
        bad=[(*WRONG, 0.9, 0, 0, 0)],
    )
    assert (good.weights, good.images, good.ap50, good.ap50_95, good.recall, good.keypoints) == ("good", 3, 1, 1, 1, 1)
    assert (bad.ap50, bad.recall) == (0, 0)
    assert np.isnan(bad.keypoints)
    assert bad.to_dict()["keypoints"] is None
    assert good.bytes > 0
    assert good.ms > 0


def test_a_keypoint_counts_within_a_tenth_of_the_longer_side(tiny_yolo, dataset):
    (far,) = rows(tiny_yolo, dataset, far=[(*RIGHT, 0.9, 32, 36, 0.9)])
    assert far.keypoints == 0


def test_every_combination_has_its_row_and_is_compared_with_the_first_precision(tiny_yolo, dataset):
    found = rows(tiny_yolo, dataset, ("fp32", "bf16"), (64, 96), net=[(*RIGHT, 0.9, 32, 32, 1)])
    assert [(row.precision, row.size) for row in found] == [("fp32", 64), ("fp32", 96), ("bf16", 64), ("bf16", 96)]
    assert [row.ratio for row in found[:2]] == [1, 1]
    assert found[2].ratio != 1
    assert (found[0].ap50, found[1].ap50) == (1, 0)  # the tiny network says the same pixels at every size
