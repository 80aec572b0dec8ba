"""Twelve ways in which files change between two runs: what the index says after them, and what it cost to find out."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.motif import Motif
from amogus_search.pipeline.index import IndexReport, Models, index_images
from amogus_search.settings import PROFILES, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

TRUSTING = IndexSettings(racy_ns=-(10**18))
"""Even files made a moment ago count as old: only their stat tells that they changed."""
IDENTITY = {"detector": "fake", "embedder": "fake"}
MOTIF: Motif = RED_BOX


@dataclass
class Library:
    """A folder of folders of pictures, its index, and models that count what they see."""

    root: Path
    index: Path
    pool: DecodePool
    chance: random.Random
    settings: IndexSettings = TRUSTING
    pictures: int = 8
    drawn: int = 0

    def __post_init__(self) -> None:
        self.detector, self.embedder = FakeDetector(), FakeEmbedder()
        self.parked = self.root.with_name("parked")
        for number in range(self.pictures):
            self.draw(self.root / f"folder{number % 2}" / f"{number}.bmp")

    def draw(self, path: Path) -> None:
        """A picture unlike all others; a BMP, since those of one shape are all of one size."""
        self.drawn += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((30, 40, 3), 200, np.uint8)
        pixels[:2] = np.random.default_rng(self.drawn).integers(0, 100, (2, 40, 3))
        pixels[10:20, 10:20] = (255, 0, 0)
        picture = path.with_name("picture.part")
        Image.fromarray(pixels).save(picture, "BMP")
        path.write_bytes(picture.read_bytes())
        picture.unlink()

    def run(self) -> IndexReport:
        models = Models(self.detector, self.embedder, PROFILES["fast"])
        with Index.open(self.index, "w", create=True, identity=IDENTITY, motif=MOTIF) as index:
            report = index_images([FolderSource([self.root])], self.pool, models, index, settings=self.settings)
        assert report.scanned == report.indexed + report.unchanged + report.skipped
        return report

    def models_saw(self) -> int:
        return self.detector.tiles_seen + self.embedder.images_seen

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def some(self) -> Path:
        return self.chance.choice(self.files())

    def is_right(self) -> bool:
        """Whether the index says of every file what is in it, and of nothing else anything."""
        truth = {os.fsencode(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files()}
        with Index.open(self.index) as index:
            return {path: file.sha256 for path, file in index.known_files().items()} == truth


# Each leaves files changed in one way.


def same_size_and_time(library: Library) -> None:
    path = library.some()
    before = path.stat()
    library.draw(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replaced_by_another_of_its_size_and_time(library: Library) -> None:
    path, new = library.some(), library.root / "new.bmp"
    before = path.stat()
    library.draw(new)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)


def changed_to_the_future(library: Library) -> None:
    path = library.some()
    library.draw(path)
    os.utime(path, (2**33, 2**33))


def changed_to_beyond_64_bits(library: Library) -> None:
    """Nanoseconds since 1970 as no database keeps them; not every file system takes such a time."""
    path = library.some()
    library.draw(path)
    with suppress(OSError, OverflowError):
        os.utime(path, ns=(10**19, 10**19))


def changed_to_the_past(library: Library) -> None:
    path = library.some()
    library.draw(path)
    os.utime(path, (0, 0))


def moved(library: Library) -> None:
    path = library.some()
    path.rename(path.with_name(f"moved{library.chance.random()}.bmp"))


def copied(library: Library) -> None:
    path = library.some()
    shutil.copy2(path, path.with_name(f"copy{library.chance.random()}.bmp"))


def hard_linked(library: Library) -> None:
    path = library.some()
    os.link(path, path.with_name(f"link{library.chance.random()}.bmp"))


def renamed_folder(library: Library) -> None:
    folder = library.chance.choice(sorted(path for path in library.root.iterdir() if path.is_dir()))
    folder.rename(library.root / f"renamed{library.chance.random()}")


def swapped(library: Library) -> None:
    one, two = library.chance.sample(library.files(), 2)
    between = library.root / "between"
    one.rename(between)
    two.rename(one)
    between.rename(two)


def touched(library: Library) -> None:
    library.some().touch()


def deleted(library: Library) -> None:
    path = library.some()
    library.parked.mkdir(exist_ok=True)
    path.rename(library.parked / path.name)


def restored(library: Library) -> None:
    deleted(library)
    library.run()
    for path in library.parked.iterdir():
        path.rename(library.root / path.name)


NEEDS_MODELS = (
    same_size_and_time,
    replaced_by_another_of_its_size_and_time,
    changed_to_the_future,
    changed_to_beyond_64_bits,
    changed_to_the_past,
)
NEEDS_NONE = (moved, copied, hard_linked, renamed_folder, swapped, touched, deleted, restored)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool() as shared:
        yield shared


def test_every_kind_of_change_is_seen_and_known_content_costs_no_model(
    tmp_path: Path, pool: DecodePool, many: Callable[[int, int], int], fault_record: Callable[..., None]
) -> None:
    tries, wrong = many(2, 20), []
    for change in (*NEEDS_MODELS, *NEEDS_NONE):
        home = tmp_path / change.__name__
        # One that deletes must not come to the last, whose loss would be asked about.
        library = Library(home / "root", home / "i", pool, random.Random(3), pictures=max(8, tries + 2))
        library.run()
        for number in range(tries):
            time.sleep(0.02)  # beyond one tick of the file system's clock
            seen = library.models_saw()
            change(library)
            library.run()
            was_asked = library.models_saw() > seen
            if not library.is_right() or was_asked != (change in NEEDS_MODELS):
                wrong.append(f"{change.__name__} {number}")
    tried = tries * (len(NEEDS_MODELS) + len(NEEDS_NONE))
    fault_record("F14", tried=tried, survived=tried - len(wrong), what="changes of files between runs", wrong=wrong)


def test_nothing_is_read_when_nothing_changed(
    tmp_path: Path, pool: DecodePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(tmp_path / "root", tmp_path / "index", pool, random.Random(3))
    library.run()
    monkeypatch.setattr(DecodePool, "digest", lambda self, entry: pytest.fail(str(entry)))
    monkeypatch.setattr(DecodePool, "decode", lambda self, entries: iter([pytest.fail(str(e)) for e in entries]))
    seen = library.models_saw()
    assert library.run().unchanged == 8
    assert library.models_saw() == seen


def test_a_file_that_was_fresh_when_it_was_read_is_hashed_again_once_it_is_old(
    tmp_path: Path, pool: DecodePool
) -> None:
    """It may have changed again within the same tick of the clock; afterwards its stat is trusted."""
    library = Library(tmp_path / "root", tmp_path / "index", pool, random.Random(3), IndexSettings(racy_ns=10**9))
    library.run()
    path = library.some()
    with Index.open(library.index) as index:
        known = index.known_file(os.fsencode(path))
    assert known is not None
    assert known.stat is not None
    assert known.stat.ctime_ns != path.stat().st_ctime_ns
    time.sleep(1.1)
    seen = library.models_saw()
    assert library.run().unchanged == 8
    assert library.models_saw() == seen
    with Index.open(library.index) as index:
        again = index.known_file(os.fsencode(path))
    assert again is not None
    assert again.stat is not None
    assert again.stat.ctime_ns == path.stat().st_ctime_ns


def test_models_are_not_compiled_when_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their files are hashed, which tells whose index it is; their networks are not built."""
    from amogus_search import runtime
    from amogus_search.detectors import openvino as detector
    from amogus_search.embedders import openvino as embedder
    from amogus_search.evaluation.benchmark_unchanged import make
    from amogus_search.finder import Finder
    from amogus_search.indexing import index_paths
    from amogus_search.registry import load_embedder

    made = make(tmp_path / "made", 5, Finder.load(), load_embedder())
    for module in (runtime, detector, embedder):
        for name in ("compile_onnx", "read_network"):
            monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("a network was built"), raising=False)
    report = index_paths([made.photos], made.index)
    assert (report.scanned, report.unchanged) == (5, 5)
