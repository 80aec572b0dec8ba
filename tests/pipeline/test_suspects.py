"""Pictures that kill: in the decoder, or the process of the models itself."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import FileEntry
from amogus_search.errors import AmogusError, IdentityMismatchError
from amogus_search.pipeline.index import Models, index_images
from amogus_search.pipeline.suspects import Suspects, judge
from amogus_search.settings import PROFILES, DecodeSettings, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.worker import POISON_VARIABLE
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

ROOT = Path(__file__).parents[2]
NOT_RACY = IndexSettings(racy_ns=-(10**18), commit_images=4)
PROGRAM = """
import os, signal, sys
from pathlib import Path
import numpy as np
from amogus_search.pipeline.index import Models, index_images
from amogus_search.settings import PROFILES, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store.crashes import crash_mark
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

photos, folder, number, retry = sys.argv[1:]

class Deadly(FakeDetector):
    def detect_tiles(self, tiles):
        if ((tiles[..., 1] == 255) & (tiles[..., 0] == 0)).any():
            os.kill(os.getpid(), int(number))
        return super().detect_tiles(tiles)

identity = {"detector": "deadly", "embedder": "fake"}
settings = IndexSettings(racy_ns=-(10**18), commit_images=4)
with (
    DecodePool() as pool,
    Index.open(folder, "w", create=True, identity=identity, motif=RED_BOX) as index,
    crash_mark(Path(folder)) as crashed,
):
    models = Models(Deadly(), FakeEmbedder(), PROFILES["fast"])
    report = index_images(
        [FolderSource([photos])], pool, models, index,
        settings=settings, crashed=crashed, retry_skipped=retry == "retry",
    )
    print(report.scanned, report.indexed, report.unchanged, report.skipped, dict(report.reasons))
"""


def draw(path, number, colour=(255, 0, 0)):
    pixels = np.full((90, 120, 3), 40 + number, np.uint8)
    pixels[20:40, 10 + number : 30 + number] = colour
    Image.fromarray(pixels).save(path)


def run(photos, folder, number=signal.SIGSEGV, retry=""):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, photos, folder, str(int(number)), retry],
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        draw(folder / f"{number:02}.png", number)
    return folder


def test_a_picture_that_crashes_the_models_costs_two_runs_and_is_given_up(photos, tmp_path):
    """The first run dies with all of them under way, the second one with this alone; the third one does without it."""
    draw(photos / "05-deadly.png", 50, (0, 255, 0))
    index = tmp_path / "index"
    assert run(photos, index).returncode == -signal.SIGSEGV
    assert run(photos, index).returncode == -signal.SIGSEGV
    done = run(photos, index)
    assert done.returncode == 0, done.stderr
    with Index.open(index) as opened:
        ((path, reason, detail),) = opened.skipped()
        assert (os.path.basename(path), reason) == (b"05-deadly.png", "decoder_crash")
        assert "2 times" in detail
        assert opened.counts()["indexed"] == 12
        assert opened.in_flight() == {}
        assert opened.verify() == []
    (photos / "05-deadly.png").rename(photos / "99-renamed.png")
    assert run(photos, index).returncode == 0, "known by its content"
    assert run(photos, index, retry="retry").returncode == -signal.SIGSEGV, "tried again when asked"


@pytest.mark.slow
def test_a_run_killed_twice_from_outside_condemns_nobody(photos, tmp_path):
    """A kill says nothing of a picture: only many in a row, all with the same picture alone, count as a crash."""
    draw(photos / "05-deadly.png", 50, (0, 255, 0))
    index = tmp_path / "index"
    for _ in range(2):
        assert run(photos, index, signal.SIGKILL).returncode == -signal.SIGKILL
    (photos / "05-deadly.png").rename(tmp_path / "away.png")
    draw(photos / "05-deadly.png", 50)
    done = run(photos, index)
    assert done.returncode == 0
    with Index.open(index) as opened:
        assert opened.counts()["indexed"] == 13


@pytest.mark.slow
def test_a_picture_for_which_the_system_kills_the_run_is_given_up_in_the_end(photos, tmp_path):
    """An out-of-memory killer leaves no trace, so that it takes many more runs."""
    draw(photos / "05-deadly.png", 50, (0, 255, 0))
    codes = [run(photos, tmp_path / "index", signal.SIGKILL).returncode for _ in range(23)]
    assert codes.count(-signal.SIGKILL) <= 21
    assert codes[-1] == 0
    with Index.open(tmp_path / "index") as opened:
        assert opened.counts()["indexed"] == 12


class Refusing(FakeDetector):
    """Fails over a green picture as it is told to."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def detect_tiles(self, tiles):
        if self.error is not None and ((tiles[..., 1] == 255) & (tiles[..., 0] == 0)).any():
            raise self.error
        return super().detect_tiles(tiles)


