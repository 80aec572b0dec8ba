from __future__ import annotations

import pytest

from amogus_search.errors import AmogusError, IdentityMismatchError, IndexStateError
from amogus_search.store.index import Index


@pytest.fixture
def folder(tmp_path, make):
    """A closed index."""
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", (0.9,)), make.image("b.jpg")])
        index.publish()
    return tmp_path / "i"


def problems(folder):
    with Index.open(folder) as index:
        return index.verify()


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_where_no_row_lies_is_found(folder):
    """The number of changes in SQLite's header means nothing to anybody who reads."""
    assert problems(folder) == []
    flip(folder / "catalog.sqlite", 27)
    assert "is not as it was when it was closed" in problems(folder)[0]


def test_a_flipped_bit_of_the_seal_is_found(folder):
    flip(folder / "catalog.sqlite.seal", 40)
    assert problems(folder)


def test_a_writer_works_without_a_seal_and_leaves_a_new_one(folder, make):
    before = (folder / "catalog.sqlite.seal").read_bytes()
    with Index.open(folder, "w") as index:
        assert not (folder / "catalog.sqlite.seal").exists()
        assert index.verify() == []
        index.write(added=[make.image("c.jpg")])
    assert (folder / "catalog.sqlite.seal").read_bytes() != before
    assert problems(folder) == []


def test_a_catalogue_that_did_not_change_is_not_read_again(folder, monkeypatch):
    from amogus_search.store import seal

    before = (folder / "catalog.sqlite.seal").read_bytes()
    monkeypatch.setattr(seal.digests, "digest", lambda path: pytest.fail("read"))
    monkeypatch.setattr(seal.durable, "write", lambda path, fill: path.touch() or fill(path))
    Index.open(folder, "w").close()
    assert (folder / "catalog.sqlite.seal").read_bytes() == before


def test_who_is_refused_leaves_it_sealed_as_it_was(folder, make):
    before = (folder / "catalog.sqlite.seal").read_bytes()
    with pytest.raises(IdentityMismatchError):
        Index.open(folder, "w", identity={**make.identity, "profile": "another"})
    assert (folder / "catalog.sqlite.seal").read_bytes() == before
    assert problems(folder) == []
    flip(folder / "catalog.sqlite", 27)
    with pytest.raises(IdentityMismatchError):
        Index.open(folder, "w", identity={**make.identity, "profile": "another"})
    assert not (folder / "catalog.sqlite.seal").exists() or problems(folder), "damage is not sealed as whole"


def test_damage_is_not_sealed_as_whole_by_a_writer_that_was_refused_its_rows(folder, make):
    """The bit lies where no row does; only the seal knows."""
    flip(folder / "catalog.sqlite", 27)
    for _ in range(2):
        with Index.open(folder, "w") as index:
            with pytest.raises(IndexStateError, match="is not as it was when it was closed"):
                index.write(added=[make.image("c.jpg")])
            with pytest.raises(IndexStateError, match="is not as it was when it was closed"):
                index.publish()
        with Index.open(folder) as index, pytest.raises(IndexStateError, match="is not as it was when it was closed"):
            index.counts()
    with Index.open(folder, "w") as index:
        index.repair()
        index.write(added=[make.image("c.jpg")])
        assert index.verify() == []
    assert problems(folder) == []
    with Index.open(folder) as index:
        assert index.counts()["indexed"] == 3


def test_who_is_interrupted_while_sealing_gives_up_the_role(folder, monkeypatch):
    from amogus_search.store import seal

    def interrupted(*args):
        raise KeyboardInterrupt

    index = Index.open(folder, "w")
    with monkeypatch.context() as patched:
        patched.setattr(seal, "put_on", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.close()
    with Index.open(folder, "w") as again:
        assert again.verify() == []


def test_what_is_mended_is_sealed_again(folder):
    flip(folder / "catalog.sqlite", 27)
    with Index.open(folder, "w") as index:
        index.repair()
    assert problems(folder) == []


def test_no_seal_is_no_damage(folder):
    (folder / "catalog.sqlite.seal").unlink()
    assert problems(folder) == []


def test_a_reader_leaves_nothing_in_which_a_bit_could_flip_unseen(folder):
    """SQLite's shared memory belongs to nobody when all are gone; the last of them takes it away."""
    at_rest = sorted(path.name for path in folder.iterdir())
    first, second = Index.open(folder), Index.open(folder)
    first.counts(), second.counts()
    first.close()
    assert second.counts()["indexed"] == 2
    second.close()
    assert sorted(path.name for path in folder.iterdir()) == at_rest
    assert problems(folder) == []


def test_a_reader_leaves_the_log_of_a_killed_writer_alone(folder, make):
    """It holds commits; the next writer takes them over."""
    with Index.open(folder, "w") as writer:
        writer.write(added=[make.image("c.jpg")])
        log = folder / "catalog.sqlite-wal"
        before = log.read_bytes()
        Index.open(folder).close()
        assert log.read_bytes() == before != b""


def test_every_bit_that_is_flipped_in_an_index_at_rest_is_found_or_lies_in_nothing(folder, make):
    """Some of each file; `make faults` flips more of them."""
    Index.open(folder).close()
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 11)):
            flip(path, place)
            try:
                found = problems(folder)
            except AmogusError as error:
                found = [error.problem]
            assert found, (path.name, place)
            path.write_bytes(content)
    assert problems(folder) == []
