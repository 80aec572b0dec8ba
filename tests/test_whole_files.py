"""Files that are written whole: nothing is followed, nothing but a file is replaced, nothing is left behind."""

import errno
import os
import socket
import stat

import pytest

from amogus_search.errors import UsageError
from amogus_search.whole_files import in_place_of, is_leftover, refuse_special


def test_what_is_written_takes_the_place_at_the_end(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"before")
    with in_place_of(path) as part:
        part.write_bytes(b"after")
        assert path.read_bytes() == b"before"
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"a.csv": b"after"}


def test_after_an_error_what_was_there_stays_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), in_place_of(path) as part:
        part.write_bytes(b"%d" % (1 // 0))
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"a.csv": b"before"}


def test_links_under_the_names_that_were_once_written_to_are_not_followed(tmp_path):
    """`NAME.partial` and `NAME.part` were opened by name: a link of that name led into a photo."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    for name in ("a.csv.partial", "a.csv.part", ".a.csv.part", f".a.csv.{os.getpid()}.part"):
        (tmp_path / name).symlink_to(photo)
    with in_place_of(tmp_path / "a.csv") as part:
        part.write_bytes(b"table")
    assert (photo.read_bytes(), (tmp_path / "a.csv").read_bytes()) == (b"photo", b"table")


def test_a_link_under_the_very_name_is_not_followed_either(tmp_path, monkeypatch):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 16)
    link = tmp_path / ".amogus-0000000000000000.part"
    link.symlink_to(photo)
    with pytest.raises(FileExistsError), in_place_of(tmp_path / "a.csv"):
        pass
    assert (photo.read_bytes(), link.is_symlink()) == (b"photo", True)


def test_what_a_killed_run_left_is_known_and_in_nobody_s_way(tmp_path):
    with in_place_of(tmp_path / "a.mp4", ".part.mp4") as part:
        assert is_leftover(part)
        assert part.suffix == ".mp4"
    assert not is_leftover(tmp_path / "a.mp4")


def test_a_name_as_long_as_names_can_be_is_written(tmp_path):
    path = tmp_path / ("a" * 255)
    with in_place_of(path) as part:
        part.write_bytes(b"x")
    assert path.read_bytes() == b"x"


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, in_place_of(tmp_path / "none" / "a.csv"):
        pass
    assert caught.value.filename == str(tmp_path / "none" / "a.csv")
    with pytest.raises(OSError, match="No space") as full, in_place_of(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == str(tmp_path / "a.csv")


def test_files_are_as_readable_as_others(tmp_path):
    before = os.umask(0o027)
    try:
        with in_place_of(tmp_path / "a.csv"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o640


def _pipe(path):
    os.mkfifo(path)


def _socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(path))


def _device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 7))  # as /dev/full
    except OSError:
        pytest.skip("only root makes devices")


def _link(path):
    path.with_name("photo.jpg").write_bytes(b"photo")
    path.symlink_to("photo.jpg")


def _dangling(path):
    path.symlink_to("none")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_pipe, "a pipe"),
        (_socket, "a socket"),
        (_device, "a device"),
        (_link, "a link"),
        (_dangling, "a link"),
        (os.mkdir, "a folder"),
    ],
)
def test_only_files_are_replaced(tmp_path, monkeypatch, make, said):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.csv"
    make(path)
    before = os.lstat(path)
    for refused in (lambda: refuse_special(path), lambda: in_place_of(path).__enter__()):
        with pytest.raises(UsageError, match=said):
            refused()
    after = os.lstat(path)
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)
