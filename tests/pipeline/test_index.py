from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import amogus_search
from amogus_search.core.types import ACCESS_REASONS, DecodedImage, FileEntry, FileStat, ImageFindings, SkippedImage
from amogus_search.errors import AmogusError, DecodeError
from amogus_search.pipeline.index import IndexReport, Models, index_images, refuse_index_in_source
from amogus_search.settings import PROFILES, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.testing import FakeDetector, FakeEmbedder

NOT_RACY = IndexSettings(racy_ns=-(10**18), commit_images=4)
"""Files made a moment ago count as old, so that their stat is trusted."""


@dataclass(frozen=True)
class Remembered:
    stat: FileStat | None
    sha256: str | None
    reason: str | None = None
    tag: str = ""


class MemoryIndex:
    """An index that forgets everything at the end."""

    def __init__(self) -> None:
        self.files: dict[bytes, Remembered] = {}
        self.contents: dict[str, ImageFindings] = {}
        self.commits = 0

    def known_files(self) -> dict[bytes, Remembered]:
        return dict(self.files)

    def has_content(self, sha256: str) -> bool:
        return sha256 in self.contents

    def write(
        self,
        *,
        added: Sequence[ImageFindings] = (),
        attached: Sequence[tuple[FileEntry, str]] = (),
        skipped: Sequence[SkippedImage] = (),
        removed: Iterable[bytes] = (),
        skip_tag: str = "",
    ) -> None:
        self.commits += 1
        self.contents.update({item.sha256: item for item in added})
        for entry, sha256 in [*((item.entry, item.sha256) for item in added), *attached]:
            assert sha256 in self.contents, "attached before it was stored"
            self.files[entry.path] = Remembered(entry.stat, sha256)
        for skip in skipped:
            self.files[skip.entry.path] = Remembered(skip.entry.stat, skip.sha256, skip.reason, skip_tag)
        for path in removed:
            del self.files[path]

    def in_flight(self) -> dict[bytes, int]:
        return {}

    def set_in_flight(self, paths: Sequence[bytes]) -> None:
        pass

    def keep_in_flight(self, deaths: Mapping[bytes, int]) -> None:
        pass

    def publish(self) -> bool:
        return True

    def paths(self) -> list[str]:
        return sorted(os.path.basename(os.fsdecode(path)) for path, file in self.files.items() if not file.reason)


class Bench:
    """A folder of pictures, an index, and models that count what they see."""

    def __init__(self, folder: Path, pool: DecodePool) -> None:
        self.folder, self.pool = folder, pool
        self.index = MemoryIndex()
        self.detector, self.embedder = FakeDetector(), FakeEmbedder()

    def run(self, *paths: Path, exclude: Sequence[str] = (), **options: object) -> IndexReport:
        source = FolderSource(
            paths or [self.folder], exclude=exclude, allow_empty=bool(options.get("confirm_deletions"))
        )
        models = Models(self.detector, self.embedder, PROFILES["fast"])
        options = {"settings": NOT_RACY, **options}
        report = index_images([source], self.pool, models, self.index, **options)  # type: ignore[arg-type]
        assert report.scanned == report.indexed + report.unchanged + report.skipped
        return report

    def models_saw(self) -> int:
        return self.detector.tiles_seen + self.embedder.images_seen


