"""Where an export may be written: never among the photos, by whatever path they are reached."""

import os
import subprocess
import sys

import pytest

from amogus_search.errors import UsageError
from amogus_search.exports.folders import check_outside

MOUNTED = """
mount --bind "$1/photos" "$1/second" && exec "$2" -c '
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


def test_a_second_mount_of_the_photos_is_refused(tmp_path):
    for name in ("photos", "second"):
        (tmp_path / name).mkdir()
    apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    try:
        allowed = subprocess.run([*apart, f"mount --bind {tmp_path}/photos {tmp_path}/second"], capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if allowed.returncode:
        pytest.skip("this system lets nobody mount")
    done = subprocess.run([*apart, MOUNTED, "sh", str(tmp_path), sys.executable], capture_output=True, text=True)
    assert "lies in the photo folder" in done.stderr
