from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest

from amogus_search.pipeline.ahead import Ahead, Put


def counting(to: int, size: int = 0) -> Callable[[Put[int]], None]:
    def produce(put: Put[int]) -> None:
        for number in range(to):
            put(number, size)

    return produce


def test_results_come_in_their_order_whoever_is_slower() -> None:
    rng = random.Random(3)

    def produce(put: Put[int]) -> None:
        for number in range(60):
            time.sleep(rng.choice([0, 0, 0.002]))
            put(number)

    taken = []
    with Ahead[int](produce, most=3, most_bytes=100) as results:
        for number in results:
            time.sleep(rng.choice([0, 0, 0.002]))
            taken.append(number)
    assert taken == list(range(60))


@pytest.mark.parametrize(("most", "most_bytes", "ahead"), [(3, 10**9, 3), (100, 50, 5), (100, 5, 1)])
def test_no_more_lies_ahead_than_may_in_number_and_in_bytes(most: int, most_bytes: int, ahead: int) -> None:
    """A taker that sleeps finds as much as may lie there; one result may always, however large."""
    begun: list[int] = []

    def produce(put: Put[int]) -> None:
        for number in range(30):
            begun.append(number)
            put(number, 10)

    with Ahead[int](produce, most=most, most_bytes=most_bytes) as results:
        for number in results:
            time.sleep(0.005)
            assert len(begun) <= number + 1 + ahead + 1  # taken, lying there, and the one that waits for room
    assert len(begun) == 30


def test_an_error_comes_out_behind_the_results_before_it() -> None:
    def produce(put: Put[int]) -> None:
        put(1)
        put(2)
        raise ValueError("the third")

    with Ahead[int](produce, most=9, most_bytes=9) as ahead:
        results = iter(ahead)
        assert [next(results), next(results)] == [1, 2]
        with pytest.raises(ValueError, match="the third"):
            next(results)


def test_the_thread_ends_when_nobody_takes_any_more() -> None:
    closed = threading.Event()

    def produce(put: Put[int]) -> None:
        try:
            counting(10**9)(put)
        finally:
            closed.set()

    before = threading.active_count()
    with Ahead[int](produce, most=2, most_bytes=9) as results:
        for number in results:
            if number == 5:
                break
    assert closed.is_set()
    assert threading.active_count() == before


def test_a_thread_that_hangs_does_not_keep_the_end_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amogus_search.pipeline.ahead._PATIENCE_S", 0.05)
    let_go = threading.Event()

    def produce(put: Put[int]) -> None:
        put(1)
        let_go.wait(30)
        put(2)

    began = time.monotonic()
    with Ahead[int](produce, most=2, most_bytes=9) as results:
        assert next(iter(results)) == 1
    assert time.monotonic() - began < 5
    let_go.set()
