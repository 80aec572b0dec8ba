"""Files that are missing because their disk is: they were not deleted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amogus_search.core.types import FileEntry, FileStat
from amogus_search.pipeline.changes import Changes, compare
from amogus_search.pipeline.missing import device_of

ROOT, SUB = b"/photos", b"/photos/sub"
HOME, DISK, OTHER = 1, 7, 9
SETTLED = dict.fromkeys([b"/", ROOT], HOME)


@dataclass(frozen=True)
class Known:
    stat: FileStat | None
    sha256: str | None = "ab"
    reason: str | None = None
    tag: str = ""


def stat(number: int, device: int = HOME, inode: int | None = None) -> FileStat:
    return FileStat(device, number if inode is None else inode, 100 + number, 5, 5)


def on_disk(*numbers: int, device: int = DISK) -> dict[bytes, Known]:
    """What is known of files that lay in the folder of the disk."""
    return {b"/photos/sub/%d" % number: Known(stat(number, device)) for number in numbers}


def scan(*found: tuple[bytes, FileStat]) -> list[FileEntry]:
    return [FileEntry(path, ROOT, seen) for path, seen in found]


def compared(
    entries: list[FileEntry], known: dict[bytes, Known], devices: dict[bytes, int], **options: bool
) -> Changes:
    return compare(entries, known, [ROOT], device_of=lambda folder, _: devices.get(folder), **options)


def test_files_of_a_disk_that_is_not_mounted_below_a_root_are_kept() -> None:
    known = {**on_disk(1, 2), b"/photos/a": Known(stat(3)), b"/photos/b": Known(stat(4))}
    here = scan((b"/photos/a", stat(3)))
    changes = compared(here, known, {**SETTLED, SUB: HOME})
    assert changes.gone == [b"/photos/b"]
    assert "2 known files were on another disk than is at /photos/sub now; they are kept" in changes.notes[0]
    assert "--confirm-deletions" in changes.notes[0]
    assert len(compared(here, known, {**SETTLED, SUB: HOME}, forget_empty_roots=True).gone) == 3


def test_the_place_of_a_disk_may_have_gone_with_it() -> None:
    """Desktops remove it when the disk is taken out; the folder above is named then."""
    changes = compared(scan((b"/photos/a", stat(3))), on_disk(1, 2), SETTLED)
    assert changes.gone == []
    assert "than is at /photos now" in changes.notes[0]


def test_what_is_missing_on_a_disk_that_is_mounted_was_deleted() -> None:
    known = {**on_disk(1, 2), b"/photos/sub/deep/x": Known(stat(5, DISK))}
    changes = compared(scan((b"/photos/sub/1", stat(1, DISK))), known, {**SETTLED, SUB: DISK})
    assert changes.gone == [b"/photos/sub/2", b"/photos/sub/deep/x"]
    assert changes.notes == []


def test_another_disk_in_the_place_of_a_root_takes_nothing_away() -> None:
    known = {b"/photos/%d" % number: Known(stat(number)) for number in range(10)}
    changes = compared(scan((b"/photos/new", stat(50, OTHER))), known, {ROOT: OTHER, b"/": HOME})
    assert changes.gone == []
    assert "10 known files were on another disk than is at /photos now" in changes.notes[0]
    assert [entry.path for entry in changes.to_read] == [b"/photos/new"]


def test_a_disk_whose_number_changed_is_the_same_disk() -> None:
    """Network disks, subvolumes and disks that are plugged in get another one at any time."""
    known = on_disk(1, 2, 3)
    changes = compared(scan((b"/photos/sub/1", stat(1, OTHER))), known, {**SETTLED, SUB: OTHER})
    assert changes.gone == [b"/photos/sub/2", b"/photos/sub/3"]
    assert changes.notes == []


def test_without_the_old_inodes_half_of_the_files_must_be_there() -> None:
    """FAT gives out new ones each time; one old copy below the place of a disk is not the disk."""
    known = on_disk(1, 2, 3)
    devices = {**SETTLED, SUB: OTHER}
    one = scan((b"/photos/sub/1", stat(1, OTHER, inode=81)))
    assert compared(one, known, devices).gone == []
    two = [*one, *scan((b"/photos/sub/2", stat(2, OTHER, inode=82)))]
    assert compared(two, known, devices).gone == [b"/photos/sub/3"]


def test_files_may_be_on_another_device_than_their_folder() -> None:
    """Where layers of file systems are joined; what is missing among such files was deleted."""
    known = on_disk(1, 2)
    changes = compared(scan((b"/photos/sub/1", stat(1, DISK))), known, {**SETTLED, SUB: HOME})
    assert changes.gone == [b"/photos/sub/2"]


def test_files_of_a_disk_that_does_not_answer_are_kept() -> None:
    def failing(folder: bytes, is_root: bool) -> int | None:
        if folder == SUB:
            raise OSError(107, "transport endpoint is not connected")
        return HOME

    changes = compare(scan((b"/photos/a", stat(3))), on_disk(1, 2), [ROOT], device_of=failing)
    assert changes.gone == []
    assert len(changes.notes) == 1


def test_only_a_link_that_was_named_counts_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    device = tmp_path.stat().st_dev
    inside = bytes(tmp_path)
    assert device_of(inside, False) == device_of(inside + b"/link", True) == device
    assert device_of(inside + b"/link", False) is None
    assert device_of(inside + b"/file", True) is device_of(inside + b"/none", True) is None
