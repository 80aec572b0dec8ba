from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from amogus_search.errors import AmogusError
from amogus_search.sources.folder import FolderSource


def names(root: Path, *, skipped: bool = False, **options: object) -> list[str]:
    entries = FolderSource([root], **options).scan()  # type: ignore[arg-type]
    return [os.path.relpath(os.fsdecode(e.path), root) for e in entries if (e.problem is not None) == skipped]


def tree(root: Path, *files: str) -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")


def test_a_walk_is_sorted_by_the_bytes_of_the_whole_path(tmp_path: Path) -> None:
    tree(tmp_path, "b.jpg", "a/z.jpg", "a.jpg", "a-b.jpg", "B/x.png")
    assert names(tmp_path) == ["B/x.png", "a-b.jpg", "a.jpg", "a/z.jpg", "b.jpg"]


def test_what_is_clearly_no_picture_is_no_candidate(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", "a.txt", "a.JSON", "a.xmp", "b", "c.weird", ".DS_Store", "._a.jpg", ".git/x.jpg", "v.mov")
    assert names(tmp_path) == ["._a.jpg", "a.jpg", "b", "c.weird"]


def test_a_file_named_directly_is_always_a_candidate(tmp_path: Path) -> None:
    tree(tmp_path, "note.txt")
    entry = next(FolderSource([tmp_path / "note.txt"]).scan())
    assert entry.problem is None
    assert entry.stat is not None
    assert entry.stat.size == 7


def test_an_index_folder_is_never_scanned(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", "index/catalog.sqlite", "index/thumb.jpg", "new/b.jpg")
    assert names(tmp_path, index_dir=tmp_path / "new") == ["a.jpg"]


def test_globs_leave_files_and_folders_out(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", "a.png", "cache/b.jpg", "deep/cache/c.jpg", "deep/d.jpg")
    assert names(tmp_path, exclude=["*.png", "cache"]) == ["a.jpg", "deep/d.jpg"]
    assert names(tmp_path, exclude=["deep/*"]) == ["a.jpg", "a.png", "cache/b.jpg"]


def test_links_are_not_followed_but_accounted_for(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    tree(outside, "o.jpg")
    tree(root, "a.jpg", "sub/b.jpg")
    (root / "loop").symlink_to(root)
    (root / "same.jpg").symlink_to(root / "a.jpg")
    (root / "away").symlink_to(outside)
    (root / "dangling.jpg").symlink_to("nowhere.jpg")
    (root / "self.jpg").symlink_to("self.jpg")
    problems = {os.path.basename(e.path): e.problem[0] for e in FolderSource([root]).scan() if e.problem}
    assert problems == {
        b"away": "outside_root",
        b"dangling.jpg": "not_regular",
        b"loop": "symlink_loop",
        b"same.jpg": "symlink_loop",
        b"self.jpg": "symlink_loop",
    }
    assert names(root) == ["a.jpg", "sub/b.jpg"]


def test_a_link_that_the_user_names_is_followed(tmp_path: Path) -> None:
    tree(tmp_path, "real/a.jpg")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "link.jpg").symlink_to("real/a.jpg")
    entries = list(FolderSource([tmp_path / "link", tmp_path / "link.jpg"]).scan())
    assert [e.problem for e in entries] == [None, None]
    assert entries[1].path == os.fsencode(tmp_path / "real/a.jpg")
    assert entries[1].root == os.fsencode(tmp_path / "link.jpg")


def test_only_regular_files_are_candidates(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jpg"))
    assert names(tmp_path) == ["a.jpg"]
    assert names(tmp_path, skipped=True) == ["pipe.jpg", "s.jpg"]


def test_a_file_or_folder_named_twice_is_scanned_once(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", "sub/b.jpg")
    entries = list(FolderSource([tmp_path / "sub", tmp_path, tmp_path / "a.jpg", tmp_path]).scan())
    assert [os.path.basename(e.path) for e in entries] == [b"b.jpg", b"a.jpg"]


def test_a_name_that_is_not_utf8_comes_through_as_bytes(tmp_path: Path) -> None:
    name = b"caf\xe9\n.jpg"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
        file.write(b"x")
    assert [os.path.basename(e.path) for e in FolderSource([os.fsencode(tmp_path)]).scan()] == [name]


def test_a_missing_path_stops_before_anything_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(AmogusError, match="no such file or folder"):
        FolderSource([tmp_path, tmp_path / "gone"])


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    tree(tmp_path, "readme.txt")
    with pytest.raises(AmogusError, match=r"no pictures in .*JPEG, PNG"):
        list(FolderSource([tmp_path]).scan())
    assert list(FolderSource([tmp_path], allow_empty=True).scan()) == []


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything, and tests often run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_may_not_be_read_is_an_entry_of_its_own() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tree(root, "a.jpg", "secret/b.jpg")
        root.chmod(0o755)
        (root / "secret").chmod(0)
        with without_privileges():
            problems = [e.problem for e in FolderSource([root]).scan()]
        (root / "secret").chmod(0o700)
    assert [p and p[0] for p in problems] == [None, "permission"]


def test_a_folder_that_vanishes_during_the_walk_is_reported(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", "b/c.jpg")
    walk = FolderSource([tmp_path]).scan()
    assert next(walk).problem is None
    (tmp_path / "b/c.jpg").unlink()
    (tmp_path / "b").rmdir()
    assert [e.problem and e.problem[0] for e in walk] == ["vanished"]


def only(root: Path, *scopes: str, **options: object) -> list[str]:
    source = FolderSource([root], **options)  # type: ignore[arg-type]
    found = source.scan_only([os.fsencode(root / scope) for scope in scopes])
    return [os.path.relpath(os.fsdecode(entry.path), root) for entry in found]


def test_some_paths_are_looked_at_as_a_whole_scan_would(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", "sub/b.jpg", "sub/deep/c.jpg", "sub/note.txt", ".git/d.jpg", "cache/e.jpg")
    tree(tmp_path, "idx/catalog.sqlite", "idx/f.jpg", "own/g.jpg")
    assert only(tmp_path, "a.jpg", "gone.jpg") == ["a.jpg"]
    assert only(tmp_path, "sub", "sub/b.jpg") == ["sub/b.jpg", "sub/deep/c.jpg"]
    assert only(tmp_path, "sub/deep/c.jpg", "sub/note.txt", ".git/d.jpg", ".git") == ["sub/deep/c.jpg"]
    assert only(tmp_path, "idx/f.jpg", "own/g.jpg", "own", index_dir=tmp_path / "own") == []
    assert only(tmp_path, "cache/e.jpg", "cache", "a.jpg", exclude=["cache"]) == ["a.jpg"]
    assert only(tmp_path, "") == names(tmp_path)


def test_a_path_behind_a_link_or_outside_is_not_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "root"
    tree(root, "a.jpg")
    tree(tmp_path / "away", "b.jpg")
    (root / "link").symlink_to(tmp_path / "away")
    assert only(root, "link/b.jpg", "../away/b.jpg", "a.jpg/x.jpg") == []
    assert only(root, "link") == ["link"]


def test_a_folder_that_was_met_by_another_name_is_told(tmp_path: Path) -> None:
    tree(tmp_path / "photos", "a.jpg", "sub/b.jpg")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "photos")
    source = FolderSource([link, tmp_path / "photos" / "sub", link])
    assert len(list(source.scan())) == 2
    assert source.found_elsewhere == {bytes(tmp_path / "photos" / "sub"): bytes(link / "sub")}
    assert len(list(source.scan_only([bytes(link)]))) == 2
    assert source.found_elsewhere == {}