def run_here(photos, folder, pool, error=None):
    with Index.open(folder, "w", create=True, identity={"detector": "d", "embedder": "fake"}, motif=RED_BOX) as index:
        models = Models(Refusing(error), FakeEmbedder(), PROFILES["fast"])
        return index_images([FolderSource([photos])], pool, models, index, settings=NOT_RACY)


@pytest.mark.parametrize("error", [AmogusError("no room"), OSError(28, "full"), KeyboardInterrupt()], ids=repr)
def test_a_run_that_ended_in_an_error_or_was_interrupted_did_not_die(error, photos, tmp_path):
    """However often a disk is full: no picture has a part in it."""
    for path in sorted(photos.iterdir())[1:]:
        path.unlink()
    draw(photos / "00.png", 0, (0, 255, 0))
    with DecodePool() as pool:
        for _ in range(25):
            with suppress(type(error)):
                run_here(photos, tmp_path / "index", pool, error)
        with Index.open(tmp_path / "index") as index:
            assert index.in_flight() == {}
        assert run_here(photos, tmp_path / "index", pool).indexed == 1


def test_deaths_of_before_are_not_forgotten_by_a_run_that_ends_in_an_error(photos, tmp_path):
    index = tmp_path / "index"
    draw(photos / "05-deadly.png", 50, (0, 255, 0))
    assert run(photos, index).returncode == -signal.SIGSEGV
    with Index.open(index) as opened:
        before = opened.in_flight()
    assert before
    with DecodePool() as pool, pytest.raises(IdentityMismatchError):
        run_here(photos, index, pool)
    models = Models(Refusing(AmogusError("no room")), FakeEmbedder(), PROFILES["fast"])
    with DecodePool() as pool, Index.open(index, "w") as opened, pytest.raises(AmogusError, match="no room"):
        index_images([FolderSource([photos])], pool, models, opened, settings=NOT_RACY)
    with Index.open(index) as opened:
        assert opened.in_flight() == before


def test_a_picture_over_which_a_model_fails_again_and_again_is_given_up_in_the_end(photos, tmp_path):
    """An error that nobody foresaw counts as a death, or one picture would stop all runs."""
    draw(photos / "05-deadly.png", 50, (0, 255, 0))
    done = None
    with DecodePool() as pool:
        for _ in range(30):
            with suppress(RuntimeError):
                done = run_here(photos, tmp_path / "index", pool, RuntimeError("a bug"))
                break
    assert done is not None
    assert done.reasons == {"decoder_crash": 1}
    with Index.open(tmp_path / "index") as index:
        assert index.counts()["indexed"] == 12


def test_what_follows_from_the_list_of_a_dead_run():
    some = {b"a": 1, b"b": 1}
    assert judge({}, crashed=True) == Suspects()
    assert judge(some, crashed=False) == Suspects()
    assert judge(some, crashed=True) == Suspects(some)
    assert judge({b"a": 1}, crashed=True) == Suspects({b"a": 1})
    assert judge({b"a": 2}, crashed=True).condemned == {b"a": 2}
    assert judge({b"a": 2}, crashed=False) == Suspects()
    assert judge({b"a": 3, b"b": 1}, crashed=False) == Suspects({b"a": 3})
    assert judge({b"a": 20}, crashed=False) == Suspects({b"a": 20})
    assert judge({b"a": 21}, crashed=False).condemned == {b"a": 21}


