"""One run of indexing: what it counts, how copies are told from new pictures, and when it commits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any

from amogus_search.core.types import ACCESS_REASONS, FileEntry, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.pipeline.ahead import Ahead, Put
from amogus_search.pipeline.changes import Changes, known_sizes, trusted_stat
from amogus_search.pipeline.commits import Batch, InTurns, Writer
from amogus_search.pipeline.detect import Prepared, detect_images
from amogus_search.pipeline.embed import embed_findings
from amogus_search.pipeline.index_ports import FileReader, IndexStore, KnownFile, RootedSource
from amogus_search.pipeline.progress import Progress
from amogus_search.pipeline.reading import Copy, Event, Reading
from amogus_search.pipeline.stopping import Stoppable
from amogus_search.pipeline.suspects import Suspects, condemned, remembered
from amogus_search.ports import Detector, Embedder, Verifier
from amogus_search.settings import AHEAD, DETECT, AheadSettings, DetectSettings, IndexSettings, Profile


@dataclass(frozen=True)
class Models:
    """What looks at the pictures."""

    detector: Detector
    embedder: Embedder | None
    profile: Profile
    verifier: Verifier | None = None
    settings: DetectSettings = DETECT


@dataclass(frozen=True)
class IndexReport:
    """What one run did; scanned = indexed + unchanged + skipped.

    scanned:     files that were dealt with
    indexed:     of these, new or changed; `reused` of them needed no model, since their content was known
    unchanged:   of these, in the index before, with the same content
    skipped:     of these, without a picture; `reasons` says how many why
    removed:     files that are no longer there
    unfinished:  files that an interrupted run did not get to
    interrupted: somebody stopped it; everything counted above is kept
    notes:       what the user should know, in full sentences
    reembedded:  regions that were in the index before and got vectors of another embedder
    changed:     of the indexed ones, those that the index knew with other content
    kept:        of the skipped ones, those that the index has and keeps: only access to them failed
    """

    scanned: int
    indexed: int
    unchanged: int
    skipped: int
    removed: int
    reused: int = 0
    unfinished: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    reasons: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reembedded: int = 0
    changed: int = 0
    kept: int = 0

    @property
    def inaccessible(self) -> int:
        """Files skipped for I/O or permission, and not for what they are."""
        return sum(count for reason, count in self.reasons.items() if reason in ACCESS_REASONS)


class Run:
    """One run's state: its counts, and the batch that is not committed yet; `index.index_images` drives it.

    Three threads share the work, so that the models hardly ever wait: one reads ahead (`Reading`), the caller's own
    runs the models and does all the counting, and one writes (`Writer`). A context manager: they end with it.
    """

    def __init__(
        self,
        reader: FileReader,
        models: Models,
        index: IndexStore,
        *,
        settings: IndexSettings,
        progress: Progress,
        should_stop: Callable[[], bool],
    ) -> None:
        self._reader, self._models, self._index = reader, models, InTurns(index)
        self._settings, self._progress = settings, progress
        self._detector: Any = Stoppable(models.detector, should_stop)
        self._known: Mapping[bytes, KnownFile] = {}
        self._before: Mapping[bytes, int] = {}
        self._reading = Reading(reader, self._index, models.detector, models.profile, should_stop)
        self._writer = Writer(lambda batch: self._index.write(batch, reader.version), self._is_written)
        self._batch = Batch()
        self._waiting: list[tuple[FileEntry, str]] = []
        self._reasons: Counter[str] = Counter()
        self._indexed = self._changed = self._reused = self._unchanged = self._removed = self._total = self._kept = 0
        self._scan_started_ns = time.time_ns()
        self._started = self._committed_at = time.monotonic()

    def __enter__(self) -> Run:
        self._before = self._index.in_flight()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        if isinstance(error, AmogusError | OSError | KeyboardInterrupt):
            # It did not die, and whatever was under way has no part in it. An error that nobody foresaw may come of
            # a picture, and counts as a death: so it is left alone after a while, and the others are indexed.
            with suppress(AmogusError, OSError):
                left = self._index.in_flight()
                self._index.keep_in_flight({path: n - 1 for path, n in self._before.items() if path in left})

    def scan(self, sources: Sequence[RootedSource]) -> Iterator[FileEntry]:
        """The entries of all sources."""
        for source in sources:
            for entry in source.scan():
                self._total += 1
                if self._total % 1000 == 0:
                    self._progress("scanning", self._total, None)
                yield entry

    def take_stock(self, changes: Changes, known: Mapping[bytes, KnownFile]) -> None:
        """Account for everything that needs no reading."""
        self._known = known
        self._unchanged = changes.unchanged
        self._reasons.update(changes.still_skipped)
        for skipped in changes.unusable:
            self._skip(skipped)
        self._tell()

    def read_all(self, entries: Sequence[FileEntry], suspects: Suspects, *, again: bool = False) -> None:
        """Hash, decode, look at and embed the files, committing as it goes; suspects one by one, and first.

        Args:
            entries: the files.
            suspects: what was under way when the last run died.
            again: also what cost a process before.
        """
        costly, sizes = ({}, frozenset[int]()) if again else remembered(self._known, self._reader.version)
        read = partial(self._reading.read, windows=AHEAD.windows, costly=costly)
        sizes |= known_sizes(self._known)
        others: list[FileEntry] = []
        for entry in entries:
            if entry.path in suspects.condemned and not again:
                self._skip(condemned(entry, suspects.condemned[entry.path], self._reader))
            elif entry.path in suspects.alone:
                self._index.keep_in_flight({entry.path: suspects.alone[entry.path]})
                self._look_at(partial(read, [entry], sizes, notes=False))
                self.finish()
            else:
                others.append(entry)
        self._look_at(partial(read, others, sizes))

    def _look_at(self, read: Callable[[Put[Event]], None], ahead: AheadSettings = AHEAD) -> None:
        models = self._models
        with Ahead[Event](read, most=ahead.pictures, most_bytes=ahead.bytes) as events:
            images = self._without_copies(events)
            found = detect_images(images, self._detector, models.profile, detect=models.settings)
            for item in embed_findings(found, models.embedder, models.verifier):
                if isinstance(item, SkippedImage):
                    self._skip(item)
                else:
                    self._batch.added.append(replace(item, entry=self._stamped(item.entry)))
                    self._count_indexed(item.entry)
                self._tell()
                self._commit_if_due()

    def commit(self) -> None:
        """Have written what waits, in one transaction; returns while it is under way."""
        self._writer.settle()
        new = {item.sha256 for item in self._batch.added}
        waiting, self._waiting = self._waiting, []
        for entry, sha256 in waiting:
            if sha256 in new or self._index.has_content(sha256):
                self._batch.attached.append((entry, sha256))
                self._count_attached(entry, sha256)
            else:
                self._waiting.append((entry, sha256))
        if self._batch:
            # Whoever interrupts this may have it handed over again: writing the same twice is harmless.
            self._writer.hand_over(self._batch)
            self._batch = Batch()
        self._committed_at = time.monotonic()

    def finish(self) -> None:
        """Write what waits, and return when all of it is durable, and nothing is under way any more."""
        self.commit()
        self._writer.settle()
        self._index.keep_in_flight({})

    def remove(self, gone: Sequence[bytes]) -> None:
        """Take files that are no longer there out of the index."""
        if gone:
            self._index.remove(gone)
            self._removed = len(gone)

    def report(self, interrupted: bool, notes: Sequence[str]) -> IndexReport:
        """What was done."""
        skipped = self._reasons.total()
        scanned = self._indexed + self._unchanged + skipped
        return IndexReport(
            scanned=scanned,
            indexed=self._indexed,
            unchanged=self._unchanged,
            skipped=skipped,
            removed=self._removed,
            reused=self._reused,
            changed=self._changed,
            unfinished=self._total - scanned,
            interrupted=interrupted,
            seconds=time.monotonic() - self._started,
            reasons=dict(sorted(self._reasons.items())),
            notes=(*notes, *self._note_on_kept()),
            kept=self._kept,
        )

    def _without_copies(self, events: Iterable[Event]) -> Iterator[Prepared | SkippedImage]:
        """What the models must see; copies of known pictures and of one another are only attached."""
        for event in events:
            if not isinstance(event, Copy):
                yield event
                continue
            if event.stored:
                self._attach(event.entry, event.sha256)
            else:
                self._waiting.append((self._stamped(event.entry), event.sha256))
            self._tell()
            self._commit_if_due()

    def _is_written(self, batch: Batch) -> None:
        self._reading.are_stored(item.sha256 for item in batch.added)

    def _attach(self, entry: FileEntry, sha256: str) -> None:
        self._batch.attached.append((self._stamped(entry), sha256))
        self._count_attached(entry, sha256)

    def _count_attached(self, entry: FileEntry, sha256: str) -> None:
        before = self._known.get(entry.path)
        if before is not None and before.reason is None and before.sha256 == sha256:
            self._unchanged += 1
        else:
            self._count_indexed(entry)
            self._reused += 1

    def _count_indexed(self, entry: FileEntry) -> None:
        before = self._known.get(entry.path)
        self._indexed += 1
        self._changed += before is not None and before.reason is None

    def _skip(self, skipped: SkippedImage) -> None:
        self._reasons[skipped.reason] += 1
        before = self._known.get(skipped.entry.path)
        if before is not None and before.reason is None and skipped.reason in ACCESS_REASONS:
            self._kept += 1  # that nobody may look at it now says nothing about what it shows: its answers stay
            return
        stamped = replace(skipped, entry=self._stamped(skipped.entry))
        tag = self._reader.version
        same = before is not None and (before.reason, before.tag) == (skipped.reason, tag)
        if before is None or not same or before.stat != stamped.entry.stat:
            self._batch.skipped.append(stamped)

    def _note_on_kept(self) -> list[str]:
        if not self._kept:
            return []
        return [
            f"{self._kept} known pictures cannot be read now; they count as skipped, are kept as they were, and the "
            "next run looks at them again."
        ]

    def _stamped(self, entry: FileEntry) -> FileEntry:
        stat = trusted_stat(entry.stat, self._scan_started_ns, self._settings.racy_ns)
        return entry if stat is entry.stat else replace(entry, stat=stat)

    def _commit_if_due(self) -> None:
        late = time.monotonic() - self._committed_at >= self._settings.commit_seconds
        if len(self._batch) >= self._settings.commit_images or (late and self._batch):
            self.commit()

    def _tell(self) -> None:
        skipped = self._reasons.total()
        self._progress("indexing", self._indexed + self._unchanged + skipped, self._total, skipped=skipped)
