"""Reading, models and writing go on at once; what comes of it must not tell."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from amogus_search.core.types import (
    DecodedImage,
    Detections,
    FileEntry,
    ImageFindings,
    Pixels,
    SkippedImage,
    Vectors,
)
from amogus_search.errors import AmogusError
from amogus_search.pipeline import stopping
from amogus_search.pipeline.detect import detect_images, prepare
from amogus_search.pipeline.embed import embed_findings
from amogus_search.pipeline.index import IndexReport, Models, index_images
from amogus_search.settings import PROFILES, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

SETTINGS = IndexSettings(racy_ns=-(10**18), commit_images=3)
PROFILE = PROFILES["balanced"]


class Moody:
    """Sleeps now and then, differently with every seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def nap(self) -> None:
        if self._rng.random() < 0.3:
            time.sleep(self._rng.random() * 0.01)


class MoodyDetector(FakeDetector):
    floor = 0.0

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._mood = Moody(seed)

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        self._mood.nap()
        return super().detect_tiles(tiles)


class MoodyEmbedder(FakeEmbedder):
    batch = 3

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._mood = Moody(seed + 1)

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        self._mood.nap()
        return super().embed_images(images)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool() as shared:
        yield shared


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small and large pictures, copies, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(5)
    for number in range(14):
        size = (300, 420) if number % 5 == 0 else (70, 90)
        pixels = rng.integers(60, 140, (*size, 3)).astype(np.uint8)
        for _ in range(number % 3):
            top, left = rng.integers(0, 40, 2)
            pixels[top : top + 18, left : left + 14] = (240, 20, 30)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    for number in (1, 6):
        shutil.copy(folder / f"{number:02}.png", folder / f"{number:02}-copy.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    return folder


def opened(folder: Path) -> Index:
    return Index.open(folder, "w", create=True, identity={"detector": "fake", "embedder": "fake"}, motif=RED_BOX)


def run(photos: Path, pool: DecodePool, index: Any, seed: int = 0, **options: Any) -> IndexReport:
    models = Models(MoodyDetector(seed), MoodyEmbedder(seed), PROFILE)
    return index_images([FolderSource([photos])], pool, models, index, **{"settings": SETTINGS, **options})


def serial_signature(photos: Path, pool: DecodePool, folder: Path) -> str:
    """One thing after the other, and all of it in one transaction."""
    detector, embedder = MoodyDetector(0), MoodyEmbedder(0)
    found = detect_images(pool.decode(FolderSource([photos]).scan()), detector, PROFILE)
    results = list(embed_findings(found, embedder))
    with opened(folder) as index:
        index.write(
            added=[item for item in results if isinstance(item, ImageFindings)],
            skipped=[item for item in results if not isinstance(item, ImageFindings)],
            skip_tag=pool.version,
        )
        index.publish()
        return index.signature()


def test_the_index_is_the_same_to_the_last_bit_as_if_all_went_one_after_the_other(
    photos: Path, pool: DecodePool, tmp_path: Path
) -> None:
    expected = serial_signature(photos, pool, tmp_path / "serial")
    for seed in range(3):
        with opened(tmp_path / str(seed)) as index:
            report = run(photos, pool, index, seed)
            assert (report.indexed, report.reused, report.skipped) == (16, 2, 1)
            assert index.signature() == expected
            assert index.verify() == []


def test_windows_cut_ahead_are_those_cut_when_they_are_wanted(photos: Path, pool: DecodePool) -> None:
    detector = FakeDetector()
    for image in pool.decode(FolderSource([photos / "00.png", photos / "01.png"]).scan()):
        whole = prepare(image, detector, PROFILE, cut=1000)
        some = prepare(image, detector, PROFILE, cut=2)
        assert (len(whole.cut), len(some.cut)) == (len(whole.tiles), min(2, len(whole.tiles)))
        assert whole.nbytes >= some.nbytes > image.pixels.nbytes
        answers = [next(detect_images([way], detector, PROFILE)) for way in (image, some, whole)]
        for _, found in answers[1:]:
            assert np.array_equal(found.xyxy, answers[0][1].xyxy)


class Slow(MoodyDetector):
    """Wants to know of shapes before; keeps who told it, and whether it was the first to see one."""

    rectangular = True

    def __init__(self) -> None:
        super().__init__(0)
        self.expected: dict[tuple[int, ...], str] = {}
        self.seen: set[tuple[int, ...]] = set()

    def expect(self, height: int, width: int) -> None:
        self.expected.setdefault((height, width), threading.current_thread().name)

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        self.seen.add(tiles.shape[1:3])
        return super().detect_tiles(tiles)


def test_a_detector_that_asks_for_it_is_told_of_shapes_in_another_thread(
    photos: Path, pool: DecodePool, tmp_path: Path
) -> None:
    detector = Slow()
    with opened(tmp_path / "i") as index:
        models = Models(detector, MoodyEmbedder(0), PROFILE)
        index_images([FolderSource([photos])], pool, models, index, settings=SETTINGS)
    assert len(detector.seen) > 1
    assert detector.expected.keys() == detector.seen
    assert set(detector.expected.values()) == {"amogus-ahead"}


def test_it_is_told_of_none_for_a_single_picture_which_may_be_looked_at_in_another_way(
    photos: Path, pool: DecodePool, tmp_path: Path
) -> None:
    detector = Slow()
    with opened(tmp_path / "i") as index:
        models = Models(detector, MoodyEmbedder(0), PROFILE)
        index_images([FolderSource([photos / "03.png"])], pool, models, index, settings=SETTINGS)
    assert detector.seen
    assert not detector.expected


class Failing(MoodyEmbedder):
    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        if self.images_seen > 12:
            raise RuntimeError("the embedder broke")
        return super().embed_images(images)


def test_an_error_of_a_model_surfaces_and_leaves_a_sound_index(photos: Path, pool: DecodePool, tmp_path: Path) -> None:
    expected = serial_signature(photos, pool, tmp_path / "serial")
    with opened(tmp_path / "i") as index:
        models = Models(MoodyDetector(0), Failing(0), PROFILE)
        with pytest.raises(RuntimeError, match="the embedder broke"):
            index_images([FolderSource([photos])], pool, models, index, settings=SETTINGS)
        assert named_threads() == []
        assert index.verify() == []
        kept = index.counts()["indexed"]
        assert 0 < kept < 16
        report = run(photos, pool, index)
        assert (report.unchanged, report.indexed) == (kept, 16 - kept)
        assert index.signature() == expected


def test_an_error_while_reading_surfaces_behind_what_was_read(photos: Path, pool: DecodePool, tmp_path: Path) -> None:
    class Breaking:
        version, digest = pool.version, pool.digest

        def decode(self, entries: Iterator[FileEntry]) -> Iterator[DecodedImage | SkippedImage]:
            for number, image in enumerate(pool.decode(entries)):
                if number == 9:
                    raise AmogusError("no decoding process can be started")
                yield image

    with opened(tmp_path / "i") as index:
        models = Models(MoodyDetector(0), MoodyEmbedder(0), PROFILE)
        with pytest.raises(AmogusError, match="no decoding process"):
            index_images([FolderSource([photos])], Breaking(), models, index, settings=SETTINGS)
        assert named_threads() == []
        assert index.counts()["indexed"] > 0
        assert index.verify() == []


class Disk:
    """An index whose writes take long, or fail from one on."""

    def __init__(self, index: Index, *, seconds: float = 0.0, full_from: int = 10**9) -> None:
        self._index, self._seconds, self._full_from = index, seconds, full_from
        self.writes = self.stored = self.most_at_once = self._now = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def write(self, **what: Any) -> None:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        self.writes += 1
        time.sleep(self._seconds)
        try:
            if self.writes >= self._full_from:
                raise AmogusError("no room left for the index")
            self._index.write(**what)
            self.stored += sum(len(what.get(kind, ())) for kind in ("added", "attached", "skipped"))
        finally:
            self._now -= 1


def test_a_full_disk_surfaces_and_keeps_what_was_committed(photos: Path, pool: DecodePool, tmp_path: Path) -> None:
    with opened(tmp_path / "i") as index:
        disk = Disk(index, full_from=3)
        with pytest.raises(AmogusError, match="no room left"):
            run(photos, pool, disk)
        assert disk.writes == 3, "the batch that failed is not tried again, and none behind it"
        assert named_threads() == []
        assert index.verify() == []
        kept = index.counts()["indexed"]
        assert 0 < kept <= 2 * (SETTINGS.commit_images + 2)
        assert run(photos, pool, index).unchanged == kept


def test_a_slow_disk_holds_up_the_models_rather_than_filling_the_memory(
    photos: Path, pool: DecodePool, tmp_path: Path
) -> None:
    """While one batch is written, a second one is put together, and no third one is begun."""
    with opened(tmp_path / "i") as index:
        disk, detector = Disk(index, seconds=0.05), MoodyDetector(0)
        ahead: list[int] = []

        def progress(stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
            if stage == "indexing":
                ahead.append(done - disk.stored)

        models = Models(detector, MoodyEmbedder(0), PROFILE)
        index_images([FolderSource([photos])], pool, models, disk, settings=SETTINGS, progress=progress)
        assert disk.most_at_once == 1
        waiting_for_the_embedder = 3
        assert max(ahead) <= 2 * SETTINGS.commit_images + waiting_for_the_embedder
        assert disk.stored == 17


def test_a_request_to_stop_is_followed_in_time_and_loses_nothing(
    photos: Path, pool: DecodePool, tmp_path: Path
) -> None:
    expected = serial_signature(photos, pool, tmp_path / "serial")
    wanted = threading.Event()

    def progress(stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        if stage == "indexing" and done == 3:
            wanted.set()

    with opened(tmp_path / "i") as index:
        report = run(photos, pool, index, progress=progress, should_stop=wanted.is_set)
        assert report.interrupted
        assert report.scanned == report.indexed + report.unchanged + report.skipped
        assert named_threads() == []
        assert index.counts()["indexed"] == report.indexed
        assert run(photos, pool, index, seed=4).unchanged == report.indexed
        assert index.signature() == expected


def test_ctrl_c_while_everything_is_under_way_keeps_what_is_done(
    photos: Path, pool: DecodePool, tmp_path: Path
) -> None:
    def progress(stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        if stage == "indexing" and done == 8:
            raise KeyboardInterrupt

    with opened(tmp_path / "i") as index:
        report = run(photos, pool, Disk(index, seconds=0.02), progress=progress)
        assert report.interrupted
        assert named_threads() == []
        assert index.counts()["indexed"] == report.indexed > 0
        assert index.verify() == []


class Slowly(FakeDetector):
    """Takes its time for every batch, and wants a stop after the first."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = False

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        time.sleep(0.02)
        found = super().detect_tiles(tiles)
        self.wanted = True
        return found


def test_a_request_to_stop_does_not_wait_for_a_picture_of_many_windows(
    pool: DecodePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left to the next run; the pictures before it are kept."""
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.3)
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = np.random.default_rng(1).integers(0, 255, (3000, 4000, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "large.png", compress_level=0)
    detector = Slowly()
    models = Models(detector, FakeEmbedder(), PROFILE)
    with opened(tmp_path / "i") as index:
        report = index_images(
            [FolderSource([folder])], pool, models, index, settings=SETTINGS, should_stop=lambda: detector.wanted
        )
        assert report.interrupted
        assert (report.scanned, report.unfinished) == (0, 1)
        assert named_threads() == []
        windows = detector.tiles_seen
        assert run(folder, pool, index).indexed == 1
    assert 0 < windows < 250


def named_threads() -> list[str]:
    """Our own threads that are still there; those of the pool belong to the pool."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("amogus-ahead", "amogus-writer"))]
