from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest

from amogus_search.errors import IndexLockedError
from amogus_search.store.index import Index
from amogus_search.store.lock import LOCK_NAME

HOLD = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from amogus_search.store.lock import WriterLock
    lock = WriterLock(Path(sys.argv[1]))
    print("held", flush=True)
    time.sleep(60)
""")


def test_a_second_writer_is_told_at_once_who_the_first_is(tmp_path, make):
    with make.create(tmp_path / "i"):
        started = time.monotonic()
        with pytest.raises(IndexLockedError) as caught:
            Index.open(tmp_path / "i", "w")
        assert time.monotonic() - started < 1
    assert f"process {os.getpid()} on " in caught.value.problem
    assert "since 2" in caught.value.problem
    assert caught.value.exit_code == 75
    Index.open(tmp_path / "i", "w").close()


def test_a_killed_writer_holds_nothing(tmp_path, make):
    make.create(tmp_path / "i").close()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "i")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(IndexLockedError, match=f"process {holder.pid} "):
            Index.open(tmp_path / "i", "w")
        holder.kill()
    Index.open(tmp_path / "i", "w").close()


def test_a_stale_lock_file_locks_nothing(tmp_path, make):
    """Only the system's lock counts: the file outlives its writer, and process numbers are used again."""
    make.create(tmp_path / "i").close()
    (tmp_path / "i" / LOCK_NAME).write_text(json.dumps({"pid": os.getpid(), "host": "here", "start": "now"}))
    with Index.open(tmp_path / "i", "w") as index:
        assert index.known_files() == {}


def test_an_unreadable_lock_file_still_locks(tmp_path, make):
    with make.create(tmp_path / "i"):
        (tmp_path / "i" / LOCK_NAME).write_bytes(b"\xff{")
        with pytest.raises(IndexLockedError, match="another process"):
            Index.open(tmp_path / "i", "w")


def test_readers_need_no_lock(tmp_path, make):
    with make.create(tmp_path / "i") as writer, Index.open(tmp_path / "i") as reader:
        assert reader.identity == writer.identity
