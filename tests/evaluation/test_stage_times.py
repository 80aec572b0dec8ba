from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from amogus_search.evaluation.stage_times import StageTimes


class Work:
    def outer(self) -> None:
        time.sleep(0.02)
        self.inner()

    def inner(self) -> None:
        time.sleep(0.05)

    def steps(self) -> Iterator[int]:
        for number in range(3):
            time.sleep(0.01)
            yield number

    @classmethod
    def made(cls) -> Work:
        return cls()


STAGES = {"outer": ((Work, "outer"),), "+inner": ((Work, "inner"),), "steps": ((Work, "steps"),)}


def test_a_stage_is_counted_without_the_stages_inside_it() -> None:
    clocks = StageTimes()
    with clocks.on(STAGES):
        Work().outer()
    assert clocks.seconds("outer") == pytest.approx(0.02, abs=0.015)
    assert 0.05 <= clocks.seconds("outer: inner") < 0.09


def test_of_a_generator_only_its_own_steps_are_counted() -> None:
    clocks = StageTimes()
    with clocks.on(STAGES):
        for _ in Work().steps():
            time.sleep(0.05)
    assert 0.03 <= clocks.seconds("steps") < 0.1


def test_threads_are_counted_apart() -> None:
    clocks = StageTimes()
    with clocks.on(STAGES):
        threads = [threading.Thread(target=Work().inner, name=name) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {("a", "inner"), ("b", "inner")} <= set(clocks.table)
    assert clocks.seconds("inner") >= 0.1


def test_everything_is_as_it_was_afterwards_also_behind_an_error() -> None:
    before = dict(vars(Work))
    one = SimpleNamespace(run=len)
    with StageTimes().on({**STAGES, "run": ((one, "run"),)}):
        assert one.run([1, 2]) == 2
        assert dict(vars(Work)) != before
    assert dict(vars(Work)) == before
    assert one.run is len
    with pytest.raises(AttributeError), StageTimes().on({**STAGES, "gone": ((Work, "gone"),)}):
        pass
    assert dict(vars(Work)) == before


def test_a_class_method_still_gets_its_class() -> None:
    with StageTimes().on({"made": ((Work, "made"),)}):
        assert isinstance(Work.made(), Work)
