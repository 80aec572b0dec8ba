"""The words of conversion: which findings, which seeds, which prompts."""

import numpy as np
import pytest

from amogus_search.core.conversion import Choice, Conversion, Job, MaskOptions, Wish, chosen, filled_prompt, seed_of
from amogus_search.core.figure import Figure
from amogus_search.errors import UsageError

BOXES = np.array([(60, 0, 100, 40), (0, 50, 10, 60), (40, 40, 60, 60)], np.float32)
SCORES = np.array([0.2, 0.9, 0.5])
BOX = BOXES[0]


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        ("score", [1, 2, 0]),
        ("area", [0, 2, 1]),
        ("left-to-right", [1, 2, 0]),
        ("top-to-bottom", [0, 2, 1]),
        ("centre", [2, 0, 1]),
    ],
)
def test_findings_come_in_the_order_asked_for(order, rows):
    assert chosen(BOXES, SCORES, (100, 100), Choice(order=order)).tolist() == rows


def test_only_the_first_so_many_are_converted():
    assert chosen(BOXES, SCORES, (100, 100), Choice(top=1, order="area")).tolist() == [0]


def test_boxes_are_limited_by_their_share_of_the_picture():
    assert chosen(BOXES, SCORES, (100, 100), Choice(min_area=0.02)).tolist() == [2, 0]
    assert chosen(BOXES, SCORES, (100, 100), Choice(max_area=0.1)).tolist() == [1, 2]


def test_no_boxes_give_no_rows():
    assert chosen(np.zeros((0, 4), np.float32), np.zeros(0), (100, 100), Choice()).tolist() == []


def test_a_seed_depends_on_content_box_and_try_only():
    one = Conversion(seed=7)
    assert seed_of(one, "ab", BOX, 0) == seed_of(one, "ab", BOX + 0.2, 0)
    seeds = {
        seed_of(one, "ab", BOX, 0),
        seed_of(one, "cd", BOX, 0),
        seed_of(one, "ab", BOXES[1], 0),
        seed_of(one, "ab", BOX, 1),
        seed_of(Conversion(seed=8), "ab", BOX, 0),
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_seeds_may_be_shared_by_an_image_or_a_run():
    image, run = Conversion(seed=7, seed_per="image"), Conversion(seed=7, seed_per="run")
    assert seed_of(image, "ab", BOX, 0) == seed_of(image, "ab", BOXES[1], 0) != seed_of(image, "cd", BOX, 0)
    assert [seed_of(run, "ab", BOX, attempt) for attempt in range(3)] == [7, 8, 9]


def test_a_prompt_is_filled_in():
    evidence = {"visor": 0.9, "legs": 0.1, "red": 0.7}
    assert filled_prompt("a {color} one with {evidence}", "blue", evidence) == "a blue one with visor, red"
    assert filled_prompt("{{x}}", "blue", {}) == "{x}"


@pytest.mark.parametrize("prompt", ["{colour}", "{", "{color.__class__}", "{0}", "{}"])
def test_a_prompt_with_another_field_is_refused(prompt):
    with pytest.raises(UsageError):
        Wish(prompt=prompt)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Choice(top=0),
        lambda: Choice(min_area=0.5, max_area=0.2),
        lambda: MaskOptions(dilate=-0.5),
        lambda: MaskOptions(feather=-0.1),
        lambda: MaskOptions(kind="star"),
        lambda: Wish(strength=1.1),
        lambda: Wish(steps=0),
        lambda: Conversion(tries=0),
        lambda: Conversion(accept=2),
        lambda: Conversion(size_px=3),
        lambda: Conversion(pad=-1),
    ],
)
def test_values_that_make_no_sense_are_refused(make):
    with pytest.raises(UsageError):
        make()


def test_a_job_holds_a_crop_and_a_mask_of_its_size():
    figure = Figure({}, 1.0, np.array([0.0, -1.0]))
    crop = np.zeros((4, 5, 3), np.uint8)
    Job(crop, np.zeros((4, 5), np.float32), BOX, figure)
    with pytest.raises(ValueError, match="mask"):
        Job(crop, np.zeros((5, 4), np.float32), BOX, figure)
    with pytest.raises(ValueError, match="crop"):
        Job(crop.astype(np.float32), np.zeros((4, 5), np.float32), BOX, figure)
