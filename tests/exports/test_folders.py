"""Where an export may be written: never among the photos, by whatever path they are reached."""

import os
import subprocess
import sys

import pytest

from amogus_search.errors import UsageError
from amogus_search.exports import mounts
from amogus_search.exports.folders import check_outside

MOUNTED = """
mount --bind "$1/$3" "$1/second" && exec "$2" -c '
import sys
from pathlib import Path
from amogus_search.exports.folders import check_outside
place = Path(sys.argv[1])
check_outside(place / "second" / "new" / "out.csv", [bytes(place / "photos")])
' "$1"
"""


def test_photos_are_known_by_what_they_are_and_not_by_their_path(tmp_path, monkeypatch):
    """A folder that is mounted twice has two paths and no link between them; so says this `realpath` too."""
    (tmp_path / "photos" / "2024").mkdir(parents=True)
    (tmp_path / "second").symlink_to(tmp_path / "photos")
    monkeypatch.setattr(os.path, "realpath", os.path.abspath)
    for out in ("second", "second/out", "second/2024/new/out.csv"):
        with pytest.raises(UsageError, match="photo folder"):
            check_outside(tmp_path / out, [bytes(tmp_path / "photos")])
    check_outside(tmp_path / "third" / "out.csv", [bytes(tmp_path / "photos")])
    check_outside(tmp_path / "out.csv", [bytes(tmp_path / "photos"), bytes(tmp_path / "gone")])


@pytest.mark.parametrize("what", ["photos", "photos/in a folder"])
def test_a_second_mount_of_the_photos_is_refused(tmp_path, what):
    (tmp_path / "second").mkdir()
    (tmp_path / what).mkdir(parents=True)
    apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    try:
        allowed = subprocess.run([*apart, f"mount --bind {tmp_path}/photos {tmp_path}/second"], capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if allowed.returncode:
        pytest.skip("this system lets nobody mount")
    done = subprocess.run([*apart, MOUNTED, "sh", str(tmp_path), sys.executable, what], capture_output=True, text=True)
    assert "lies in the photo folder" in done.stderr


TABLE = b"""22 27 0:21 / /proc rw - proc proc rw
27 1 8:1 / / rw - ext4 /dev/sda1 rw
30 27 8:1 /home/me/my\\040photos /srv/photos rw - ext4 /dev/sda1 rw
31 27 8:2 / /srv/disk rw - ext4 /dev/sdb1 rw
32 27 8:3 / /srv/disk rw - ext4 /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        (b"/", (b"8:1", b"/")),
        (b"/home/me", (b"8:1", b"/home/me")),
        (b"/srv/photos", (b"8:1", b"/home/me/my photos")),
        (b"/srv/photos/a\xff", (b"8:1", b"/home/me/my photos/a\xff")),
        (b"/srv/photos-2", (b"8:1", b"/srv/photos-2")),
        (b"/srv/disk", (b"8:3", b"/")),
        (b"/srv/disk/a", (b"8:3", b"/a")),
    ],
)
def test_a_path_is_followed_to_its_disk(tmp_path, monkeypatch, path, stored):
    (tmp_path / "table").write_bytes(TABLE)
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "table")
    assert mounts.as_stored(path) == stored


@pytest.mark.parametrize("content", [b"", b"of another form\n"])
def test_without_a_table_of_mounts_the_disk_is_unknown(tmp_path, monkeypatch, content):
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "table")
    assert mounts.as_stored(b"/a") is None
    (tmp_path / "table").write_bytes(content)
    assert mounts.as_stored(b"/a") is None
