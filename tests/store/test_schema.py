from __future__ import annotations

import sqlite3

import pytest

from amogus_search.errors import IndexStateError
from amogus_search.store import schema
from amogus_search.store.index import Index

SECOND = (*schema.MIGRATIONS, ("ALTER TABLE files ADD COLUMN note TEXT",))


@pytest.fixture
def folder(tmp_path, make):
    """A closed index with one picture."""
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", (0.9,))])
    return tmp_path / "i"


def test_an_older_index_is_migrated_when_it_is_written_to_and_keeps_its_rows(folder, make, monkeypatch):
    monkeypatch.setattr(schema, "MIGRATIONS", SECOND)
    monkeypatch.setattr(schema.require_readable, "__defaults__", (SECOND,))
    monkeypatch.setattr(schema.require_writable, "__defaults__", (SECOND,))
    monkeypatch.setattr(schema.migrate, "__defaults__", (SECOND,))
    with pytest.raises(IndexStateError, match=f"older schema version {len(SECOND) - 1}") as caught:
        Index.open(folder)
    assert "amogus repair" in caught.value.hint
    with make.create(folder) as index:
        assert [hit.path for hit in index.best_images()] == [b"/photos/a.jpg"]
        assert index.verify() == []
    with Index.open(folder) as index:
        assert len(index.best_images()) == 1


def test_the_first_version_is_brought_up_to_date_with_its_removed_files_known(folder, make):
    """What has no file any more stood nowhere then, and search files had their ids in the catalogue."""
    with make.create(folder) as index:
        index.write(added=[make.image("b.jpg", (0.8,))])
        index.write(removed=[b"/photos/a.jpg"])
        index.publish()
    change(folder, "DROP TABLE orphans", "DROP TABLE revived", "PRAGMA user_version = 1")
    (folder / "catalog.sqlite.seal").unlink()  # it sealed nothing either
    with make.create(folder) as index:
        assert index.verify() == []
        assert index.publish()
        assert index.search_state()["rows"] == 2
        assert {hit.path for hit in index.similar(make.image("x").image_vector)} == {b"/photos/b.jpg"}


def test_a_migration_that_fails_changes_nothing(folder):
    with sqlite3.connect(folder / "catalog.sqlite", isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError):
            schema.migrate(connection, (*SECOND, ("nonsense",)))
        connection.execute("ROLLBACK")
        assert schema.read_version(connection) == len(SECOND) - 1
        assert "note" not in [row[1] for row in connection.execute("PRAGMA table_info(files)")]
    connection.close()


def change(folder, *statements):
    connection = sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_newer_index_is_refused(folder, mode):
    change(folder, "PRAGMA user_version = 99")
    with pytest.raises(IndexStateError, match="version 99") as caught:
        Index.open(folder, mode)
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_foreign_database_is_refused_and_left_alone(tmp_path, mode):
    change(tmp_path, "CREATE TABLE theirs (a)")
    with pytest.raises(IndexStateError, match="another program"):
        Index.open(tmp_path, mode)


@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_file_that_is_no_database_is_refused(tmp_path, mode):
    (tmp_path / "catalog.sqlite").write_bytes(b"garbage " * 1000)
    with pytest.raises(IndexStateError, match="not a database"):
        Index.open(tmp_path, mode)
    assert (tmp_path / "catalog.sqlite").read_bytes() == b"garbage " * 1000


def test_an_index_that_was_never_finished_being_made_is_made_by_the_next_run(tmp_path, make):
    (tmp_path / "catalog.sqlite").touch()
    with pytest.raises(IndexStateError, match="nothing in the index"):
        Index.open(tmp_path)
    make.create(tmp_path).close()
    Index.open(tmp_path).close()