def draw(path: Path, number: int) -> None:
    """A grey picture, unlike that of any other number, with one red box in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((90, 120, 3), 40 + number, np.uint8)
    pixels[20:40, 10 + number : 30 + number] = (255, 0, 0)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool() as shared:
        yield shared


@pytest.fixture
def bench(tmp_path: Path, pool: DecodePool) -> Bench:
    folder = tmp_path / "photos"
    for number in range(10):
        draw(folder / f"{number}.png", number)
    return Bench(folder, pool)


def test_a_first_run_indexes_everything_and_a_second_sees_no_model(bench: Bench) -> None:
    report = bench.run()
    assert (report.scanned, report.indexed, report.skipped) == (10, 10, 0)
    assert all(len(item.detections) == 1 for item in bench.index.contents.values())
    before = bench.models_saw()
    again = bench.run()
    assert (again.scanned, again.unchanged) == (10, 10)
    assert bench.models_saw() == before


def test_what_goes_into_the_index_is_whole(bench: Bench) -> None:
    bench.run()
    item = next(iter(bench.index.contents.values()))
    assert item.full_wh == (120, 90)
    assert item.format == "PNG"
    assert item.image_vector is not None
    assert item.detection_vectors.shape == (1, bench.embedder.dimension)
    assert np.allclose(item.detections.xyxy[0][[1, 3]], [20, 40], atol=2)


def test_work_is_committed_in_batches(bench: Bench) -> None:
    bench.run()
    assert bench.index.commits >= 2
    bench.index.commits = 0
    bench.index.files.clear()
    bench.index.contents.clear()
    bench.run(settings=IndexSettings(commit_seconds=0.0))
    assert bench.index.commits >= 2


def test_new_changed_and_removed_files_are_followed(bench: Bench) -> None:
    bench.run()
    draw(bench.folder / "new.png", 20)
    draw(bench.folder / "3.png", 30)
    (bench.folder / "5.png").unlink()
    report = bench.run()
    assert (report.indexed, report.unchanged, report.removed) == (2, 8, 1)
    assert "5.png" not in bench.index.paths()


def test_a_moved_a_copied_and_a_returned_file_need_no_model(bench: Bench) -> None:
    bench.run()
    seen = bench.models_saw()
    (bench.folder / "1.png").rename(bench.folder / "moved.png")
    shutil.copy(bench.folder / "2.png", bench.folder / "copy.png")
    parked = bench.folder.parent / "parked.png"
    (bench.folder / "3.png").rename(parked)
    report = bench.run()
    assert (report.indexed, report.reused, report.removed) == (2, 2, 2)
    parked.rename(bench.folder / "3.png")
    assert bench.run().reused == 1
    assert bench.models_saw() == seen
    assert "3.png" in bench.index.paths()


def test_a_touched_file_is_unchanged_after_one_look_at_its_bytes(bench: Bench) -> None:
    bench.run()
    seen = bench.models_saw()
    os.utime(bench.folder / "4.png", (1, 1))
    assert bench.run().unchanged == 10
    assert bench.models_saw() == seen
    touched = bench.index.files[os.fsencode(bench.folder / "4.png")]
    assert touched.stat is not None
    assert touched.stat.mtime_ns == 10**9


def test_a_change_within_one_tick_of_the_clock_is_seen(bench: Bench) -> None:
    """The file gets other pixels right after the first run: on a coarse clock, with the same size and times."""
    bench.run(settings=IndexSettings())
    path = os.fsencode(bench.folder / "0.png")
    draw(bench.folder / "0.png", 33)
    real = os.stat(path)
    known = bench.index.files[path]
    assert known.stat is not None
    same = FileStat(real.st_dev, real.st_ino, real.st_size, real.st_mtime_ns, real.st_ctime_ns)
    assert known.stat != same
    assert bench.run().indexed == 1


def test_copies_within_one_run_are_looked_at_once(bench: Bench) -> None:
    for number in range(9):
        shutil.copy(bench.folder / "0.png", bench.folder / f"0-copy-{number}.png")
    report = bench.run()
    assert (report.indexed, report.reused) == (19, 9)
    assert len(bench.index.contents) == 10
    assert bench.embedder.images_seen == 20


def test_bad_files_are_skipped_with_a_reason_and_not_read_again(bench: Bench) -> None:
    (bench.folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (bench.folder / "empty.jpg").touch()
    os.mkfifo(bench.folder / "pipe.jpg")
    first = bench.run()
    assert first.reasons == {"corrupt": 1, "empty": 1, "not_regular": 1}
    commits = bench.index.commits
    again = bench.run()
    assert (again.reasons, again.unchanged) == (first.reasons, 10)
    assert bench.index.commits == commits, "nothing changed, so nothing is written"
    draw(bench.folder / "bad.png", 25)
    assert bench.run().indexed == 1


def test_a_skipped_file_is_tried_again_when_asked(bench: Bench) -> None:
    (bench.folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    bench.run()
    path = os.fsencode(bench.folder / "bad.png")
    bench.index.files[path] = Remembered(bench.index.files[path].stat, None, "timeout", "older decoders")
    assert bench.run().reasons == {"corrupt": 1}


def test_an_emptied_folder_loses_nothing_unless_confirmed(bench: Bench, tmp_path: Path) -> None:
    draw(tmp_path / "other" / "x.png", 40)
    both = (bench.folder, tmp_path / "other")
    bench.run(*both)
    for path in bench.folder.iterdir():
        path.unlink()
    report = bench.run(*both)
    assert report.removed == 0
    assert "has no pictures now; the 10 known ones are kept" in report.notes[0]
    with pytest.raises(AmogusError, match="no pictures in"):
        bench.run()
    assert bench.run(confirm_deletions=True).removed == 10


def test_too_many_missing_files_stop_the_run_before_it_changes_anything(bench: Bench) -> None:
    careful = IndexSettings(racy_ns=NOT_RACY.racy_ns, gone_least=2)
    bench.run(settings=careful)
    for number in range(5):
        (bench.folder / f"{number}.png").unlink()
    draw(bench.folder / "new.png", 20)
    commits = bench.index.commits
    with pytest.raises(AmogusError, match=r"5 of 10 known files are gone.*--confirm-deletions"):
        bench.run(settings=careful)
    assert bench.index.commits == commits
    assert bench.run(settings=careful, confirm_deletions=True).removed == 5


def test_no_picture_is_decoded_twice(bench: Bench) -> None:
    """Detector, whole-picture vector, crops and margins all come from one decoding, and copies from none."""

    class Counting:
        def __init__(self, pool: DecodePool) -> None:
            self.pool, self.version, self.decoded = pool, pool.version, Counter[bytes]()

        def decode(self, entries: Iterator[FileEntry]) -> Iterator[DecodedImage | SkippedImage]:
            for result in self.pool.decode(entries):
                self.decoded[result.entry.path] += 1
                yield result

        def digest(self, entry: FileEntry) -> tuple[str, FileStat]:
            return self.pool.digest(entry)

    reader = Counting(bench.pool)
    models = Models(bench.detector, bench.embedder, PROFILES["thorough"])
    source = FolderSource([bench.folder])
    index_images([source], reader, models, bench.index, settings=NOT_RACY)
    assert set(reader.decoded.values()) == {1}
    assert len(reader.decoded) == 10
    shutil.copy(bench.folder / "2.png", bench.folder / "copy.png")
    draw(bench.folder / "new.png", 20)
    index_images([source], reader, models, bench.index, settings=NOT_RACY)
    new = os.fsencode(bench.folder / "new.png")
    assert max(reader.decoded.values()) == 1
    assert (len(reader.decoded), reader.decoded[new]) == (11, 1)


def test_other_folders_of_the_index_are_left_alone(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    draw(tmp_path / "other" / "x.png", 40)
    assert bench.run(tmp_path / "other").removed == 0
    assert len(bench.index.paths()) == 11


def test_a_request_to_stop_keeps_what_is_done(bench: Bench) -> None:
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    report = bench.run(should_stop=should_stop)
    assert report.interrupted
    assert 0 < report.indexed < 10
    assert report.unfinished == 10 - report.scanned
    assert len(bench.index.paths()) == report.indexed
    rest = bench.run()
    assert (rest.unchanged, rest.indexed) == (report.indexed, report.unfinished)


def test_ctrl_c_keeps_what_is_done(bench: Bench) -> None:
    def progress(stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        if stage == "indexing" and done == 9:
            raise KeyboardInterrupt

    report = bench.run(progress=progress)
    assert report.interrupted
    assert report.indexed == 9
    assert len(bench.index.paths()) == 9


def test_a_file_that_vanishes_after_the_scan_is_counted(bench: Bench) -> None:
    class Vanishing(FolderSource):
        def scan(self) -> Iterator[FileEntry]:
            yield from super().scan()
            (bench.folder / "7.png").unlink()

    models = Models(bench.detector, bench.embedder, PROFILES["fast"])
    report = index_images([Vanishing([bench.folder])], bench.pool, models, bench.index)
    assert (report.indexed, report.reasons) == (9, {"vanished": 1})
    assert report.inaccessible == 1


def test_progress_tells_how_far_it_is(bench: Bench) -> None:
    told: list[tuple[str, int, int | None]] = []

    def progress(stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        told.append((stage, done, total))

    bench.run(progress=progress)
    assert ("indexing", 10, 10) in told
    assert told[-1][0] == "publishing"


def test_names_that_are_not_utf8_are_indexed(bench: Bench) -> None:
    shutil.copy(bench.folder / "0.png", os.path.join(os.fsencode(bench.folder), b"\xff\n'.png"))
    assert bench.run().indexed == 11
    assert os.path.join(os.fsencode(bench.folder), b"\xff\n'.png") in bench.index.files


def test_an_index_inside_a_picture_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(AmogusError, match="--index DIR"):
        refuse_index_in_source(os.fsencode(tmp_path / "index" / "default"), [os.fsencode(tmp_path)])
    refuse_index_in_source(os.fsencode(tmp_path / "index"), [os.fsencode(tmp_path / "photos")])


KILLED_RUN = """
import os, signal, sys
from amogus_search.pipeline.index import Models, index_images
from amogus_search.settings import PROFILES, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

