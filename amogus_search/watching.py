"""An index that follows its folders: a whole run first, then one over what changed whenever something did.

The system's events only say where to look; what happened there is found by the same comparison of a scan with the
index as in any run. So an event that comes twice, or for something that is over, does no harm, and whatever happens
during a run is looked at by the next. The index is locked while a run is under way, and not between runs.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fsencode
from pathlib import Path

from amogus_search.core.paths import display_path
from amogus_search.core.types import FileEntry, FileStat
from amogus_search.errors import AmogusError, IndexLockedError, IndexStateError, UsageError
from amogus_search.indexing import Choice, Loaded, Run, index_source
from amogus_search.pipeline.index import IndexReport, refuse_index_in_source
from amogus_search.pipeline.waiting import ChangedPaths
from amogus_search.settings import WATCH, WatchSettings
from amogus_search.sources import watch
from amogus_search.sources.folder import FolderSource
from amogus_search.store.index import Index

_FATAL = (IndexStateError, UsageError)
"""Errors that waiting does not mend."""
_LINK_REASONS = frozenset({"symlink_loop", "outside_root", "not_regular"})
_Place = tuple[int, int] | None
_AS_BEFORE, _RUN = Choice(), Run()


def follow(
    paths: Iterable[str | PathLike[str]],
    folder: str | PathLike[str],
    choice: Choice = _AS_BEFORE,
    run: Run = _RUN,
    *,
    settings: WatchSettings = WATCH,
) -> Iterator[IndexReport | str]:
    """What each run did, and what there is to say between them, until `run.should_stop` says so.

    The first report is that of a whole run, as `index_paths` makes it. Later ones are of runs in which something
    changed; in them missing files are never taken for deleted when their folder is not there, or when too many of
    them are gone at once, and `run.confirm_deletions` counts for the first run only.

    Raises:
        MissingExtraError: watchfiles is not installed.
        AmogusError: as `index_paths`, from the first run; later only what waiting does not mend.
    """
    watch.require()
    follower = _Follower([fsencode(path) for path in paths], Path(folder), choice, run, settings)
    try:
        yield from follower.first()
        while not run.should_stop():
            yield from follower.step()
    finally:
        follower.close()


@dataclass(frozen=True)
class _Steady:
    """Folders that are there and must stay there meanwhile, or some paths in them (`scopes`); a source."""

    roots: Sequence[bytes]
    source: FolderSource
    scopes: Sequence[bytes] | None
    places: Mapping[bytes, _Place]

    @property
    def found_elsewhere(self) -> dict[bytes, bytes]:
        """As the source has it."""
        return self.source.found_elsewhere

    def scan(self) -> Iterator[FileEntry]:
        """Raises AmogusError if a folder went away meanwhile: what is missing then is not gone."""
        yield from self.source.scan() if self.scopes is None else self.source.scan_only(self.scopes)
        for root in self.roots:
            if place_of(root) != self.places[root]:
                raise AmogusError(f"{display_path(root)} went away while it was looked through")


class _Follower:
    """The state between runs: what is to be looked at, and which folders are there."""

    def __init__(self, paths: Sequence[bytes], folder: Path, choice: Choice, run: Run, settings: WatchSettings) -> None:
        self._folder, self._choice, self._run, self._settings = folder, choice, run, settings
        self._source = FolderSource(
            paths, exclude=run.exclude, index_dir=folder, allow_empty=True
        )  # it refuses what is not there
        self._roots = self._source.roots
        self._strict = FolderSource(paths, exclude=run.exclude, index_dir=folder, allow_empty=run.confirm_deletions)
        self._own = tuple(dict.fromkeys((os.path.abspath(fsencode(folder)), os.path.realpath(fsencode(folder)))))
        self._places: dict[bytes, _Place] = {root: place_of(root) for root in self._roots}
        self._real = {root: os.path.realpath(root) for root in self._roots}
        self._strange: dict[bytes, _Place] = {}
        self._work = ChangedPaths(settings)
        self._watch: watch.FolderWatch | None = None
        self._said: set[str] = set()

    def first(self) -> Iterator[IndexReport | str]:
        """A whole run, watched from before its start."""
        if not self._run.own_place:
            refuse_index_in_source(fsencode(self._folder), self._roots)
        self._loaded = Loaded.of(self._choice, self._folder)
        yield from self._watch_anew()
        report = index_source(self._strict, self._folder, self._loaded, self._choice, self._run)
        self._work.whole_done(self._now())
        yield report
        # Only the first run may exchange vectors, try skipped files again and believe that everything was deleted.
        self._run = replace(self._run, confirm_deletions=False, retry_skipped=False, keep_missing=True, budget=None)
        self._choice = _AS_BEFORE

    def step(self) -> Iterator[IndexReport | str]:
        """Wait a tick for events, and do what is due."""
        yield from self._collect()
        yield from self._look_after_folders()
        scopes = self._work.due(self._now())
        if scopes is None or self._run.should_stop():
            return
        there = [root for root in self._roots if self._places[root] is not None]
        if there:
            yield from self._go(there, scopes)

    def close(self) -> None:
        """Watch no longer."""
        if self._watch is not None:
            self._watch.close()

    def _now(self) -> float:
        return time.monotonic()

    # Events

    def _collect(self) -> Iterator[str]:
        try:
            found = self._watch.paths() if self._watch is not None else self._idle()
        except watch.WatchLostError:
            yield from self._watch_anew()
            self._work.look_through_all(self._now())
            return
        named = {self._as_named(path) for path in found}
        if named & set(self._roots):  # a root itself was moved, removed or replaced: its watch may be void
            yield from self._watch_anew()
            self._work.look_through_all(self._now())
        self._work.add(named, self._now())

    def _idle(self) -> set[bytes]:
        time.sleep(self._settings.tick_s)
        return set()

    def _watch_anew(self) -> Iterator[str]:
        """Watch the folders that are there; if that cannot be, look through them from time to time."""
        self.close()
        self._watch = None
        there = [root for root in self._roots if self._places[root] is not None]
        self._work.often = False
        if not there:
            return
        try:
            self._watch = watch.FolderWatch(there, self._is_own, self._run.should_stop, self._settings.tick_s)
        except watch.WatchLostError as error:
            self._work.often = True
            yield from self._say(
                f"{error.problem} ({error.hint}); the folders are looked through every {self._settings.again_s:g} s"
            )

    def _is_own(self, path: bytes) -> bool:
        return any(path == own or path.startswith(own + b"/") for own in self._own)

    def _as_named(self, path: bytes) -> bytes:
        """The path below the root as it was named; some systems tell where links lead."""
        for root, real in self._real.items():
            if real != root and (path == real or path.startswith(real + b"/")):
                return root + path[len(real) :]
        return path

    # Folders that come and go

    def _look_after_folders(self) -> Iterator[str]:
        now = {root: place_of(root) for root in self._roots}
        self._strange = {root: place for root, place in self._strange.items() if place == now[root]}
        for root, place in now.items():
            if place not in (None, self._places[root], self._strange.get(root)) and self._leads_astray(root):
                self._strange[root] = place
                yield (
                    f"{display_path(root)} leads to {display_path(os.path.realpath(root))} now, where nothing is that "
                    "the index knows of it; nothing is removed, and it is followed again when it leads back (amogus "
                    "index with --confirm-deletions takes it as it is now)"
                )
        now |= dict.fromkeys(self._strange)
        if now == self._places:
            return
        before, self._places = self._places, now
        self._real |= {root: os.path.realpath(root) for root, place in now.items() if place is not None}
        for root in self._roots:
            if now[root] is None and root in self._strange:
                continue
            if now[root] is None and before[root] is not None:
                yield (
                    f"{display_path(root)} is gone (is its disk unmounted?); nothing is removed, and it is followed "
                    "again when it is back"
                )
            elif now[root] is not None and before[root] is None:
                yield f"{display_path(root)} is back"
        yield from self._watch_anew()
        self._work.look_through_all(self._now())

    def _leads_astray(self, root: bytes) -> bool:
        """Whether a link leads elsewhere than before, to none of the indexed files: its disk may not be mounted."""
        if os.path.realpath(root) == self._real[root]:
            return False
        with Index.open(self._folder) as index:
            known = [(path, file.stat) for path, file in index.known_files([root]).items() if file.reason is None]
        return bool(known) and not any(before is not None and _is_there(path, before) for path, before in known)

    # Runs

    def _go(self, there: Sequence[bytes], scopes: Sequence[bytes]) -> Iterator[IndexReport | str]:
        """One run over these paths, or over everything if there are none; and what came of it."""
        try:
            report = self._run_over(there, scopes)
        except IndexLockedError as error:
            self._work.put_back(scopes, self._now() + self._settings.retry_s)
            yield from self._say(f"{error.problem}; trying again until it is done")
            return
        except _FATAL:
            raise
        except AmogusError as error:
            self._work.put_back((), self._now() + self._settings.again_s)
            yield from self._say(f"{error.problem}; trying again in {self._settings.again_s:g} s. {error.hint}")
            return
        if not scopes:
            self._work.whole_done(self._now())
        yield from (note for note in report.notes if note not in self._said)
        self._said = set(report.notes)
        if scopes or report.indexed or report.removed or report.interrupted:
            yield report

    def _run_over(self, there: Sequence[bytes], scopes: Sequence[bytes]) -> IndexReport:
        if not scopes:
            whole = FolderSource(there, exclude=self._run.exclude, index_dir=self._folder, allow_empty=True)
            steady = _Steady(tuple(there), whole, None, dict(self._places))
            return index_source(steady, self._folder, self._loaded, self._choice, self._run)
        inside = [path for path in {*scopes, *self._turned_links()} if _root_of(path, there) is not None]
        scoped = _Steady(tuple(there), self._source, inside, dict(self._places))
        return index_source(scoped, self._folder, self._loaded, self._choice, self._run, scopes=inside)

    def _turned_links(self) -> list[bytes]:
        """Known links that mean something else now: there is no event for a link whose target comes or goes."""
        with Index.open(self._folder) as index:
            known = {path: reason for path, reason, _ in index.skipped() if reason in _LINK_REASONS}
        now = {entry.path: entry.problem and entry.problem[0] for entry in self._source.scan_only(list(known))}
        return [path for path, reason in known.items() if now.get(path) != reason]

    def _say(self, text: str) -> Iterator[str]:
        """The text, unless it was said since the last run that came to its end."""
        if text not in self._said:
            self._said.add(text)
            yield text


def place_of(root: bytes) -> tuple[int, int] | None:
    """Which folder or file a path leads to, as device and inode; None while there is none.

    Another disk below the same name, or none, is another place.
    """
    try:
        found = os.stat(root)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode) else None


def _is_there(path: bytes, before: FileStat) -> bool:
    """Whether a file looks as it did, on whatever disk."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (before.size, before.mtime_ns)


def _root_of(path: bytes, roots: Sequence[bytes]) -> bytes | None:
    return next((root for root in roots if path == root or path.startswith(os.path.join(root, b""))), None)
