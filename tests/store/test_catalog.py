from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from amogus_search.errors import AmogusError, IndexStateError
from amogus_search.store import catalog as catalog_module
from amogus_search.store import digests
from amogus_search.store.catalog import Catalog, wal_works
from amogus_search.store.index import Index


def mode_of(folder):
    connection = sqlite3.connect(folder / "catalog.sqlite")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    connection.close()
    return mode


def test_the_log_is_probed_by_a_real_write_that_leaves_nothing_behind(tmp_path):
    assert wal_works(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not wal_works(tmp_path / "nowhere")


def test_where_the_log_does_not_work_an_index_does_without_it(tmp_path, make, monkeypatch):
    make.create(tmp_path / "i").close()
    assert mode_of(tmp_path / "i") == "wal"
    monkeypatch.setattr(catalog_module, "wal_works", lambda folder: False)
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", (0.9,))])
        with Index.open(tmp_path / "i") as reader:
            assert len(reader.best_images()) == 1
    assert mode_of(tmp_path / "i") == "delete"


def test_a_full_disk_stops_with_everything_committed_kept(index, make):
    index.write(added=[make.image("a.jpg", (0.9,))])
    pages = index._catalog.number("PRAGMA page_count")
    index._catalog.run(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(AmogusError, match="no room left"):
        index.write(added=[make.image(f"{n}.jpg", np.linspace(0.1, 0.9, 50)) for n in range(20)])
    index._catalog.run("PRAGMA max_page_count = 1000000")
    assert [hit.path for hit in index.best_images()] == [b"/photos/a.jpg"]
    assert index.verify() == []
    index.write(added=[make.image("b.jpg", (0.9,))])


def test_a_transaction_inside_another_is_part_of_it(tmp_path):
    catalog = Catalog(tmp_path / "c.sqlite", write=True)
    catalog.run("CREATE TABLE t (a)")

    def write_and_fail() -> None:
        with catalog.transaction():
            with catalog.transaction():
                catalog.run("INSERT INTO t VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    assert catalog.rows("SELECT * FROM t") == []
    catalog.close()


def test_evidence_is_read_by_column_and_absent_where_there_is_none(tmp_path):
    catalog = Catalog(tmp_path / "c.sqlite", write=True)
    evidence = np.asarray([0.25, 0.5], "<f4").tobytes()
    found = catalog.rows("SELECT part(?, 0), part(?, 1), part(?, 2), part(NULL, 0)", (evidence,) * 3)
    assert found == [(0.25, 0.5, None, None)]
    catalog.close()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path, make):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(IndexStateError, match="file") as caught:
        make.create(tmp_path / "file" / "i")
    assert "--index" in caught.value.hint


def test_a_steady_read_is_done_again_if_something_was_committed_meanwhile(index, make):
    """Half of it may have been read before and half after that."""
    index.write(added=[make.image("a.jpg", (0.9,))])
    with Index.open(index.folder) as reader:
        catalog = reader._catalog
        with catalog.snapshot():
            pass
        seen, depths = [], []

        def count():
            before = catalog.number("SELECT count(*) FROM files")
            depths.append(catalog._depth)
            if len(depths) == 1:
                index.write(added=[make.image("b.jpg")])
            seen.append((before, catalog.number("SELECT count(*) FROM files")))
            return seen[-1]

        assert catalog.steady(count) == (2, 2)
        assert (seen, depths) == ([(1, 2), (2, 2)], [0, 1])
        assert catalog.steady(count) == (2, 2)
        assert depths[2:] == [0]  # the snapshot was of the newest commit


def test_an_error_of_a_steady_read_counts_if_nothing_was_committed_meanwhile(index, make):
    index.write(added=[make.image("a.jpg", (0.9,))])
    with Index.open(index.folder) as reader:
        with reader._catalog.snapshot():
            pass
        calls = []

        def fail():
            calls.append(len(calls))
            raise KeyError

        with pytest.raises(KeyError):
            reader._catalog.steady(fail)
        assert calls == [0]

        def fail_once():
            calls.append(len(calls))
            if len(calls) == 2:
                index.write(added=[make.image("b.jpg")])
                raise KeyError
            return "well"

        assert reader._catalog.steady(fail_once) == "well"
        assert reader._catalog.version() == reader._catalog.version()


def test_a_steady_read_refuses_what_was_embedded_anew(index, make):
    index.write(added=[make.image("a.jpg", (0.9,))])
    with Index.open(index.folder) as reader:
        assert len(reader.similar(np.ones(8, np.float32))) == 2
        index._catalog.set_meta("identity", {"embedder": "another"})
        with pytest.raises(IndexStateError, match="re-embedded"):
            reader.similar(np.ones(8, np.float32))


def test_an_index_where_one_may_only_read_says_so_when_somebody_else_wrote_to_it(tmp_path, make, monkeypatch):
    """SQLite takes such a file for one that nobody writes, and would tell old rows, or of damage that is none."""
    with make.create(tmp_path / "i") as index:
        index.write(skipped=[make.skip(f"{number}.jpg") for number in range(2000)])
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **more: mode != os.W_OK and real(path, mode, **more))
    with Index.open(tmp_path / "i") as reader:
        for _ in range(2):
            assert reader.counts()["skipped"] == len(reader.skipped()) == len(reader.known_files()) == 2000
        with Index.open(tmp_path / "i", "w") as writer:
            writer.write(skipped=[make.skip(f"more-{number}.jpg") for number in range(2000)])
            for ask in (reader.counts, reader.skipped, reader.known_files):
                with pytest.raises(IndexStateError, match="was written to while it was open here") as caught:
                    ask()
                assert caught.value.hint == "open it again"
        with pytest.raises(IndexStateError, match="was written to while it was open here"):
            reader.counts()


def test_an_index_in_a_folder_whose_name_is_no_text_is_written_searched_and_verified(tmp_path, make, monkeypatch):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    monkeypatch.setattr(digests, "ALWAYS_HASHED", 0)  # so that the search file is opened by its name
    with make.create(folder) as index:
        index.write(added=[make.image("a.jpg", [0.9])])
        index.publish()
    with Index.open(folder) as index:
        assert index.verify() == []
        assert len(index.similar(make.image("a.jpg", [0.9]).image_vector, 3)) == 2
