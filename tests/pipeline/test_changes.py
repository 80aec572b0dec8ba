from __future__ import annotations

from dataclasses import dataclass

import pytest

from amogus_search.core.types import FileEntry, FileStat
from amogus_search.errors import AmogusError
from amogus_search.pipeline.changes import compare, guarded, known_sizes, refuse_mass_loss, trusted_stat
from amogus_search.settings import IndexSettings

ROOT = b"/photos"


@dataclass(frozen=True)
class Known:
    stat: FileStat | None
    sha256: str | None = "ab"
    reason: str | None = None
    tag: str = ""


def stat(number: int, **changes: int) -> FileStat:
    return FileStat(**{"dev": 1, "ino": number, "size": 100 + number, "mtime_ns": 5, "ctime_ns": 5, **changes})


def entry(name: str, seen: FileStat | None, problem: tuple[str, str] | None = None) -> FileEntry:
    return FileEntry(ROOT + b"/" + name.encode(), ROOT, seen, problem)


def test_a_file_that_looks_as_it_did_is_not_read() -> None:
    changes = compare([entry("a", stat(1))], {b"/photos/a": Known(stat(1))}, [ROOT])
    assert (changes.unchanged, changes.to_read, changes.gone) == (1, [], [])


@pytest.mark.parametrize("changed", [{"size": 9}, {"mtime_ns": 9}, {"ctime_ns": 9}, {"ino": 9}, {"dev": 9}])
def test_any_difference_has_a_file_read(changed: dict[str, int]) -> None:
    changes = compare([entry("a", stat(1, **changed))], {b"/photos/a": Known(stat(1))}, [ROOT])
    assert [e.path for e in changes.to_read] == [b"/photos/a"]


def test_a_skipped_file_stays_skipped_until_something_changes() -> None:
    known = {b"/photos/a": Known(stat(1), reason="corrupt", tag="v1")}
    assert compare([entry("a", stat(1))], known, [ROOT], decoders="v1").still_skipped == ["corrupt"]
    assert compare([entry("a", stat(2))], known, [ROOT], decoders="v1").to_read
    assert compare([entry("a", stat(1))], known, [ROOT], decoders="v2").to_read
    assert compare([entry("a", stat(1))], known, [ROOT], decoders=None).to_read


def test_a_file_that_could_not_be_reached_is_tried_again() -> None:
    known = {b"/photos/a": Known(stat(1), reason="permission", tag="v1")}
    assert compare([entry("a", stat(1))], known, [ROOT], decoders="v1").to_read


def test_only_files_under_scanned_roots_can_be_gone() -> None:
    known = {b"/photos/a": Known(stat(1)), b"/photos2/a": Known(stat(2)), b"/else/a": Known(stat(3))}
    assert compare([entry("b", stat(4))], known, [ROOT]).gone == [b"/photos/a"]


def test_only_a_file_of_an_indexed_size_can_be_a_copy() -> None:
    known = {b"/a": Known(stat(1)), b"/b": Known(stat(2), reason="corrupt"), b"/c": Known(None)}
    assert known_sizes(known) == {101}


def test_an_empty_root_loses_nothing_and_says_so() -> None:
    known = {b"/photos/a": Known(stat(1))}
    changes = compare([], known, [ROOT])
    assert changes.gone == []
    assert "has no pictures now; the 1 known ones are kept" in changes.notes[0]
    assert compare([], known, [ROOT], forget_empty_roots=True).gone == [b"/photos/a"]


def test_files_in_a_folder_that_cannot_be_read_are_kept() -> None:
    known = {b"/photos/sub/a": Known(stat(1)), b"/photos/b": Known(stat(2))}
    changes = compare([entry("sub", None, ("permission", "denied")), entry("c", stat(3))], known, [ROOT])
    assert changes.gone == [b"/photos/b"]
    assert "1 known files" in changes.notes[0]


