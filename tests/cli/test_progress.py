import io

import pytest

from amogus_search.cli.progress import EVERY_S, ProgressDisplay, duration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_time_spans_read_like_speech(seconds, words):
    assert duration(seconds) == words


def test_a_log_file_gets_a_line_every_few_seconds_with_rate_and_time_left():
    clock, stream = Clock(), io.StringIO()
    with ProgressDisplay(stream=stream, clock=clock) as progress:
        progress("indexing", 0, 100)
        clock.now += EVERY_S / 2
        progress("indexing", 10, 100)
        assert stream.getvalue() == ""
        clock.now += EVERY_S / 2
        progress("indexing", 20, 100, skipped=3)
    assert stream.getvalue() == "indexing: 20/100, 4.0 a second, 20 s left, 3 skipped\n"


def test_what_was_done_before_does_not_count_as_speed():
    """A resumed run begins at 900 of 1000; its rate is that of the pictures it looked at itself."""
    clock, stream = Clock(), io.StringIO()
    with ProgressDisplay(stream=stream, clock=clock) as progress:
        progress("indexing", 900, 1000)
        clock.now += 10
        progress("indexing", 910, 1000)
    assert stream.getvalue() == "indexing: 910/1000, 1.0 a second, 1 min 30 s left\n"


def test_messages_are_shown_at_once_and_nothing_at_all_when_quiet():
    loud, quiet = io.StringIO(), io.StringIO()
    with ProgressDisplay(stream=loud) as one, ProgressDisplay(stream=quiet, quiet=True) as other:
        for progress in (one, other):
            progress("scanning", 1, None, message="a folder cannot be read")
    assert (loud.getvalue(), quiet.getvalue()) == ("a folder cannot be read\n", "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end():
    stream = Terminal()
    with ProgressDisplay(stream=stream) as progress:
        progress("indexing", 1, 4)
        progress("indexing", 4, 4, message="note")
    assert "note" in stream.getvalue()