photos, index_dir, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
events = 0

def event():
    global events
    events += 1
    if events == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

def around(method):
    def wrapped(*args, **options):
        event()
        result = method(*args, **options)
        event()
        return result
    return wrapped

detector, embedder = FakeDetector(), FakeEmbedder()
detector.detect_tiles = around(detector.detect_tiles)
embedder.embed_images = around(embedder.embed_images)
identity = {"detector": detector.fingerprint, "embedder": embedder.fingerprint}
settings = IndexSettings(racy_ns=-(10**18), commit_images=3)
with Index.open(index_dir, "w", create=True, identity=identity, motif=RED_BOX) as index, DecodePool() as pool:
    index.write, index.publish = around(index.write), around(index.publish)
    models = Models(detector, embedder, PROFILES["fast"])
    index_images([FolderSource([photos])], pool, models, index, settings=settings)
    print(index.signature(), events)
"""


def run_killed_at(folder: Path, index_dir: Path, kill_at: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(folder), str(index_dir), str(kill_at)],
        env={**os.environ, "PYTHONPATH": str(Path(amogus_search.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout.split()


def test_a_run_killed_again_and_again_ends_as_an_undisturbed_one(bench: Bench, tmp_path: Path) -> None:
    """Kills before, within and after commits; each run goes on where the last one died."""
    signature, _ = run_killed_at(bench.folder, tmp_path / "undisturbed", 0)
    for point in (2, 7, 5):
        assert run_killed_at(bench.folder, tmp_path / "killed", point) == []
    assert run_killed_at(bench.folder, tmp_path / "killed", 0)[0] == signature


@pytest.mark.slow
@pytest.mark.fault
def test_a_kill_at_events_all_along_and_a_resume_end_as_an_undisturbed_run(
    bench: Bench, tmp_path: Path, places: Callable[[int, int], range]
) -> None:
    signature, events = run_killed_at(bench.folder, tmp_path / "undisturbed", 0)
    for point in places(int(events), 9):
        killed = tmp_path / f"killed-{point}"
        assert run_killed_at(bench.folder, killed, point) == []
        assert run_killed_at(bench.folder, killed, 0)[0] == signature, f"killed at event {point} of {events}"


def test_a_folder_that_is_named_by_two_names_is_indexed_once(bench: Bench, tmp_path: Path) -> None:
    """A link that was named leads to a folder above one that was indexed before: as a fresh run, without a question."""
    inside, link = bench.folder / "b", tmp_path / "link"
    for number in range(4):
        draw(inside / f"b{number}.png", 50 + number)
    link.symlink_to(bench.folder)
    bench.run(inside)
    report = bench.run(link, inside)
    assert (report.indexed, report.reused, report.removed, report.notes) == (14, 4, 4, ())
    assert all(path.startswith(os.fsencode(link)) for path in bench.index.files)
    again = bench.run(link, inside)
    assert (again.unchanged, again.notes) == (14, ())
    bench.run(inside, link)
    assert len(bench.index.files) == 14


class Unreadable:
    """A reader to which access to some files fails."""

    def __init__(self, pool: DecodePool, reason: str, *names: str) -> None:
        self.pool, self.version, self.reason = pool, pool.version, reason
        self.names = {os.fsencode(name) for name in names}

    def decode(self, entries: Iterator[FileEntry]) -> Iterator[DecodedImage | SkippedImage]:
        for entry in entries:
            if os.path.basename(entry.path) in self.names:
                yield SkippedImage(entry, self.reason, "made to fail")
            else:
                yield from self.pool.decode(iter([entry]))

    def digest(self, entry: FileEntry) -> tuple[str, FileStat]:
        if os.path.basename(entry.path) in self.names:
            raise DecodeError(self.reason, "made to fail")
        return self.pool.digest(entry)


@pytest.mark.parametrize("reason", sorted(ACCESS_REASONS))
def test_an_indexed_file_that_cannot_be_looked_at_is_kept(bench: Bench, reason: str) -> None:
    bench.run()
    pool, before, commits = bench.pool, dict(bench.index.files), bench.index.commits
    for name in ("0.png", "1.png"):
        os.utime(bench.folder / name, (5, 5))
    draw(bench.folder / "new.png", 20)
    bench.pool = Unreadable(pool, reason, "0.png", "1.png", "new.png")  # type: ignore[assignment]
    report = bench.run()
    assert (report.unchanged, report.skipped, report.kept, report.reasons) == (8, 3, 2, {reason: 3})
    assert "2 known pictures cannot be read now; they count as skipped, are kept" in report.notes[0]
    assert report.inaccessible == 3
    assert bench.index.files.pop(os.fsencode(bench.folder / "new.png")).reason == reason
    assert bench.index.files == before
    assert bench.index.commits == commits + 1
    bench.pool = pool
    again = bench.run()
    assert (again.unchanged, again.indexed, again.skipped, again.kept) == (10, 1, 0, 0), "and looked at again"
    assert (
        bench.index.files[os.fsencode(bench.folder / "0.png")].stat or FileStat(0, 0, 0, 0, 0)
    ).mtime_ns == 5 * 10**9


def test_an_indexed_file_that_is_no_picture_any_more_is_not_kept(bench: Bench) -> None:
    bench.run()
    (bench.folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    report = bench.run()
    assert (report.reasons, report.kept, report.notes) == ({"corrupt": 1}, 0, ())
    assert "0.png" not in bench.index.paths()
