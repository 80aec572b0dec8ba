from __future__ import annotations

import threading
import time

import pytest

from amogus_search.core.types import FileEntry
from amogus_search.pipeline.commits import Batch, Writer


def batch(number: int) -> Batch:
    return Batch(attached=[(FileEntry(b"/%d" % number, b"/", None), "00")])


def number_of(written: Batch) -> int:
    return int(written.attached[0][0].path[1:])


def test_batches_are_written_in_their_order_and_one_at_a_time() -> None:
    """A slow disk makes whoever hands over the next but one wait: no more than two batches are ever held."""
    under_way, most, stored = 0, 0, []

    def write(one: Batch) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        time.sleep(0.01)
        stored.append(number_of(one))
        under_way -= 1

    told: list[int] = []
    writer = Writer(write, lambda one: told.append(number_of(one)))
    for number in range(8):
        writer.hand_over(batch(number))
        assert len(stored) >= number, "the one before is durable before the next one is begun"
    writer.settle()
    writer.close()
    assert (stored, told, most) == (list(range(8)), list(range(8)), 1)


def test_writing_goes_on_in_a_thread_of_its_own() -> None:
    let_go, threads = threading.Event(), []

    def write(one: Batch) -> None:
        threads.append(threading.current_thread())
        let_go.wait(10)

    told: list[Batch] = []
    writer = Writer(write, told.append)
    writer.hand_over(batch(0))
    assert told == [], "returned while it is being written"
    let_go.set()
    writer.settle()
    writer.close()
    assert len(told) == 1
    assert threads[0] is not threading.current_thread()
    assert not threads[0].is_alive()


def test_what_could_not_be_written_is_said_once_and_to_whoever_comes_next() -> None:
    def write(one: Batch) -> None:
        raise OSError("no room")

    told: list[Batch] = []
    writer = Writer(write, told.append)
    writer.hand_over(batch(0))
    with pytest.raises(OSError, match="no room"):
        writer.hand_over(batch(1))
    writer.settle()
    writer.close()
    assert told == []
