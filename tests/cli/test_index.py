"""`amogus index`: what it prints, and what it refuses."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from amogus_search.testing import FakeEmbedder

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


def test_a_file_that_may_not_be_read_makes_the_exit_code_3(powerless, photos, fakes):
    (photos / "one.png").chmod(0)
    done = powerless("-m", "amogus_search", "index", photos, *FAKES, python_path=[fakes])
    assert done.returncode == 3, done.stderr
    assert b"1 permission" in done.stderr


def test_pictures_in_a_folder_that_may_not_be_entered_any_more_stay_in_the_index(powerless, amogus, photos, fakes):
    amogus("index", photos, *FAKES)
    before = amogus("status", "--format", "json").out
    photos.chmod(0o644)
    try:
        done = powerless("-m", "amogus_search", "index", photos, "--format", "json", python_path=[fakes])
    finally:
        photos.chmod(0o755)
    assert done.returncode == 3, done.stderr
    record = json.loads(done.stdout)
    assert (record["scanned"], record["unchanged"], record["skipped"], record["kept"]) == (5, 0, 5, 4)
    assert b"4 known pictures cannot be read now; they count as skipped, are kept" in done.stderr
    assert json.loads(amogus("status", "--format", "json").out)["indexed"] == json.loads(before)["indexed"] == 4
    assert amogus("verify").code == 0
    again = json.loads(amogus("index", photos, "--format", "json").out)
    assert (again["unchanged"], again["indexed"], again["skipped"]) == (4, 0, 1)


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


TWO_EMBEDDERS = """
from amogus_search.testing import FakeDetector, FakeEmbedder
detectors = []

class Counted(FakeDetector):
    name = "counted"

class Other(FakeEmbedder):
    name = "other"

def detector(argument):
    detectors.append(Counted())
    return detectors[-1]

def embedder(argument):
    return FakeEmbedder()

def other(argument):
    return Other(24, fingerprint="other-embedder-" + (argument or "1"))
"""


@pytest.fixture
def two_embedders(tmp_path_factory, monkeypatch, fakes):
    """`--embedder other` beside `fake`; the module counts what detectors see."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "amogus_two_embedders.py").write_text(TWO_EMBEDDERS)
    info = folder / "amogus_two_embedders-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: amogus-two-embedders\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[amogus_search.plugins]\ndetector.counted = amogus_two_embedders:detector\n"
        "embedder.other = amogus_two_embedders:other\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("amogus_two_embedders")


def test_another_embedder_makes_new_vectors_and_the_detector_does_not_run(amogus, photos, two_embedders):
    made = ("--detector", "counted")
    assert amogus("index", photos, *made, "--embedder", "fake").code == 0
    assert two_embedders.detectors[-1].tiles_seen > 0
    found = json.loads(amogus("query", "--format", "json").out)
    done = amogus("index", photos, "--embedder", "other", "--format", "json")
    assert done.code == 0, done.err
    assert two_embedders.detectors[-1].tiles_seen == 0
    assert "the index has vectors of fake: embedding its 7 regions of 4 pictures anew by other" in done.err
    assert "the detector does not run" in done.err
    record = json.loads(done.out)
    assert (record["reembedded"], record["indexed"], record["unchanged"]) == (7, 0, 4)
    assert json.loads(amogus("query", "--format", "json").out) == found
    assert amogus("query", "red").code == 0
    assert "other" in amogus("status").out
    assert amogus("verify").code == 0
    again = amogus("index", photos, "--embedder", "other", "--format", "json")
    assert json.loads(again.out)["reembedded"] == 0


def test_an_embedder_that_changed_under_its_name_is_exchanged_only_when_named(amogus, photos, two_embedders):
    """An update must not make a plain run start hours of work unasked."""
    amogus("index", photos, "--detector", "counted", "--embedder", "other:1")
    module = two_embedders
    module.Other.__init__ = lambda self, dimension, fingerprint: FakeEmbedder.__init__(self, 24, fingerprint="newer")
    refused = amogus("index", photos)
    assert refused.code == 1
    assert "other-embedder-1" in refused.err
    assert "newer" in refused.err
    assert "--embedder other" in refused.err
    query = amogus("query", "red")
    assert query.code == 1
    assert "amogus index PATH --embedder other" in query.err
    assert amogus("index", photos, "--embedder", "other").code == 0
    assert amogus("query", "red").code == 0


def test_a_stopped_exchange_is_told_gone_on_with_or_given_up(amogus, photos, two_embedders, monkeypatch):
    from amogus_search.cli.stopping import StopRequest

    amogus("index", photos, "--detector", "counted", "--embedder", "fake")
    with monkeypatch.context() as patched:
        answers = iter([False, False])
        patched.setattr(StopRequest, "wanted", lambda self: next(answers, True))
        stopped = amogus("index", photos, "--embedder", "other")
    assert stopped.code == 130
    assert "2 of 4 pictures have new vectors" in stopped.err
    assert "2 of 4 pictures by other" in amogus("status").out
    plain = amogus("index", photos)
    assert plain.code == 0
    assert "go on with --embedder other" in plain.err
    assert amogus("query", "red").code == 0
    given_up = amogus("index", photos, "--embedder", "fake")
    assert "was given up" in given_up.err
    assert "reembedding" not in amogus("status").out
