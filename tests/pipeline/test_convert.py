"""Pictures are changed where the masks say and nowhere else, in batches, judged and tried again."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amogus_search.core.conversion import MASKS, Conversion, MaskOptions, Wish
from amogus_search.errors import BackendGoneError, ConversionError
from amogus_search.pipeline.conversion_crops import Target, job_of, laid_in, spot_of
from amogus_search.pipeline.convert import Converted, Failed, Request, convert_images, plan
from amogus_search.synth.fitting import fit_crewmate, fit_person
from amogus_search.testing import FakeConverter

BOX = np.array([40, 30, 70, 70], np.float32)


def picture(seed=0, size=(120, 160)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)


def request(*boxes, seed=0):
    targets = tuple(Target(np.array(box, np.float32)) for box in boxes)
    return Request(picture(seed), f"sha{seed}", targets)


def converted(requests, converter=None, conversion=None, judge=None):
    return list(
        convert_images(requests, converter or FakeConverter(), fit_crewmate, conversion or Conversion(), judge=judge)
    )


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(MASKS),
    st.tuples(st.integers(-10, 150), st.integers(-10, 110), st.integers(1, 170), st.integers(1, 130)),
    st.sampled_from([None, 64]),
    st.floats(-0.2, 0.3),
    st.floats(0, 0.3),
)
def test_every_pixel_outside_mask_and_feather_is_identical(kind, box, side, dilate, feather):
    x, y, width, height = box
    asked = request((x, y, x + width, y + height))
    conversion = Conversion(mask=MaskOptions(kind, dilate, feather), accept=None)
    (answer,) = converted([asked], FakeConverter(side), conversion)
    differs = (answer.pixels != asked.pixels).any(axis=2)
    assert not (differs & (answer.mask == 0)).any()
    assert (answer.mask > 0).any() or dilate < 0 or side


def test_a_picture_without_targets_comes_back_as_it_is():
    asked = request()
    (answer,) = converted([asked])
    assert answer.pixels is asked.pixels
    assert answer.changes == ()


def test_the_request_is_not_changed():
    asked = request(BOX)
    before = asked.pixels.copy()
    converted([asked])
    np.testing.assert_array_equal(asked.pixels, before)


def test_answers_come_in_order_whatever_the_batch_and_however_many_at_once():
    asked = [request(*[BOX + 3 * i] * (i % 3), seed=i) for i in range(7)]
    plain = converted(asked, FakeConverter(batch=1))
    for converter in (FakeConverter(batch=3), FakeConverter(batch=2, parallel=4)):
        for one, other in zip(plain, converted(asked, converter), strict=True):
            np.testing.assert_array_equal(one.pixels, other.pixels)


def test_spots_of_several_pictures_share_a_batch():
    seen = []

    class Counting(FakeConverter):
        def convert(self, jobs):
            seen.append(len(jobs))
            return super().convert(jobs)

    converted([request(BOX, seed=i) for i in range(4)], Counting(batch=4))
    assert seen == [4]


def test_a_back_end_that_bears_it_is_asked_from_several_threads_at_once():
    meeting = threading.Barrier(2, timeout=20)

    class Meeting(FakeConverter):
        def convert(self, jobs):
            meeting.wait()
            return super().convert(jobs)

    answers = converted([request(BOX, seed=i) for i in range(2)], Meeting(batch=1, parallel=2))
    assert [len(answer.changes) for answer in answers] == [1, 1]
    assert not meeting.broken


def test_overlapping_spots_see_what_the_one_before_became():
    converter = FakeConverter(batch=8)
    (answer,) = converted([request(BOX, BOX + 10)], converter)
    assert len(answer.changes) == 2
    np.testing.assert_array_equal(answer.changes[1].spot.crop[22:26, 22:26, 1], 0)


def test_below_what_is_accepted_the_next_seed_is_tried_and_the_best_is_kept():
    scores = iter([0.1, 0.3, 0.45, 0.2])
    conversion = Conversion(accept=0.5, tries=3)
    (answer,) = converted([request(BOX)], None, conversion, lambda crops, boxes: [next(scores)])
    (change,) = answer.changes
    assert change.before == 0.1
    assert [one.score for one in change.tries] == [0.3, 0.45, 0.2]
    assert (change.best, change.accepted) == (1, False)
    left, top, right, bottom = change.spot.window
    np.testing.assert_array_equal(answer.pixels[top:bottom, left:right], change.after)
    assert answer.pixels[50, 55, 0] == 255 - change.tries[1].seed % 50


def test_what_is_accepted_is_not_tried_again():
    scores = iter([0.1, 0.3, 0.6])
    (answer,) = converted([request(BOX)], None, Conversion(tries=5), lambda crops, boxes: [next(scores)])
    assert (len(answer.changes[0].tries), answer.changes[0].best, answer.changes[0].accepted) == (2, 1, True)


def test_without_a_judge_the_first_try_counts():
    converter = FakeConverter()
    (answer,) = converted([request(BOX)], converter, Conversion(tries=4))
    assert answer.changes[0].accepted
    assert len(converter.jobs_seen) == 1


def test_a_job_that_fails_costs_its_picture_and_no_other():
    def fails(job):
        return ConversionError("too odd") if job.crop[0, 0, 0] == bad else None

    asked = [request(BOX, seed=i) for i in range(3)]
    bad = spot_of(asked[1].pixels, asked[1].targets[0], Conversion(), fit_crewmate, 0).crop[0, 0, 0]
    answers = converted(asked, FakeConverter(batch=3, fails=fails))
    assert [type(answer) for answer in answers] == [Converted, Failed, Converted]
    assert "too odd" in str(answers[1].error)


def test_whatever_a_back_end_raises_is_that_pictures_failure():
    def fails(job):
        raise RuntimeError("out of memory")

    (answer,) = converted([request(BOX)], FakeConverter(fails=fails))
    assert "RuntimeError: out of memory" in answer.error.problem


def test_pictures_of_another_size_are_refused():
    class Wrong(FakeConverter):
        def convert(self, jobs):
            return [job.crop[:-1] for job in jobs]

    assert isinstance(converted([request(BOX)], Wrong())[0], Failed)


def test_when_a_back_end_is_gone_the_run_ends_and_what_came_out_before_is_whole():
    def fails(job):
        return BackendGoneError("the server is gone") if len(converter.jobs_seen) > 2 else None

    converter = FakeConverter(batch=1, fails=fails)
    answers = convert_images([request(BOX, seed=i) for i in range(4)], converter, fit_crewmate, Conversion())
    assert [type(next(answers)) for _ in range(2)] == [Converted, Converted]
    with pytest.raises(BackendGoneError):
        next(answers)


@pytest.mark.parametrize("box", [BOX, (0, 0, 30, 118), (150, 100, 400, 300), (5, 5, 6, 6)])
def test_a_back_end_of_one_size_gets_squares_with_everything_in_place(box):
    conversion = Conversion()
    spot = spot_of(
        picture(), Target(np.array(box, np.float32), {"head": (50.0, 40.0, 0.9)}), conversion, fit_crewmate, 0
    )
    job = job_of(spot, conversion, 96, 5)
    assert job.crop.shape == (96, 96, 3)
    assert job.mask.shape == (96, 96)
    assert 0 <= job.mask.min() <= job.mask.max() <= 1
    factor = 96 / max(spot.crop.shape[:2])
    assert job.box_xyxy[2] - job.box_xyxy[0] == pytest.approx(factor * (box[2] - box[0]), abs=1)
    assert job.figure.height_px == pytest.approx(factor * spot.figure.height_px)
    # what the back end leaves alone comes back nearly as it was, and exactly so outside of the mask
    back = laid_in(spot, job.crop, conversion, 96)
    np.testing.assert_array_equal(back[spot.mask == 0], spot.crop[spot.mask == 0])


def test_a_job_says_what_was_asked_for():
    conversion = Conversion(wish=Wish(prompt="{color}: {evidence}", colour=(190, 10, 10), strength=0.3, steps=7))
    target = Target(BOX, evidence={"visor": 0.9, "legs": 0.1})
    job = job_of(spot_of(picture(), target, conversion, fit_crewmate, 0), conversion, None, 9)
    assert (job.prompt, job.colour, job.strength, job.steps, job.seed) == ("red: visor", (190, 10, 10), 0.3, 7, 9)


def test_a_person_keeps_the_colour_of_its_clothes_whatever_was_painted_before():
    original, now = np.full((200, 160, 3), (90, 140, 60), np.uint8), np.full((200, 160, 3), 250, np.uint8)
    original[20:180, 60:100] = (20, 30, 120)
    target, person = Target(np.array((55, 20, 105, 180), np.float32)), Conversion(target="person")
    spot = spot_of(now, target, person, fit_person, 0, original=original)
    assert (spot.colour, spot.colour_name) == ((20, 30, 120), "blue")
    assert job_of(spot, person, None, 0).colour == (20, 30, 120)
    asked = Conversion(target="person", wish=Wish(colour=(190, 10, 10)))
    assert spot_of(now, target, asked, fit_person, 0, original=original).colour == (190, 10, 10)
    assert spot_of(now, target, Conversion(), fit_crewmate, 0, original=original).colour is None


def test_a_person_that_the_picture_cuts_off_becomes_a_giant_that_it_cuts_off():
    target = Target(np.array((30, 40, 110, 119), np.float32))
    whole, bust = (
        spot_of(picture(), target, Conversion(target=kind), fit, 0).figure
        for kind, fit in (("box", fit_crewmate), ("person", fit_person))
    )
    assert whole.height_px < 85
    assert bust.height_px > 110


def test_a_plan_shows_crops_and_masks():
    (spot,) = plan(request(BOX), fit_crewmate, Conversion())
    assert spot.mask.shape == spot.crop.shape[:2]
    assert spot.mask.max() == 1
