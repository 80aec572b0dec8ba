"""Pipes and folders in the place of an index' files: nobody waits for them, and what is said of them is ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amogus_search.store.index import Index

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import numpy as np
from conftest import Maker
from amogus_search.errors import AmogusError
from amogus_search.store.crashes import crash_mark
from amogus_search.store.index import Index

make = Maker()

def asked(index):
    index.similar(make.image("a.jpg", [0.9]).image_vector, 3)
    index.best_images(3)

def written(index):
    with crash_mark(index.folder):
        index.rescore("half", make.half)
        index.write(added=[make.image("z.jpg", [0.8])])
        index.publish()

for what, mode in ((Index.verify, "r"), (asked, "r"), (Index.repair, "w"), (written, "w"), (asked, "r")):
    try:
        with Index.open(sys.argv[1], mode) as index:
            what(index)
        print("fine")
    except AmogusError as error:
        assert error.hint, error
        print("error:", error.problem, "|", error.hint)
"""


@pytest.fixture
def whole(tmp_path, make):
    """A closed index with everything in its folder that may lie there."""
    folder = tmp_path / "whole"
    with make.create(folder) as index:
        index.rescore("half", make.half)
        index.write(added=[make.image("a.jpg", [0.9]), make.image("b.jpg", [0.7])])
        index.publish()
    return folder


NAMES = [
    "catalog.sqlite",
    "catalog.sqlite-shm",
    "catalog.sqlite-wal",
    "catalog.sqlite.log-mark",
    "catalog.sqlite.seal",
    "crash.txt",
    "lock",
    "reembedding.sqlite",
    "vectors-000001.faiss",
    "vectors-000001.ids",
    "vectors-000002.faiss",
]


@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("name", NAMES)
def test_something_else_in_the_place_of_a_file_hangs_nobody(name, kind, whole, tmp_path):
    folder = tmp_path / "i"
    shutil.copytree(whole, folder)
    (folder / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, str(Path(__file__).parent)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5


def test_the_list_of_names_is_that_of_an_index(whole):
    assert {path.name for path in whole.iterdir()} <= set(NAMES)
    with Index.open(whole) as index:
        assert index.verify() == []
