from __future__ import annotations

import os
import struct

import pytest

from amogus_search.core.types import FileStat
from amogus_search.sources import wire

STAT = FileStat(2**64 - 1, 2**64 - 1, 5, -(2**63), 2**63 - 1)
ANSWER = wire.Answer((4, 3), (8, 6), "PNG", "00", STAT).message()


def received(body: bytes) -> dict[str, object]:
    """What `receive` makes of the bytes of one frame."""
    reading, writing = os.pipe()
    try:
        os.write(writing, struct.pack("<I", len(body)) + body)
        return wire.receive(reading, 5)
    finally:
        os.close(reading)
        os.close(writing)


def test_an_answer_with_the_largest_numbers_that_there_are_is_read_back() -> None:
    answer = wire.parse_answer(ANSWER, 100)
    assert isinstance(answer, wire.Answer)
    assert answer.stat == STAT
    assert answer.full_wh == (8, 6)


@pytest.mark.parametrize(
    "lie",
    [
        {"size_wh": [0, 3]},
        {"size_wh": [400, 3]},
        {"full_wh": [0, 3]},
        {"full_wh": [10**30, 3]},
        {"stat": [1, 1, 10**30, 0, 0]},
        {"stat": [10**30, 1, 1, 0, 0]},
        {"stat": [1, 1, 1, -(10**30), 0]},
        {"stat": [1, 1, 1]},
        {"stat": None},
    ],
    ids=str,
)
def test_an_answer_with_impossible_numbers_is_none(lie: dict[str, object]) -> None:
    with pytest.raises(wire.PeerGoneError):
        wire.parse_answer({**ANSWER, **lie}, 100)


@pytest.mark.parametrize("body", [b"[" * 60_000, b"\xff", b"", b"{"], ids=["deep", "no text", "empty", "cut"])
def test_a_frame_that_is_no_message_is_as_good_as_none(body: bytes) -> None:
    with pytest.raises(wire.PeerGoneError):
        received(body)
