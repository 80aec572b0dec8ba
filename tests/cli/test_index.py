"""`amogus index`: what it prints, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

FAKES = ("--detector", "fake", "--embedder", "fake")


def test_a_folder_is_indexed_and_every_file_is_accounted_for(amogus, photos):
    done = amogus("index", photos, *FAKES)
    assert done.code == 0
    assert done.out == "5 scanned = 4 indexed + 0 unchanged + 1 skipped\n"
    assert "1 truncated" in done.err or "1 corrupt" in done.err
    assert "amogus status --skipped" in done.err


def test_the_second_run_finds_everything_done_by_the_models_of_the_first(amogus, photos):
    amogus("index", photos, *FAKES)
    done = amogus("index", photos, "--format", "json")
    assert done.code == 0
    record = json.loads(done.out)
    assert (record["indexed"], record["unchanged"], record["skipped"]) == (0, 4, 1)


def test_other_models_are_refused_and_both_sides_are_named(amogus, photos):
    amogus("index", photos, *FAKES)
    done = amogus("index", photos, "--profile", "fast")
    assert done.code == 1
    assert "balanced" in done.err
    assert "fast" in done.err
    assert "Traceback" not in done.err


def test_a_missing_folder_is_an_error_of_two_lines(amogus):
    done = amogus("index", "nowhere", *FAKES)
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    assert "nowhere" in lines[0]


def test_an_empty_folder_says_what_was_looked_for(amogus, workplace):
    (workplace / "empty").mkdir()
    done = amogus("index", "empty", *FAKES)
    assert done.code == 1
    assert "no pictures" in done.err


def test_the_default_index_is_refused_inside_the_photos(amogus, photos, monkeypatch):
    """DESIGN.md D8: nothing is written among photos unasked."""
    monkeypatch.chdir(photos)
    done = amogus("index", ".", *FAKES)
    assert done.code == 1
    assert "--index" in done.err
    assert not (photos / "index").exists()
    assert amogus("index", ".", *FAKES, "--index", "here").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_makes_the_exit_code_3(amogus, photos):
    (photos / "one.png").chmod(0)
    assert amogus("index", photos, *FAKES).code == 3


def test_a_locked_index_is_said_so_with_its_own_exit_code(amogus, photos):
    from amogus_search.store.index import Index

    amogus("index", photos, *FAKES)
    with Index.open("index/default", "w"):
        done = amogus("index", photos)
    assert done.code == 75
    assert "Traceback" not in done.err


def test_an_unknown_profile_is_a_usage_error(amogus, photos):
    done = amogus("index", photos, "--profile", "careful")
    assert done.code == 2
    assert "balanced" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_what_is_done_is_kept(number, photos, fakes, amogus):
    slow = (
        "import time, amogus_search.testing as t; look = t.FakeDetector.detect_tiles\n"
        "def slowly(self, tiles):\n    time.sleep(0.4); return look(self, tiles)\n"
        "t.FakeDetector.detect_tiles = slowly\n"
        "import sys; from amogus_search.cli.main import main\n"
        "sys.exit(main(['index', 'photos', '--detector', 'fake', '--embedder', 'fake']))"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(fakes), root])}
    process = subprocess.Popen([sys.executable, "-c", slow], env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (photos.parent / "index/default/catalog.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(number)
    started = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert time.monotonic() - started < 10
    assert "stopping" in err
    assert "Traceback" not in err
    assert amogus("index", photos).out.startswith("5 scanned")
