"""Locks as another process sees them: only there does it show whether this one still has its own."""

import os
import subprocess
import sys

import pytest

from amogus_search.store import held
from amogus_search.store.index import Index

DEAD_MANS_SWITCH = 128
"""The byte of SQLite's shared memory that all who have the database open keep locked (os_unix.c: UNIX_SHM_DMS)."""
SHARED_FIRST = 0x40000002
"""The first byte of a database that readers and writers lock (os_unix.c: SHARED_FIRST)."""


def is_locked(path, byte):
    """Whether another process is refused an exclusive lock on that byte."""
    program = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as file:\n"
        "    try: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[2]))\n"
        "    except OSError: print('locked')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path, str(byte)], capture_output=True, text=True, check=True)
    return done.stdout == "locked\n"


def memory_of(folder):
    return folder / "catalog.sqlite-shm"


def test_a_writer_keeps_its_locks_after_every_commit(make, tmp_path):
    with make.create(tmp_path / "i") as index:
        for name in ("a.jpg", "b.jpg"):
            index.write(added=[make.image(name, [0.9])])
            assert is_locked(memory_of(tmp_path / "i"), DEAD_MANS_SWITCH)


def test_who_verifies_keeps_the_locks_too(make, tmp_path):
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", [0.9])])
    with Index.open(tmp_path / "i") as index:
        assert is_locked(tmp_path / "i" / "catalog.sqlite", SHARED_FIRST)
        assert index.verify() == []
        assert is_locked(tmp_path / "i" / "catalog.sqlite", SHARED_FIRST)


def test_a_second_connection_that_is_closed_takes_nothing_from_the_first(make, tmp_path):
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", [0.9])])
        with Index.open(tmp_path / "i") as reader:
            assert reader.verify() == []
        assert is_locked(memory_of(tmp_path / "i"), DEAD_MANS_SWITCH)


def test_nothing_stays_open_behind_the_last_connection(make, tmp_path):
    before = sorted(os.listdir("/proc/self/fd"))
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", [0.9])])
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_file_that_was_made_anew_is_read_anew(tmp_path):
    catalog, beside = tmp_path / "catalog", tmp_path / "beside"
    held.opened(catalog)
    try:
        for content in (b"old", b"new"):
            beside.unlink(missing_ok=True)
            beside.write_bytes(content)
            with held.reading(beside, catalog) as file:
                assert os.pread(file, 9, 0) == content
    finally:
        held.closed(catalog)


def test_who_opens_it_while_another_thread_reads_keeps_the_locks_behind_that(make, tmp_path):
    folder = tmp_path / "i"
    with make.create(folder) as index:
        index.write(added=[make.image("a.jpg", [0.9])])
    with held.reading(folder / "catalog.sqlite", folder / "catalog.sqlite") as file:
        reader = Index.open(folder)
        assert os.pread(file, 6, 0) == b"SQLite"
    with reader:
        assert is_locked(folder / "catalog.sqlite", SHARED_FIRST)


def test_who_reads_goes_on_though_the_last_connection_is_closed(make, tmp_path):
    folder, before = tmp_path / "i", sorted(os.listdir("/proc/self/fd"))
    index = make.create(folder)
    with held.reading(folder / "catalog.sqlite", folder / "catalog.sqlite") as file:
        index.close()
        assert os.pread(file, 6, 0) == b"SQLite"
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), held.reading(tmp_path / "none", tmp_path / "catalog"):
        pass
