"""A folder that changes while it is looked at (RELIABILITY: F13): nothing fails, and the next run makes it good."""

import random
import threading

import numpy as np
import pytest
from PIL import Image

from amogus_search.pipeline.index import Models, index_images
from amogus_search.settings import PROFILES, IndexSettings
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

SETTINGS = IndexSettings(commit_images=5, gone_least=10**6)
IDENTITY = {"detector": "fake", "embedder": "fake"}


def picture(number):
    pixels = np.full((60, 80, 3), 30 + number % 100, np.uint8)
    pixels[10:30, 5 + number % 40 : 25 + number % 40] = (250, number // 100, 0)
    return Image.fromarray(pixels)


class Mover(threading.Thread):
    """Changes the tree as fast as it can, `events` times: makes, removes, renames, replaces, grows, links, nests."""

    def __init__(self, root, events):
        super().__init__(daemon=True)
        self.root, self.events, self.random = root, events, random.Random(3)
        self.done, self.number, self.stop = 0, 1000, threading.Event()

    def run(self):
        while self.done < self.events and not self.stop.is_set():
            kind = self.random.choice([self.make, self.remove, self.rename, self.replace, self.grow, self.swap])
            try:
                kind()
            except OSError:
                continue  # it took away what it was about to change
            self.done += 1

    def some(self):
        files = [path for path in self.root.rglob("*.png") if path.is_file() and not path.is_symlink()]
        return self.random.choice(files) if files else self.make()

    def make(self):
        self.number += 1
        folder = self.root / f"d{self.random.randrange(6)}"
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.number}.png"
        picture(self.number).save(path)
        return path

    def remove(self):
        self.some().unlink()

    def rename(self):
        path = self.some()
        path.rename(path.with_name(f"renamed-{self.number}-{self.done}.png"))

    def replace(self):
        new = self.root / "part.tmp.txt"
        self.number += 1
        picture(self.number).save(new, "PNG")
        new.replace(self.some())

    def grow(self):
        with open(self.some(), "ab") as file:
            file.write(b"more")

    def swap(self):
        """A folder becomes a link out of the tree, or another folder, under the walk's feet."""
        folder = self.root / f"d{self.random.randrange(6)}"
        away = self.root.parent / f"away{self.done}"
        if folder.is_symlink():
            folder.unlink()
        elif folder.is_dir():
            folder.rename(away)
            folder.symlink_to(self.root.parent / "outside")
            folder.unlink()
            away.rename(folder)
        else:
            folder.mkdir()


def run(root, index, pool, **options):
    models = Models(FakeDetector(), FakeEmbedder(), PROFILES["fast"])
    source = FolderSource([root], allow_empty=True)
    report = index_images([source], pool, models, index, settings=SETTINGS, confirm_deletions=True, **options)
    assert report.scanned == report.indexed + report.unchanged + report.skipped
    return report


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["some", "many"])
def test_a_tree_that_changes_under_the_scan_ends_as_a_fresh_index(tmp_path, many, fault_record, quick):
    root = tmp_path / "tree"
    outside = tmp_path / "outside"
    for number in range(40):
        (root / f"d{number % 6}").mkdir(parents=True, exist_ok=True)
        picture(number).save(root / f"d{number % 6}" / f"{number}.png")
    outside.mkdir()
    picture(999).save(outside / "secret.png")
    mover = Mover(root, 200 if quick else many(1000, 5000))
    with DecodePool() as pool:
        with Index.open(tmp_path / "index", "w", create=True, identity=IDENTITY, motif=RED_BOX) as index:
            mover.start()
            while mover.is_alive():
                run(root, index, pool)
            mover.join()
            run(root, index, pool)
            assert index.verify() == []
            assert not any(b"secret" in path for path in index.known_files())
            ended = {path: (file.sha256, file.reason) for path, file in index.known_files().items()}
            again = run(root, index, pool)
            assert again.indexed == 0
        with Index.open(tmp_path / "fresh", "w", create=True, identity=IDENTITY, motif=RED_BOX) as fresh:
            run(root, fresh, pool)
            right = {path: (file.sha256, file.reason) for path, file in fresh.known_files().items()}
    survived = mover.done if ended == right else 0
    fault_record("F13", tried=mover.done, survived=survived, what="changes of a tree while it was indexed")
