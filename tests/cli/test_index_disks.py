"""`amogus index` and real disks: mounted, not mounted, and mounted in the place of others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

FAKES = ("--detector", "fake", "--embedder", "fake")
IMPOSSIBLE = 77
SESSION = """
import ctypes, os, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)
user, group = os.geteuid(), os.getegid()
if libc.unshare(0x00020000 | (0x10000000 if user else 0)):  # CLONE_NEWNS; CLONE_NEWUSER: root's powers over these
    sys.exit(77)
if user:
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
if libc.mount(b"none", b"/", None, 0x00040000 | 0x4000, None):  # MS_PRIVATE | MS_REC
    sys.exit(77)

def mount(place):
    if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, b"size=1m"):
        sys.exit(77)

def unmount(place):
    assert libc.umount(os.fsencode(place)) == 0

def copy(source, place):
    subprocess.run(["cp", "-a", source + "/.", place], check=True)

def index(*paths):
    subprocess.run([sys.executable, "-m", "amogus_search", "index", *paths, "--format", "json"], check=True)
"""


@pytest.fixture
def session(fakes, workplace):
    """Runs lines in a process with mounts of its own; what each run of `index` in it said, and all that was noted."""

    def run(lines):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(fakes), *sys.path])}
        program = [sys.executable, "-c", SESSION + lines]
        done = subprocess.run(program, cwd=workplace, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == IMPOSSIBLE:
            pytest.skip("nothing may be mounted here")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return run


def draw(folder, *numbers):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(np.full((30, 40, 3), number, np.uint8)).save(folder / f"{number}.png")


def test_a_disk_that_is_not_mounted_below_a_folder_loses_nothing(session, amogus, workplace):
    draw(workplace / "photos", 1, 2)
    draw(workplace / "disk", 3, 4, 5)
    (workplace / "photos" / "sub").mkdir()
    lines = f"""
mount("photos/sub")
copy("disk", "photos/sub")
index("photos", *{FAKES})
unmount("photos/sub")
index("photos")
index("photos", "photos/sub")
"""
    reports, said = session(lines)
    assert [report["removed"] for report in reports] == [0, 0, 0]
    assert "3 known files were on another disk than is at" in said
    assert "photos/sub has no pictures now; the 3 known ones are kept" in said
    assert amogus("verify").code == 0
    assert json.loads(amogus("status", "--format", "json").out)["indexed"] == 5
    report = json.loads(amogus("index", "photos", "--confirm-deletions", "--format", "json").out)
    assert (report["unchanged"], report["removed"]) == (2, 3)


def test_another_disk_in_the_place_of_a_folder_takes_nothing_away(session, amogus, workplace):
    draw(workplace / "photos", 1, 2, 3)
    draw(workplace / "strange", 9)
    amogus("index", "photos", *FAKES)
    reports, said = session('mount("photos")\ncopy("strange", "photos")\nindex("photos")\nindex("photos")\n')
    assert [(report["scanned"], report["removed"]) for report in reports] == [(1, 0), (1, 0)]
    assert "3 known files were on another disk" in said
    report = json.loads(amogus("index", "photos", "--format", "json").out)
    assert (report["unchanged"], report["indexed"], report["removed"]) == (3, 0, 0)


def test_what_is_deleted_on_a_disk_with_a_new_number_is_taken_out(session, workplace):
    draw(workplace / "disk", 1, 2, 3)
    (workplace / "photos").mkdir()
    (workplace / "again").mkdir()
    lines = f"""
mount("photos")
copy("disk", "photos")
index("photos", *{FAKES})
before = os.stat("photos").st_dev
mount("again")
copy("photos", "again")
unmount("photos")
os.unlink("again/2.png")
assert libc.mount(b"again", b"photos", None, 4096, None) == 0  # MS_BIND
assert os.stat("photos").st_dev != before
index("photos")
"""
    reports, said = session(lines)
    assert [(report["scanned"], report["removed"]) for report in reports] == [(3, 0), (2, 1)]
    assert "another disk" not in said
