"""Pictures altered in known ways: copies are called copies, other shots are not."""

import cv2
import numpy as np
import pytest

from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.evaluation.benchmark_copies import COPIES, OTHERS, run, summary

ENTRY = FileEntry(b"/a", b"/a", None)


def picture(seed, size=(720, 540)):
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.integers(30, 220, (7, 9, 3)).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    for _ in range(14):
        centre = int(rng.integers(size[0])), int(rng.integers(size[1]))
        cv2.circle(field, centre, int(rng.integers(12, 80)), tuple(int(value) for value in rng.integers(0, 255, 3)), -1)
    return DecodedImage(ENTRY, field, size, f"{seed + 1:064x}"[::-1], "PNG")


@pytest.fixture(scope="module")
def results():
    return summary(run([*(picture(seed) for seed in range(6)), SkippedImage(ENTRY, "corrupt", "")]))


def test_every_way_is_tried_on_every_picture_that_can_be_read(results):
    assert [one.way for one in results] == [*COPIES, *OTHERS]
    assert {one.tried for one in results} == {6}
    assert [one.is_copy for one in results] == [True] * len(COPIES) + [False] * len(OTHERS)


def test_copies_are_told_from_other_shots(results):
    assert sum(one.called for one in results if one.is_copy) / (6 * len(COPIES)) > 0.95
    assert sum(one.called for one in results if not one.is_copy) / (6 * len(OTHERS)) < 0.1


def test_a_picture_is_altered_in_the_same_way_in_any_company():
    alone = [comparison for _, comparison, _ in run([picture(3)])]
    among = [comparison for _, comparison, _ in run([picture(2), picture(3)])]
    assert among[len(alone) :] == alone


def test_a_row_has_an_exact_interval(results):
    row = results[0].row()
    assert (row["altered"], row["makes"], row["pictures"]) == ("JPEG 80", "a copy", 6)
    assert row["interval_95"] == "0.541 to 1.000"
