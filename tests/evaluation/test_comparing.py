import subprocess
import sys

import numpy as np
import pytest

from amogus_search.core.types import DecodedImage, Detections, FileEntry
from amogus_search.evaluation.comparing import Agreement, Clock, Plants, agreement, in_turns, recalled, speed_ratio

BOX = (10.0, 10.0, 60.0, 60.0)


def found(*rows):
    table = np.asarray(rows, np.float32).reshape(-1, 5)
    return Detections.make(table[:, :4], table[:, 4])


def test_the_ratio_is_of_all_the_time_and_its_spread_of_single_items():
    ratio = speed_ratio(Clock([1.0, 1.0, 2.0], [2.0] * 3), Clock([4.0, 4.0, 4.0], [5.0] * 3))
    assert (ratio["times_as_fast"], ratio["cpu_ratio"]) == (3.0, 2.5)
    assert 2.0 <= ratio["low"] < ratio["high"] <= 4.0


def test_a_clock_gives_what_it_timed_and_counts_the_programs_that_were_waited_for():
    clock = Clock()
    burn = [sys.executable, "-c", "sum(range(3_000_000))"]
    assert clock.time(lambda: subprocess.run(burn, check=True).returncode) == 0
    assert clock.wall[0] > 0
    assert clock.cpu[0] > 0.01
    assert clock.less(Clock([0.0], [0.0])) == clock


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0])])
def test_times_that_are_no_pairs_have_no_ratio(ours, theirs):
    with pytest.raises(ValueError, match="no pairs"):
        speed_ratio(Clock(ours), Clock(theirs))


def test_equal_findings_agree_on_both_sides():
    assert agreement(found((*BOX, 0.9)), found((*BOX, 0.9))) == Agreement(2, 2)


@pytest.mark.parametrize(
    "other", [(12.0, 10.0, 62.0, 60.0, 0.9), (*BOX, 0.85), (*BOX, 0.1)], ids=["moved", "less sure", "weak"]
)
def test_a_finding_that_is_elsewhere_or_otherwise_is_no_partner(other):
    assert agreement(found((*BOX, 0.9)), found(other)).partners == 0


def test_a_partner_may_lie_just_below_the_confidence_from_which_findings_count():
    assert agreement(found((*BOX, 0.26)), found((*BOX, 0.245))) == Agreement(1, 1)


def test_faint_findings_need_no_partner():
    assert agreement(found((*BOX, 0.2)), found()) == Agreement(0, 0)


def test_agreement_adds_up_and_has_no_share_without_findings():
    assert (Agreement(2, 1) + Agreement(2, 2)).to_dict()["share"] == 0.75
    assert Agreement().to_dict()["share"] is None


def test_each_side_comes_first_in_its_turn():
    assert [next(iter(in_turns("abc", number))) for number in range(4)] == ["a", "b", "c", "a"]
    assert list(in_turns([], 3)) == []


def test_a_true_box_is_recalled_by_a_finding_that_overlaps_it_well():
    truth = np.asarray([BOX, (100, 100, 120, 120)], np.float32)
    assert recalled(truth, found((12, 10, 60, 60, 0.3))).tolist() == [True, False]
    assert recalled(truth, found()).tolist() == [False, False]


def test_the_same_number_plants_the_same_amogi_and_leaves_the_picture_alone():
    pixels = np.random.default_rng(0).integers(80, 140, (240, 320, 3)).astype(np.uint8)
    image = DecodedImage(FileEntry(b"/p.jpg", b"/", None), pixels.copy(), (320, 240), "00", "JPEG")
    plants = Plants(2, (30.0, 80.0))
    once, boxes = plants.into(image, 5)
    again, _ = plants.into(image, 5)
    assert len(boxes) > 0
    np.testing.assert_array_equal(once.pixels, again.pixels)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert Plants(0, (30.0, 80.0)).into(image, 5)[0] is image