def test_many_files_gone_at_once_stop_the_run() -> None:
    known = {b"/photos/%d" % n: Known(stat(n)) for n in range(10)}
    few = IndexSettings(gone_share=0.3, gone_least=2)
    scan = [entry(str(n), stat(n)) for n in range(6)]
    with pytest.raises(AmogusError, match="4 of 10 known files are gone"):
        refuse_mass_loss(compare(scan, known, [ROOT]), known, [ROOT], few)
    refuse_mass_loss(compare(scan, known, [ROOT]), known, [ROOT], IndexSettings())


def test_renamed_files_do_not_count_as_gone() -> None:
    """A renamed folder must not look like an unmounted disk."""
    known = {b"/photos/%d" % n: Known(stat(n)) for n in range(10)}
    scan = [entry(f"new/{n}", stat(n, ctime_ns=77)) for n in range(10)]
    changes = compare(scan, known, [ROOT])
    assert len(changes.gone) == 10
    refuse_mass_loss(changes, known, [ROOT], IndexSettings(gone_share=0.0, gone_least=0))


def test_the_stat_of_a_file_that_changed_just_now_is_not_trusted() -> None:
    """It may change again within one tick of the clock; the next run hashes it."""
    fresh = stat(1, mtime_ns=99)
    assert trusted_stat(fresh, 100, 10) != fresh
    assert trusted_stat(fresh, 100, 1) == fresh
    assert trusted_stat(None, 100, 10) is None


def test_only_what_was_looked_at_can_be_gone() -> None:
    known = {b"/photos/a": Known(stat(1)), b"/photos/sub/b": Known(stat(2)), b"/photos/c": Known(stat(3))}
    changes = compare([entry("a", stat(1))], known, [ROOT], scopes=[b"/photos/a", b"/photos/sub"])
    assert (changes.unchanged, changes.gone, changes.notes) == (1, [b"/photos/sub/b"], [])


def test_a_root_among_what_was_looked_at_is_kept_when_it_is_empty() -> None:
    known = {b"/photos/a": Known(stat(1))}
    changes = compare([], known, [ROOT], scopes=[ROOT])
    assert changes.gone == []
    assert changes.notes


def test_too_many_lost_files_can_be_kept_with_a_note() -> None:
    known = {b"/photos/%d" % n: Known(stat(n)) for n in range(10)}
    few = IndexSettings(gone_share=0.3, gone_least=2)
    changes = compare([entry(str(n), stat(n)) for n in range(6)], known, [ROOT])
    kept = guarded(changes, known, [ROOT], few, keep_missing=True)
    assert kept.gone == []
    assert kept.unchanged == 6
    assert "4 of 10 known files are gone" in kept.notes[0]
    with pytest.raises(AmogusError):
        guarded(changes, known, [ROOT], few, keep_missing=False)


def test_an_empty_root_in_another_root_loses_nothing_either() -> None:
    """Its disk may be unmounted, while that of the other is there."""
    known = {b"/photos/sub/a": Known(stat(1)), b"/photos/sub/b": Known(stat(2)), b"/photos/c": Known(stat(3))}
    changes = compare([entry("d", stat(4))], known, [ROOT, b"/photos/sub"])
    assert changes.gone == [b"/photos/c"]
    assert "/photos/sub has no pictures now; the 2 known ones are kept" in changes.notes[0]
    confirmed = compare([entry("d", stat(4))], known, [ROOT, b"/photos/sub"], forget_empty_roots=True)
    assert len(confirmed.gone) == 3


def test_a_root_that_was_scanned_under_another_name_is_not_empty() -> None:
    known = {b"/photos/sub/a": Known(stat(1))}
    scan = [FileEntry(b"/link/sub/a", b"/link", stat(1))]
    roots, names = [b"/link", b"/photos"], {b"/photos/sub": b"/link/sub"}
    changes = compare(scan, known, roots, found_elsewhere=names)
    assert (changes.gone, changes.notes) == ([b"/photos/sub/a"], [])
    refuse_mass_loss(changes, known, roots, IndexSettings(gone_share=0.0, gone_least=0))
    nothing = compare([], known, roots, found_elsewhere=names)
    assert nothing.gone == [], "the folder is empty by its other name too"
    assert "has no pictures now" in nothing.notes[0]
