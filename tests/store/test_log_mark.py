"""The log that a killed writer leaves: how far it went is noted, so that nothing can be cut off it unseen."""

import random
import shutil

import numpy as np
import pytest

from amogus_search.errors import AmogusError
from amogus_search.store import log_mark
from amogus_search.store.index import Index

WAL, NOTE = "catalog.sqlite-wal", "catalog.sqlite.log-mark"


@pytest.fixture
def killed(tmp_path, make):
    """An index as a writer left it that was killed: the catalogue is empty, and all is in the log."""
    with make.create(tmp_path / "i") as index:
        for name in "abc":
            index.write(added=[make.image(f"{name}.jpg", (0.9, 0.5))])
        index.publish()
        index.write(added=[make.image("d.jpg", (0.9,))])
        shutil.copytree(tmp_path / "i", tmp_path / "killed", ignore=shutil.ignore_patterns("*-shm"))
    assert not (tmp_path / "i" / NOTE).exists(), "a closed index has no log, and no note of one"
    return tmp_path / "killed"


def problems(folder):
    try:
        with Index.open(folder) as index:
            return index.verify()
    except AmogusError as error:  # what is left is no index
        return [error.problem]


def flipped(content, place):
    changed = bytearray(content)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def test_a_flipped_bit_of_the_log_or_of_the_note_is_found(killed, tmp_path):
    assert problems(killed) == []
    with Index.open(killed) as index:
        assert index.counts()["indexed"] == 4
    dice = random.Random(1)
    for name in (WAL, NOTE):
        content = (killed / name).read_bytes()
        for place in [0, 8 * len(content) - 1, *(dice.randrange(8 * len(content)) for _ in range(10))]:
            shutil.copytree(killed, tmp_path / "damaged")
            (tmp_path / "damaged" / name).write_bytes(flipped(content, place))
            assert problems(tmp_path / "damaged"), (name, place)
            shutil.rmtree(tmp_path / "damaged")


def test_the_next_writer_does_again_what_a_damaged_log_has_lost(killed, make):
    content = (killed / WAL).read_bytes()
    (killed / WAL).write_bytes(flipped(content, 4 * len(content)))
    with Index.open(killed, "w", create=True, identity=make.identity, motif=make.motif) as index:
        index.write(added=[make.image(f"{name}.jpg", (0.9, 0.5)) for name in "abc"])
        index.publish()
        assert index.verify() == []
    assert problems(killed) == []


def test_a_long_log_is_copied_and_its_note_is_gone_until_the_next_commit(tmp_path, make, monkeypatch):
    monkeypatch.setattr(log_mark, "_MOST_FRAMES", 30)
    seen = set()
    with make.create(tmp_path / "i") as index:
        for number in range(12):
            index.write(added=[make.image(f"{number}.jpg", (0.9,))])
            seen.add((tmp_path / "i" / NOTE).exists())
            shutil.copytree(tmp_path / "i", tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm"))
            assert problems(tmp_path / "copy") == []
            shutil.rmtree(tmp_path / "copy")
        assert (tmp_path / "i" / WAL).stat().st_size < 90 * 4200
    assert seen == {True, False}


def test_what_a_reader_keeps_from_being_copied_stays_noted(tmp_path, make, monkeypatch):
    monkeypatch.setattr(log_mark, "_MOST_FRAMES", 10)
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", (0.9,))])
        with Index.open(tmp_path / "i") as reader, reader._catalog.snapshot():
            reader.counts()
            for number in range(3):
                index.write(added=[make.image(f"{number}.jpg", (0.9,))])
            assert (tmp_path / "i" / NOTE).exists()
    assert problems(tmp_path / "i") == []


def test_the_note_means_nothing_without_its_log(killed):
    (killed / WAL).unlink()
    (killed / NOTE).write_bytes(bytes(52))
    assert log_mark.problems(killed / "catalog.sqlite") == []


def test_the_sum_of_a_row_is_that_of_its_pairs_one_after_another():
    rng = np.random.default_rng(3)
    words = rng.integers(0, 2**32, (5, 18), dtype=np.uint32)
    before = rng.integers(0, 2**32, (5, 2), dtype=np.uint32)
    right = []
    for row, (s0, s1) in zip(words.tolist(), before.tolist(), strict=True):
        for x, y in zip(row[::2], row[1::2], strict=True):
            s0 = (s0 + x + s1) % 2**32
            s1 = (s1 + y + s0) % 2**32
        right.append([s0, s1])
    assert log_mark._sums(words, before).tolist() == right
