"""Errors become words and exit codes in one place; a bug keeps its traceback."""

import json
import os
import subprocess
import sys

import pytest
from typer.main import get_command

from amogus_search import __version__
from amogus_search.cli import main as program
from amogus_search.errors import AmogusError, IndexLockedError


def test_the_version_is_printed(amogus):
    assert amogus("--version").out == f"amogus {__version__}\n"


def test_an_unknown_command_is_a_usage_error_with_the_closest_one(amogus):
    done = amogus("qurey")
    assert done.code == 2
    assert "query" in done.err


def test_only_the_command_that_is_asked_for_is_put_together():
    """The others cost a question as much as answering it."""
    code = (
        "import sys; from amogus_search.cli.main import main; main(['--verbose', 'query', '--help'])\n"
        "import json\nnames = sorted(name for name in sys.modules if name.startswith('amogus_search.cli.'))\n"
        "print(json.dumps(names), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Rank what is in an index" in done.stdout
    assert json.loads(done.stderr) == [
        f"amogus_search.cli.{name}" for name in ("main", "parameters", "query", "refusals")
    ]


def test_every_command_is_known_by_its_own_name():
    """The table in `main` says where a command lies; a command alone must be the one that the help lists."""
    everything = get_command(program.program())
    for name in everything.commands:
        alone = get_command(program.program([name]))
        assert list(alone.commands) == [name]


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (AmogusError("broken", "mend it"), 1, ["error: broken", "hint: mend it"]),
        (IndexLockedError("busy"), 75, ["error: busy"]),
    ],
)
def test_an_error_is_two_lines_and_its_exit_code(amogus, monkeypatch, error, code, lines):
    def fail(**_):
        raise error

    monkeypatch.setattr(program, "program", lambda words: fail)
    done = amogus("query")
    assert (done.code, done.out, done.err.splitlines()) == (code, "", lines)


def test_a_bug_shows_its_traceback(monkeypatch):
    def fail(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(program, "program", lambda words: fail)
    with pytest.raises(ZeroDivisionError):
        program.main([])


def test_a_reader_that_goes_away_early_is_no_error(indexed, fakes):
    """`amogus query | head -1` must end quietly."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(fakes), root]), "AMOGUS_INDEX": str(indexed)}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "amogus_search", "query", "--format", "jsonl"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
