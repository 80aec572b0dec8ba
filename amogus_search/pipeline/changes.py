"""What a scan says about an index: which files are as they were, which must be read, which are gone.

Comparisons only: nothing here opens a file or writes an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from amogus_search.core.types import ACCESS_REASONS, FileEntry, FileStat, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.pipeline.index_ports import KnownFile
from amogus_search.pipeline.missing import DeviceOf, Disks, note_on_disks, roots_that_count, under
from amogus_search.settings import IndexSettings


@dataclass(frozen=True, eq=False)
class Changes:
    """A scan compared with an index.

    unchanged:     number of indexed files that look as they did
    still_skipped: reasons of the files that were skipped before and look as they did
    unusable:      files that the scan itself found to be unusable
    to_read:       files to be hashed or decoded
    gone:          paths that the index knows and the scan did not meet
    notes:         what the user should know, in full sentences
    """

    unchanged: int
    still_skipped: list[str]
    unusable: list[SkippedImage]
    to_read: list[FileEntry]
    gone: list[bytes]
    notes: list[str] = field(default_factory=list)


def compare(
    entries: Iterable[FileEntry],
    known: Mapping[bytes, KnownFile],
    roots: Sequence[bytes],
    *,
    decoders: str | None = None,
    forget_empty_roots: bool = False,
    scopes: Sequence[bytes] | None = None,
    found_elsewhere: Mapping[bytes, bytes] | None = None,
    device_of: DeviceOf | None = None,
) -> Changes:
    """What is to be done for the scanned entries.

    Args:
        entries: the whole scan.
        known: what the index remembers, by path.
        roots: what was scanned; known files elsewhere are left alone.
        decoders: version of the decoders; files that others skipped are tried again. None: all skipped ones are.
        forget_empty_roots: count the files of a root without any entry as gone, and those whose disk is not there;
            without it they are kept.
        scopes: only these were scanned, being roots or paths in them; the caller knows that the others' roots are
            there, so that a scope without any entry is gone. None: all roots were.
        found_elsewhere: folders that were not entered, since the scan met them before -> by that name; read after it.
        device_of: the device that a folder is on; None: disks are not asked about.
    """
    changes = Changes(0, [], [], [], [])
    seen: set[bytes] = set()
    disks = Disks(roots, device_of) if device_of and not forget_empty_roots else None
    unchanged = 0
    for entry in entries:
        seen.add(entry.path)
        before = known.get(entry.path)
        if disks and entry.stat is not None:
            disks.note(entry.path, entry.stat, before.stat if before is not None else None)
        if entry.problem is not None:
            changes.unusable.append(SkippedImage(entry, *entry.problem))
        elif before is None or entry.stat is None or before.stat != entry.stat:
            changes.to_read.append(entry)
        elif before.reason is None:
            unchanged += 1
        elif before.reason in ACCESS_REASONS or decoders is None or before.tag != decoders:
            changes.to_read.append(entry)
        else:
            changes.still_skipped.append(before.reason)
    scanned = set(roots if scopes is None else scopes)
    counting, silent, notes = roots_that_count(
        [root for root in roots if root in scanned], seen, known, found_elsewhere or {}, forget_empty=forget_empty_roots
    )
    unreadable = {problem.entry.path for problem in changes.unusable if problem.reason in ACCESS_REASONS}
    missing = [path for path in under([*counting, *(scanned - set(roots))], known) if path not in seen]
    kept = set(under(unreadable, missing))
    if kept:
        notes.append(f"{len(kept)} known files lie in folders that cannot be read now; they are kept.")
    kept |= set(under(silent, missing))  # such a root may lie in one that counts
    apart = disks.elsewhere([path for path in missing if path not in kept], known) if disks else {}
    if apart:
        notes.append(note_on_disks(apart))
    gone = sorted(path for path in missing if path not in kept and path not in apart)
    return replace(changes, unchanged=unchanged, gone=gone, notes=notes)


def refuse_mass_loss(
    changes: Changes, known: Mapping[bytes, KnownFile], roots: Sequence[bytes], settings: IndexSettings
) -> None:
    """Stop when so much is gone at once that a disk is probably not mounted. Renamed files do not count.

    Raises:
        AmogusError: more than both limits of the settings; nothing was changed yet.
    """
    moved = {_identity(entry.stat) for entry in changes.to_read}
    lost = sum(_identity(known[path].stat) not in moved for path in changes.gone)
    of_all = len(under(roots, known))
    if lost > settings.gone_least and lost > settings.gone_share * of_all:
        raise AmogusError(
            f"{lost} of {of_all} known files are gone, as if a disk were not mounted; nothing was changed",
            "if they were really deleted, run it again with --confirm-deletions",
        )


def guarded(
    changes: Changes,
    known: Mapping[bytes, KnownFile],
    roots: Sequence[bytes],
    settings: IndexSettings,
    *,
    keep_missing: bool,
) -> Changes:
    """The same if not too much is gone at once; otherwise an error, or without what is gone and with a note."""
    try:
        refuse_mass_loss(changes, known, roots, settings)
    except AmogusError as error:
        if not keep_missing:
            raise
        note = f"{error.problem.removesuffix('; nothing was changed')}; they are kept: {error.hint}."
        return replace(changes, gone=[], notes=[*changes.notes, note])
    return changes


def known_sizes(known: Mapping[bytes, KnownFile]) -> frozenset[int]:
    """Sizes of the indexed files: only a file of one of these sizes can be a copy of one of them."""
    return frozenset(file.stat.size for file in known.values() if file.stat is not None and file.reason is None)


def trusted_stat(stat: FileStat | None, scan_started_ns: int, racy_ns: int) -> FileStat | None:
    """The stat to remember: spoilt on purpose if the file changed just before it was read.

    Such a file may change again within the same tick of the file system's clock and look unchanged. A stat
    that never equals a real one has it hashed the next time; its content is then known, and nothing else is done.
    """
    if stat is None or max(stat.mtime_ns, stat.ctime_ns) <= scan_started_ns - racy_ns:
        return stat
    return replace(stat, ctime_ns=0)


def _identity(stat: FileStat | None) -> tuple[int, int, int] | None:
    return None if stat is None else (stat.dev, stat.ino, stat.size)
