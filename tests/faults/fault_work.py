"""What the tests of faults do to an index: fill it from a folder of small pictures, change the folder, fill it again.

Through the doors that everybody uses (`index_images`, `Index`), with fakes for the models.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from amogus_search.core.types import DecodedImage, FileEntry, FileStat, FindingScores, SkippedImage
from amogus_search.errors import DecodeError
from amogus_search.pipeline.index import IndexReport, Models, index_images
from amogus_search.settings import DECODE, PROFILES, IndexSettings
from amogus_search.sources import decode
from amogus_search.sources.decode import decode_bytes, hash_file
from amogus_search.sources.folder import FolderSource
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

PICTURES = 7
IDENTITY = {"detector": "fake", "embedder": "fake", "profile": "fast"}
SETTINGS = IndexSettings(racy_ns=-(10**18), commit_images=3, commit_seconds=10**9)
"""Small batches; files made a moment ago count as old, so that their stat is trusted."""


class InProcess:
    """Decodes here: starting processes takes longer than the whole run."""

    version = "in process"

    def decode(self, entries: Iterator[FileEntry]) -> Iterator[DecodedImage | SkippedImage]:
        for entry in entries:
            yield self._one(entry)

    def digest(self, entry: FileEntry) -> tuple[str, FileStat]:
        return hash_file(entry.path)

    def _one(self, entry: FileEntry) -> DecodedImage | SkippedImage:
        digest = ""
        try:
            content = decode.read_file(entry.path, DECODE)  # as the module has it: a bug may be in it
            digest = content.sha256
            picture = decode_bytes(content.data, DECODE, None, sha256=digest)
        except DecodeError as error:
            return SkippedImage(entry, error.reason, error.detail, digest)
        known = FileEntry(entry.path, entry.root, content.stat)
        return DecodedImage(known, picture.pixels, picture.full_wh, digest, picture.format)


def draw(path: Path, number: int) -> None:
    """A picture unlike that of any other number, with up to two red boxes in it."""
    pixels = np.full((60, 80, 3), 40, np.uint8)
    pixels[:, :, 1] += np.uint8(number % 150)
    pixels[::2, :, 2] = (number * 7) % 200
    pixels[number % 20, number % 80] = (0, 90, 90)
    for box in range(number % 3):
        top = 8 + 25 * box
        pixels[top : top + 14, 10 + number % 30 : 26 + number % 30] = (255, 0, 0)
    Image.fromarray(pixels).save(path)


def make_photos(folder: Path, count: int = PICTURES) -> None:
    """Pictures, a copy of one, and a file that is none."""
    folder.mkdir(parents=True)
    for number in range(count):
        draw(folder / f"{number:04}.png", number)
    (folder / "copy.png").write_bytes((folder / "0001.png").read_bytes())
    (folder / "torn.png").write_bytes((folder / "0000.png").read_bytes()[:60])


@dataclass(frozen=True)
class Folders:
    """A folder of pictures at two times; `photos` is a link that leads to what it holds now."""

    base: Path

    @property
    def photos(self) -> Path:
        """What is indexed."""
        return self.base / "photos"

    def make(self, count: int = PICTURES) -> Folders:
        """Draw them: later there is one picture more and one less, one has another name and one other content."""
        before, after = self.base / "before", self.base / "after"
        make_photos(before, count)
        after.mkdir()
        for path in sorted(before.iterdir()):
            os.link(path, after / path.name)  # the same file: it looks unchanged
        draw(after / "new.png", 500)
        (after / "0002.png").unlink()
        (after / "0003.png").rename(after / "renamed.png")
        (after / "0004.png").unlink()
        draw(after / "0004.png", 501)
        return self

    def now(self, when: str) -> None:
        """Show the folder as it was `before` or is `after`."""
        new = self.base / "photos.new"
        new.unlink(missing_ok=True)
        new.symlink_to(when)
        new.replace(self.photos)

    def fill(self, index_dir: Path, stage: int = 1, tell: Callable[[int], object] = lambda _: None) -> None:
        """Fill an index from the folder as it was, from stage 1 on, and as it is; `tell` hears what is done."""
        for number, when in enumerate(("before", "after"), 1):
            if number >= stage:
                self.now(when)
                tell(number - 1)
                fill(index_dir, self.photos)
        tell(2)


def half(found: object) -> FindingScores:
    """A calibration: half the confidence."""
    amogusness = found.confidence.astype(np.float64) / 2
    return FindingScores(amogusness, 1 / (1 - amogusness), amogusness > 0.45)


def fill(index_dir: Path, photos: Path, reader: object = None, **options: object) -> IndexReport:
    """One run over the folder of pictures."""
    settings = options.pop("settings", SETTINGS)
    with Index.open(index_dir, "w", create=True, identity=IDENTITY, motif=RED_BOX) as index:
        index.rescore("half", half)
        models = Models(FakeDetector(), FakeEmbedder(8), PROFILES["fast"])
        return index_images(
            [FolderSource([photos])], reader or InProcess(), models, index, settings=settings, **options
        )


@dataclass(frozen=True)
class State:
    """What an index holds: its signature, what is wrong with it, and its counts."""

    signature: str
    problems: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]


def state(index_dir: Path) -> State:
    """As a reader sees it."""
    with Index.open(index_dir) as index:
        return State(index.signature(), tuple(index.verify()), tuple(sorted(index.counts().items())))


def answers(index_dir: Path) -> list[tuple[bytes, float]]:
    """What a user gets: the best, and the most similar to red."""
    with Index.open(index_dir) as index:
        red = np.asarray([1, 0, 0, 0.05, 0, 0, 0, 0], np.float32)
        hits = index.best_images(None)
        if index.counts()["vectors"]:
            hits += index.similar(red, None)
    return [(hit.path, round(float(hit.score), 6)) for hit in hits]


def leftovers(index_dir: Path) -> list[str]:
    """Files that a finished run must not leave."""
    return sorted(name for name in os.listdir(index_dir) if name.endswith(".part") or name.startswith("probe"))
