"""`amogus index --watch`: its lines, its records and its end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("watchfiles")

START = "import sys; from amogus_search.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def watching(photos, fakes, workplace):
    """Starts `amogus index photos --watch` in a process of its own; its stderr goes into a file."""
    started = []

    def start(*words):
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(fakes), root])}
        command = [sys.executable, "-c", START, "index", str(photos), "--detector", "fake", "--embedder", "fake"]
        with (workplace / "err").open("wb") as err, (workplace / "out").open("wb") as out:
            process = subprocess.Popen([*command, "--watch", *words], env=environment, stderr=err, stdout=out)
        started.append(process)
        until(lambda: "watching" in (workplace / "err").read_text())
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_with_130(watching, workplace, number):
    process = watching()
    process.send_signal(number)
    assert process.wait(10) == 130
    assert "Traceback" not in (workplace / "err").read_text()
    assert (workplace / "out").read_text() == "5 scanned = 4 indexed + 0 unchanged + 1 skipped\n"


def test_each_run_is_one_line_and_a_record_and_others_may_write_between(watching, workplace, photos, amogus):
    process = watching("--format", "jsonl")
    (photos / "one.png").unlink()
    Image.new("RGB", (50, 50), (9, 9, 9)).save(photos / "new.png")
    until(lambda: (workplace / "out").read_text().count("\n") >= 2)
    assert amogus("index", photos).out == "5 scanned = 0 indexed + 4 unchanged + 1 skipped\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    records = [json.loads(line) for line in (workplace / "out").read_text().splitlines()]
    assert (records[0]["scanned"], records[0]["indexed"]) == (5, 4)
    assert sum(record["indexed"] for record in records[1:]) == 1
    assert sum(record["removed"] for record in records) == 1
    err = (workplace / "err").read_text()
    assert "added, 0 changed, 1 removed" in err or "0 changed, 1 removed" in err


def test_an_index_that_is_locked_at_the_start_is_refused_as_ever(amogus, photos):
    from amogus_search.store.index import Index

    amogus("index", photos, "--detector", "fake", "--embedder", "fake")
    with Index.open("index/default", "w"):
        assert amogus("index", photos, "--watch").code == 75


def test_without_watchfiles_the_extra_is_named(amogus, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    done = amogus("index", photos, "--watch", "--detector", "fake", "--embedder", "fake")
    assert done.code == 1
    assert 'pip install "amogus_search[watch]"' in done.err
