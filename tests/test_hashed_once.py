"""A file is used only if it has the demanded sha256, and hashed again only if somebody may have written to it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amogus_search import hashed_once
from amogus_search.hashed_once import open_checked

ROOT = Path(__file__).parents[1]
CONTENT = np.random.default_rng(3).integers(0, 256, 300_000, np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder; files of these tests count as large, and as written long ago."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hashed_once, "ALWAYS_HASHED", 1000)
    monkeypatch.setattr(hashed_once, "SETTLED_SECONDS", 0.0)
    return tmp_path / "cache" / "amogus_search"


@pytest.fixture
def weights(tmp_path):
    """A file with that content."""
    path = tmp_path / "weights.bin"
    path.write_bytes(CONTENT)
    return path


def read_bytes(action):
    """How many bytes this process reads from files meanwhile; mappings do not count."""

    def so_far():
        (line,) = [line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("rchar")]
        return int(line.split()[1])

    before = so_far()
    result = action()
    return result, so_far() - before


def opened(path, sha256=SHA256):
    file = open_checked(path, sha256)
    return None if file is None else file.data.tobytes()


def test_a_file_is_hashed_once_and_then_not_even_read(weights, cache):
    first, once = read_bytes(lambda: opened(weights))
    again, twice = read_bytes(lambda: opened(weights))
    assert first == again == CONTENT
    assert once >= len(CONTENT) > 50_000 > twice
    assert cache.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in cache.iterdir()] == [0o600]


def test_another_content_is_never_given_however_it_came_there(weights, tmp_path):
    assert opened(weights) == CONTENT
    changed = bytearray(CONTENT)
    changed[70_000] ^= 1
    before = weights.stat()
    with weights.open("r+b") as file:
        file.write(changed)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights.stat().st_mtime_ns == before.st_mtime_ns
    assert opened(weights) is None, "written in place, with its old time"
    other = tmp_path / "other"
    other.write_bytes(changed)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(weights)
    assert opened(weights) is None, "another file under its name"
    assert opened(weights, hashlib.sha256(changed).hexdigest()) == bytes(changed)


def test_a_note_is_no_digest(weights):
    """It says that a demanded sha256 was found; another one is looked for in the file."""
    assert opened(weights) == CONTENT
    assert opened(weights, "0" * 64) is None
    assert opened(weights) == CONTENT


def test_who_uses_a_file_is_told_that_it_was_written_to(weights):
    file = open_checked(weights, SHA256)
    assert file.unchanged()
    file.data[0] ^= 255
    assert file.unchanged()
    assert weights.read_bytes() == CONTENT, "what is written to the mapping never reaches the file"
    with weights.open("r+b") as writer:
        writer.write(b"x")
    assert not file.unchanged()


def test_a_file_that_was_just_written_is_copied_and_not_remembered(weights, cache, monkeypatch):
    """Its times could stay as they are if it were written again at once."""
    monkeypatch.setattr(hashed_once, "SETTLED_SECONDS", 60.0)
    file = open_checked(weights, SHA256)
    weights.write_bytes(b"something else")
    assert file.data.tobytes() == CONTENT
    assert file.unchanged()
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 4000, b'{"sha256": 7, "looks": 7}', b"x" * 100_000],
    ids=["empty", "cut off", "list", "null", "no text", "deep", "other types", "long"],
)
def test_a_damaged_note_costs_a_hashing_and_nothing_more(weights, cache, damage):
    opened(weights)
    (note,) = cache.iterdir()
    sound = note.read_bytes()
    note.write_bytes(damage)
    content, read = read_bytes(lambda: opened(weights))
    assert content == CONTENT
    assert read >= len(CONTENT)
    assert note.read_bytes() == sound


@pytest.mark.parametrize("field", range(5))
def test_whatever_is_different_about_a_file_makes_it_hashed_again(weights, cache, field):
    opened(weights)
    (note,) = cache.iterdir()
    said = json.loads(note.read_text())
    said["looks"][field] += 1
    note.write_text(json.dumps(said))
    content, read = read_bytes(lambda: opened(weights))
    assert content == CONTENT
    assert read >= len(CONTENT)


def test_notes_that_others_may_write_are_not_believed(weights, cache):
    """Or whoever can write there could vouch for weights of theirs."""
    opened(weights)
    (note,) = cache.iterdir()
    for place, mode in ((note, 0o622), (cache, 0o777)):
        before = place.stat().st_mode & 0o777
        place.chmod(mode)
        assert read_bytes(lambda: opened(weights))[1] >= len(CONTENT)
        place.chmod(before)
    note.replace(cache / "elsewhere")
    note.symlink_to(cache / "elsewhere")
    assert read_bytes(lambda: opened(weights))[1] >= len(CONTENT)


def test_a_cache_folder_that_is_a_link_is_left_alone(weights, cache, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    cache.parent.mkdir()
    cache.symlink_to(elsewhere)
    assert opened(weights) == CONTENT
    assert not list(elsewhere.iterdir())


def test_without_a_place_for_notes_it_works_all_the_same(weights, tmp_path, monkeypatch):
    for place in (tmp_path / "weights.bin", "/proc/nowhere"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        assert opened(weights) == CONTENT
        assert opened(weights, "0" * 64) is None


def test_a_user_without_a_home_that_can_be_written_gets_the_bytes(weights, tmp_path):
    """In a process that is not root's, whom no mode stops; what it needs is imported before."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom amogus_search import hashed_once\n"
        "hashed_once.ALWAYS_HASHED, hashed_once.SETTLED_SECONDS = 1000, 0.0\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        f"print([len(hashed_once.open_checked(Path(sys.argv[1]), {SHA256!r}).data) for _ in 'ab'])\n"
    )
    for folder in tmp_path.parents:
        if folder.name.startswith(("pytest-", "popen-")):  # pytest's, and one more for each of several processes
            folder.chmod(0o755)
    tmp_path.chmod(0o555)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path), "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(weights)], capture_output=True, text=True, env=environment, check=False
    )
    tmp_path.chmod(0o755)
    assert done.stdout == f"[{len(CONTENT)}, {len(CONTENT)}]\n", done.stderr
    assert not (tmp_path / "amogus_search").exists()


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no regular file"):
            open_checked(path, SHA256)
    with pytest.raises(FileNotFoundError):
        open_checked(tmp_path / "nothing", SHA256)
