"""The trace that a crash of the indexing process leaves, and a kill does not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amogus_search.store.crashes import MARK, crash_mark

ROOT = Path(__file__).parents[2]


def run(folder, what):
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom amogus_search.store.crashes import crash_mark\n"
        f"with crash_mark(Path(sys.argv[1])) as crashed:\n    print(crashed, flush=True)\n    {what}\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}
    done = subprocess.run(
        [sys.executable, "-c", program, folder],
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
def test_the_run_after_a_crash_knows_of_it_and_the_one_after_that_does_not(tmp_path, number):
    assert run(tmp_path, f"os.kill(os.getpid(), {int(number)})") == (-number, "False")
    assert run(tmp_path, "pass") == (0, "True")
    assert run(tmp_path, "pass") == (0, "False")


def test_a_kill_an_error_and_an_end_are_no_crashes(tmp_path):
    assert run(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)") == (-signal.SIGKILL, "False")
    assert run(tmp_path, "raise SystemExit(1)") == (1, "False")
    assert run(tmp_path, "pass") == (0, "False")
    assert not (tmp_path / MARK).exists()


def test_where_another_handler_is_at_work_it_is_left_alone(tmp_path):
    """Pytest has one of its own."""
    import faulthandler

    assert faulthandler.is_enabled()
    with crash_mark(tmp_path) as crashed:
        assert not crashed
        assert list(tmp_path.iterdir()) == []
    assert faulthandler.is_enabled()