class Counting:
    """A decoder that counts the files it is given."""

    def __init__(self, pool):
        self.pool, self.version, self.asked = pool, pool.version, []

    def decode(self, entries):
        def counted():
            for entry in entries:
                self.asked.append(os.path.basename(entry.path))
                yield entry

        return self.pool.decode(counted())

    def digest(self, entry):
        return self.pool.digest(entry)


ACTIONS = {
    "segfault": "decoder_crash",
    "abort": "decoder_crash",
    "exit": "decoder_crash",
    "memory": "out_of_memory",
    "hang": "timeout",
}


def poisoned(folder, count, monkeypatch, actions=ACTIONS):
    """Good pictures, with a file for each way of killing a decoder among every `count` of them; path -> reason."""
    expected, words = {}, []
    for place, (action, reason) in enumerate(actions.items()):
        for number in range(count):
            name = f"{number:03}-{action}.png"
            draw(folder / name, 20 + number, (0, 0, 60 + place * 30))
            words.append(f"{action}={name}")
            expected[os.fsencode(folder / name)] = reason
    monkeypatch.setenv(POISON_VARIABLE, ",".join(words))
    return expected


def index_all(folder, index, reader, **options):
    models = Models(FakeDetector(), FakeEmbedder(), PROFILES["fast"])
    return index_images([FolderSource([folder])], reader, models, index, settings=NOT_RACY, **options)


def test_what_kills_a_decoder_is_skipped_with_its_reason_and_the_rest_is_indexed(
    photos, tmp_path, monkeypatch, many, fault_record
):
    """F7. Each costs at most two workers, and is known by its content: not even a renamed copy is decoded again."""
    count = many(2, 20)
    for number in range(12, many(24, 400)):
        draw(photos / f"{number:03}.png", number % 80, (255, number // 80, 0))
    good = len(list(photos.iterdir()))
    expected = poisoned(photos, count, monkeypatch)
    limits = DecodeSettings(timeout_s=1.0, workers=2)
    identity = {"detector": "fake", "embedder": "fake"}
    with Index.open(tmp_path / "index", "w", create=True, identity=identity, motif=RED_BOX) as index:
        with DecodePool(limits) as pool:
            report = index_all(photos, index, pool)
        assert report.scanned == report.indexed + report.unchanged + report.skipped == good + len(expected)
        found = {path: reason for path, reason, _ in index.skipped()}
        wrong = {path: reason for path, reason in found.items() if expected.get(path) != reason}
        assert report.indexed == good
        monkeypatch.setenv(POISON_VARIABLE, "")
        for path in expected:
            os.rename(path, path.replace(b".png", b"-renamed.png"))
        with DecodePool(limits) as pool:
            reader = Counting(pool)
            again = index_all(photos, index, reader)
            assert (again.unchanged, again.skipped, reader.asked) == (good, len(expected), [])
            assert index_all(photos, index, pool, retry_skipped=True).indexed == len(expected)
    fault_record("F7", tried=len(expected), survived=len(expected) - len(wrong), what="files that kill a decoder")


def test_a_file_that_kills_its_decoder_costs_two_workers(tmp_path, monkeypatch):
    started = []

    class Counted(DecodePool):
        def _bury(self, worker):
            started.append(worker)
            return super()._bury(worker)

    draw(tmp_path / "bad.png", 1)
    monkeypatch.setenv(POISON_VARIABLE, "segfault=bad.png")
    with Counted() as pool:
        (result,) = pool.decode(iter([FileEntry(os.fsencode(tmp_path / "bad.png"), os.fsencode(tmp_path), None)]))
        assert (result.reason, len(result.sha256), len(started)) == ("decoder_crash", 64, 2)
