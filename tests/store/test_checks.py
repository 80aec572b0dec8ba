from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress

import numpy as np
import pytest

from amogus_search.errors import IndexStateError
from amogus_search.store import digests
from amogus_search.store.generations import Generation
from amogus_search.store.index import Index

DAMAGE = {
    "contents": "UPDATE contents SET width = width + 1 WHERE rowid = 1",
    "detections": "UPDATE detections SET confidence = 0.999 WHERE id = 1",
    "keypoints": "UPDATE detections SET keypoints = zeroblob(24) WHERE id = 1",
    "scores": "UPDATE scores SET amogusness = 0.99 WHERE detection = 1",
    "vectors": "UPDATE vectors SET vector = zeroblob(16) WHERE id = 1",
    "files": "UPDATE files SET sha256 = 'ff' WHERE rowid = 1",
    "lost finding": "DELETE FROM detections WHERE id = 2",
    "lost vector": "DELETE FROM vectors WHERE id = 2",
    "lost score": "DELETE FROM scores WHERE detection = 2",
    "lost content": "DELETE FROM contents WHERE rowid = 1",
}


@pytest.fixture
def folder(tmp_path, make):
    """A closed, published index; the first file is the best."""
    with make.create(tmp_path / "i") as index:
        index.rescore("half", make.half)
        index.write(added=[make.image("a.jpg", (0.9, 0.8)), make.image("b.jpg", (0.7,)), make.image("c.jpg")])
        index.write(skipped=[make.skip("s.jpg")])
        index.publish()
        assert index.verify() == []
    return tmp_path / "i"


def change(folder, statement):
    connection = sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()


def unsealed(folder, statement):
    """Damage to an index that a writer left without a seal, as one that was killed does: rows have their checksums."""
    change(folder, statement)
    (folder / "catalog.sqlite.seal").unlink()


@pytest.mark.parametrize("what", DAMAGE)
def test_no_answer_comes_from_a_catalogue_that_is_not_as_it_was_sealed(folder, what):
    """Which rows there are is said by pages that no row's checksum covers."""
    change(folder, DAMAGE[what])
    with Index.open(folder) as index:
        for ask in (index.counts, index.best_images, index.known_files, index.skipped):
            with pytest.raises(IndexStateError, match="is not as it was when it was closed"):
                ask()
        assert index.verify()


def test_a_schema_that_is_no_text_any_more_is_damage_and_no_traceback(folder):
    """SQLite puts the name into its message, which Python then cannot read."""
    catalog = folder / "catalog.sqlite"
    whole = catalog.read_bytes()
    for name in (b"tablecontents", b"indexfiles_by_content", b"CREATE TABLE detections"):
        place = whole.index(name) + len(name) - 4
        catalog.write_bytes(whole[:place] + bytes([whole[place] ^ 128]) + whole[place + 1 :])
        for ask in (Index.verify, Index.counts):
            found = []
            with suppress(IndexStateError), Index.open(folder) as index:
                found = ask(index)
                assert found, "verify has something to say, and counts nothing"
            assert ask is Index.verify or not found


def test_a_large_catalogue_is_read_once_and_then_known_by_its_looks(folder, monkeypatch):
    monkeypatch.setattr(digests, "ALWAYS_HASHED", 0)
    read, real = [], digests.digest_of_catalog
    monkeypatch.setattr(digests, "digest_of_catalog", lambda path: read.append(path) or real(path))
    for times in (0, 0):
        with Index.open(folder) as index:
            assert index.counts()["indexed"] == 3
        assert len(read) == times, "it looks as it did when it was sealed"
    other = folder.with_name("copy")
    shutil.copytree(folder, other)
    for times in (1, 1):
        with Index.open(other) as index:
            assert index.counts()["indexed"] == 3
        assert len(read) == times, "a copy looks otherwise, until it was read"
    change(other, "UPDATE files SET sha256 = 'ff' WHERE rowid = 1")
    with Index.open(other) as index, pytest.raises(IndexStateError, match="is not as it was when it was closed"):
        index.counts()


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found_and_mended_by_doing_the_work_again(folder, make, what):
    with Index.open(folder) as index:
        before = index.signature()
    change(folder, DAMAGE[what])
    with Index.open(folder) as index:
        assert index.verify()
    with Index.open(folder, "w") as index:
        assert index.repair()
        assert index.verify() == []
        index.rescore("half", make.half)
        for image in (make.image("a.jpg", (0.9, 0.8)), make.image("b.jpg", (0.7,)), make.image("c.jpg")):
            if index.known_file(image.entry.path) is None:
                index.write(added=[image])
        index.publish()
        assert index.verify() == []
        assert index.signature() == before
        assert index.repair() == []


