from __future__ import annotations

import pytest

from amogus_search.pipeline.waiting import ChangedPaths
from amogus_search.settings import WatchSettings

SETTINGS = WatchSettings(quiet_s=1.0, longest_s=10.0, rescan_s=100.0, again_s=20.0, many=5)


@pytest.fixture
def waiting() -> ChangedPaths:
    return ChangedPaths(SETTINGS)


def test_a_path_is_due_once_and_only_when_it_is_quiet(waiting: ChangedPaths) -> None:
    waiting.add([b"/a"], 0.0)
    waiting.add([b"/a"], 0.8)
    assert waiting.due(1.5) is None
    assert waiting.due(1.8) == [b"/a"]
    assert waiting.due(9.0) is None


def test_what_never_comes_to_rest_is_taken_after_a_while(waiting: ChangedPaths) -> None:
    for tenths in range(110):
        waiting.add([b"/a"], tenths / 10)
    assert waiting.due(11.0) == [b"/a"]


def test_a_folder_waits_for_what_is_being_written_in_it(waiting: ChangedPaths) -> None:
    waiting.add([b"/new", b"/other"], 0.0)
    waiting.add([b"/new/a"], 1.5)
    assert waiting.due(1.6) == [b"/other"]
    assert waiting.due(2.5) == [b"/new"]


def test_what_lies_in_a_due_folder_is_not_looked_at_twice(waiting: ChangedPaths) -> None:
    waiting.add([b"/a/b/c", b"/a", b"/ab"], 0.0)
    assert waiting.due(1.0) == [b"/a", b"/ab"]


def test_many_paths_are_one_look_at_everything(waiting: ChangedPaths) -> None:
    waiting.add([b"/%d" % number for number in range(5)], 0.0)
    assert waiting.due(0.5) is None
    assert waiting.due(1.0) == []
    assert waiting.due(2.0) is None


def test_what_is_still_being_written_is_looked_at_again_after_everything_was(waiting: ChangedPaths) -> None:
    waiting.look_through_all(0.0)
    waiting.add([b"/a"], 0.2)
    waiting.add([b"/b"], 0.9)
    assert waiting.due(1.3) == []
    assert waiting.due(2.0) == [b"/b"]


def test_everything_is_looked_at_from_time_to_time_and_often_without_events(waiting: ChangedPaths) -> None:
    waiting.whole_done(50.0)
    assert waiting.due(149.0) is None
    assert waiting.due(150.0) == []
    waiting.whole_done(150.0)
    waiting.often = True
    assert waiting.due(170.0) == []


def test_what_could_not_be_done_is_due_again_later(waiting: ChangedPaths) -> None:
    waiting.add([b"/a"], 0.0)
    assert waiting.due(1.0) == [b"/a"]
    waiting.put_back([b"/a"], 3.0)
    assert waiting.due(2.0) is None
    assert waiting.due(3.0) == [b"/a"]
    waiting.put_back([], 5.0)
    assert waiting.due(4.0) is None
    assert waiting.due(5.0) == []
