from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from amogus_search.store import places

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/share rw - nfs4 server:/export rw
31 30 0:41 / /mnt/share/local rw - tmpfs none rw
32 22 0:42 / /mnt/with\\040space rw - fuse.sshfs user@host:/ rw
33 22 0:43 / /mnt/twice rw - ext4 /dev/sdb rw
34 22 0:44 / /mnt/twice rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me/index", None),
        ("/mnt/share/index", "nfs4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/share/local/index", None),
        ("/mnt/with space/index", "fuse.sshfs"),
        ("/mnt/twice/index", "cifs"),
    ],
)
def test_a_network_file_system_is_told_by_the_innermost_mount(folder, kind):
    assert places.network_kind(Path(folder), MOUNTS) == kind


def test_on_a_network_file_system_there_is_no_shared_log_and_a_note_says_so(tmp_path, make, monkeypatch):
    """The log needs memory that all readers share, which machines do not."""
    monkeypatch.setattr(places, "network_kind", lambda folder: "nfs4")
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a.jpg", (0.9,))])
        assert "nfs4" in places.notes(index.folder)[0]
        assert index.verify() == []
    with closing(sqlite3.connect(tmp_path / "i" / "catalog.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_on_a_disk_of_this_machine_there_is_nothing_to_say(index):
    assert places.notes(index.folder) == []
