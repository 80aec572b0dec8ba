from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.pipeline.index import Models, index_images
from amogus_search.pipeline.reembed import ReembedReport, reembed
from amogus_search.settings import PROFILES, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.store.reembedding import Reembedding
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

OLD, NEW = {"detector": "fake", "embedder": "old"}, {"detector": "fake", "embedder": "new"}
TURNED = 6
"""An EXIF orientation: the picture lies on its side in the file."""


class Counting:
    """A decoder that counts what it is asked for."""

    def __init__(self, pool: DecodePool) -> None:
        self.pool, self.seen = pool, list[bytes]()

    def decode(self, entries: Iterator[FileEntry]) -> Iterator[DecodedImage | SkippedImage]:
        for result in self.pool.decode(entries):
            self.seen.append(result.entry.path)
            yield result


class Corner(FakeEmbedder):
    """Another embedder: it sees the corners of a crop too, so that a crop cut otherwise has another vector."""

    def __init__(self) -> None:
        super().__init__(24, fingerprint="corner")

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        vectors = super().embed_images(images)
        for row, image in zip(vectors, images, strict=True):
            row[8:14] = np.concatenate([image[0, 0], image[-1, -1]]) / 255
            row[14:16] = np.asarray(image.shape[:2]) / 1000
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool() as shared:
        yield shared


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        pixels = np.full((90, 120, 3), 40 + number, np.uint8)
        pixels[20:40, 10 + number : 30 + number] = (255, 0, 0)
        pixels[60:70, 60 : 75 + number] = (255, 0, 0)
        exif = Image.Exif()
        exif[0x0112] = TURNED if number == 3 else 1
        Image.fromarray(pixels).save(folder / f"{number}.png", exif=exif)
    shutil.copy(folder / "1.png", folder / "1-copy.png")
    return folder


def indexed(photos: Path, folder: Path, pool: DecodePool, identity: dict, embedder: FakeEmbedder) -> Path:
    detector = FakeDetector()
    with Index.open(folder, "w", create=True, identity=identity, motif=RED_BOX) as index:
        index_images([FolderSource([photos])], pool, Models(detector, embedder, PROFILES["balanced"]), index)
    return folder


@pytest.fixture
def folder(photos: Path, tmp_path: Path, pool: DecodePool) -> Path:
    return indexed(photos, tmp_path / "index", pool, OLD, FakeEmbedder())


def run(folder: Path, reader: DecodePool | Counting, **options) -> ReembedReport:
    with Reembedding.open(folder, OLD, NEW) as exchange:
        return reembed(exchange, reader, Corner(), **options)


def tables(folder: Path) -> list[object]:
    with Index.open(folder) as index:
        assert index.verify() == []
        places, vectors = index.vectors()
        return [places.to_dict("list"), vectors.tolist(), index.detections().to_csv(), index.identity]


def test_the_vectors_are_those_of_an_index_that_was_made_with_the_new_embedder(
    folder: Path, photos: Path, tmp_path: Path, pool: DecodePool
) -> None:
    """Same decoding, same orientation, same crops, to the last bit; and a picture of two names is decoded once."""
    reader = Counting(pool)
    report = run(folder, reader)
    assert (report.pictures, report.regions) == (8, 24)
    assert len(reader.seen) == len(set(reader.seen)) == 8
    assert tables(folder) == tables(indexed(photos, tmp_path / "fresh", pool, NEW, Corner()))


def test_it_goes_on_after_a_stop_and_switches_only_when_all_is_there(folder: Path, pool: DecodePool) -> None:
    before, asked = tables(folder), 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    first = run(folder, pool, should_stop=should_stop, settings=IndexSettings(commit_images=2))
    assert first.interrupted
    assert 0 < first.pictures < 8
    assert tables(folder) == before
    reader = Counting(pool)
    second = run(folder, reader)
    assert not second.interrupted
    assert second.pictures == len(reader.seen) == 8 - first.pictures
    assert tables(folder)[3] == NEW


def test_ctrl_c_keeps_what_is_done(folder: Path, pool: DecodePool) -> None:
    def progress(stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        if done == 3:
            raise KeyboardInterrupt

    first = run(folder, pool, progress=progress)
    assert first.interrupted
    assert run(folder, pool).pictures == 8 - first.pictures


def test_files_that_changed_or_vanished_are_told_and_are_new_to_the_next_run(
    folder: Path, photos: Path, pool: DecodePool
) -> None:
    (photos / "1.png").write_bytes((photos / "2.png").read_bytes())
    (photos / "4.png").unlink()
    Image.new("RGB", (50, 50), (9, 9, 9)).save(photos / "5.png")
    report = run(folder, pool)
    assert report.pictures == 6, "the copy stands for 1.png"
    assert {os.path.basename(lost.entry.path) for lost in report.lost} == {b"4.png", b"5.png"}
    assert {lost.reason for lost in report.lost} == {"vanished", "changed_while_reading"}
    assert sorted(map(os.path.basename, report.forgotten)) == [b"4.png", b"5.png"]
    detector, embedder = FakeDetector(), Corner()
    with Index.open(folder, "w", identity=NEW) as index:
        models = Models(detector, embedder, PROFILES["balanced"])
        after = index_images([FolderSource([photos])], pool, models, index)
        assert index.verify() == []
    assert embedder.images_seen == 1, "only 5.png is new; 1.png has the content of 2.png by now"
    assert (after.scanned, after.skipped) == (8, 0)


def test_an_unmounted_disk_costs_nothing(folder: Path, photos: Path, pool: DecodePool) -> None:
    before = tables(folder)
    away = photos.rename(photos.with_name("away"))
    careful = IndexSettings(gone_least=2)
    with pytest.raises(AmogusError, match="8 of 8 pictures to re-embed cannot be read"):
        run(folder, pool, settings=careful)
    assert tables(folder) == before
    away.rename(photos)
    assert run(folder, pool, settings=careful).pictures == 8


def test_many_lost_pictures_are_given_up_when_that_is_confirmed(folder: Path, photos: Path, pool: DecodePool) -> None:
    for number in range(5):
        (photos / f"{number}.png").unlink()
    (photos / "1-copy.png").unlink()
    with pytest.raises(AmogusError, match="--confirm-deletions"):
        run(folder, pool, settings=IndexSettings(gone_least=2))
    report = run(folder, pool, settings=IndexSettings(gone_least=2), confirm_deletions=True)
    assert (report.pictures, len(report.lost)) == (0, 5), "the three others were done before"
    assert len(tables(folder)[1]) == 9