@pytest.mark.parametrize("what", sorted(set(DAMAGE) - {"vectors", "lost vector", "lost content", "files"}))
def test_a_damaged_row_never_goes_into_an_answer(folder, what):
    change(folder, DAMAGE[what])
    with Index.open(folder) as index, pytest.raises(IndexStateError, match="damaged") as caught:
        index.best_images()
    assert "amogus repair" in caught.value.hint


def test_a_file_pointed_at_other_content_is_noticed(folder):
    with Index.open(folder) as index:
        (other,) = {hit.sha256 for hit in index.best_images() if hit.path.endswith(b"c.jpg")}
    unsealed(folder, f"UPDATE files SET sha256 = '{other}' WHERE rowid = 1")
    with Index.open(folder) as index, pytest.raises(IndexStateError, match=r"a\.jpg.*of files"):
        index.best_images()


def test_a_damaged_vector_goes_into_no_answer_and_no_search_file(folder, make):
    unsealed(folder, "UPDATE vectors SET vector = (SELECT vector FROM vectors WHERE id = 3) WHERE id = 1")
    with Index.open(folder) as index, pytest.raises(IndexStateError, match="of vectors"):
        index.similar(np.ones(8, np.float32), None)
    with Index.open(folder, "w") as index:
        index.rescore("half", make.half)
        index.write(added=[make.image("d.jpg")])
        with pytest.raises(IndexStateError, match="of vectors"):
            index.publish()


def test_lost_identity_cannot_be_mended_and_says_so(folder):
    change(folder, "UPDATE meta SET value = '{}' WHERE name = 'motif'")
    with pytest.raises(IndexStateError, match="of meta"):
        Index.open(folder, "w")


def test_any_flipped_byte_is_found_or_changes_nothing(folder, make):
    """SQLite notices few of them by itself; none may change an answer in silence."""
    catalog = folder / "catalog.sqlite"
    whole = catalog.read_bytes()
    with Index.open(folder) as index:
        before = index.signature()
    random = np.random.default_rng(0)
    silent = []
    for place in random.integers(100, len(whole), 60).tolist():
        data = bytearray(whole)
        data[place] ^= 1 << int(random.integers(8))
        catalog.write_bytes(data)
        try:
            with Index.open(folder) as index:
                if not index.verify() and index.signature() != before:
                    silent.append(place)
        except IndexStateError:
            pass
    assert silent == []


def test_a_search_file_that_a_writer_replaces_meanwhile_is_no_damage(make, tmp_path, monkeypatch):
    with make.create(tmp_path / "i") as writer:
        writer.write(added=[make.image("0.jpg", [0.9])])
        writer.publish()
        names = iter(range(1, 9))
        real = Generation.is_whole

        def is_whole(generation, folder):
            for name in (next(names), next(names)):  # a publication keeps the one before it
                writer.write(added=[make.image(f"{name}.jpg", [0.5])])
                writer.publish()
            return real(generation, folder)

        with Index.open(tmp_path / "i") as reader:
            monkeypatch.setattr(Generation, "is_whole", is_whole)
            assert reader.verify() == []
            assert next(names) > 2
