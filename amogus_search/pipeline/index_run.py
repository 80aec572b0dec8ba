"""One run of indexing: what it counts, how copies are told from new pictures, and when it commits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from amogus_search.core.types import ACCESS_REASONS, DecodedImage, FileEntry, ImageFindings, SkippedImage
from amogus_search.errors import DecodeError
from amogus_search.pipeline.changes import Changes, known_sizes, trusted_stat
from amogus_search.pipeline.detect import detect_images
from amogus_search.pipeline.embed import embed_findings
from amogus_search.pipeline.index_ports import FileReader, IndexStore, KnownFile, RootedSource
from amogus_search.pipeline.progress import Progress
from amogus_search.ports import Detector, Embedder, Verifier
from amogus_search.settings import DETECT, DetectSettings, IndexSettings, Profile


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

    @property
    def inaccessible(self) -> int:
        """Files skipped for I/O or permission, and not for what they are."""
        return sum(count for reason, count in self.reasons.items() if reason in ACCESS_REASONS)


@dataclass
class _Batch:
    """What waits for the next commit."""

    added: list[ImageFindings] = field(default_factory=list)
    attached: list[tuple[FileEntry, str]] = field(default_factory=list)
    skipped: list[SkippedImage] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.added) + len(self.attached) + len(self.skipped)


class Run:
    """One run's state: its counts, and the batch that is not committed yet; `index.index_images` drives it."""

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
        self._reader, self._models, self._index = reader, models, index
        self._settings, self._progress, self._should_stop = settings, progress, should_stop
        self._known: Mapping[bytes, KnownFile] = {}
        self._sizes: frozenset[int] = frozenset()
        self._batch = _Batch()
        self._waiting: list[tuple[FileEntry, str]] = []
        self._under_way: set[str] = set()
        self._reasons: Counter[str] = Counter()
        self._indexed = self._reused = self._unchanged = self._removed = self._total = 0
        self._scan_started_ns = time.time_ns()
        self._started = self._committed_at = time.monotonic()

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
        self._known, self._sizes = known, known_sizes(known)
        self._unchanged = changes.unchanged
        self._reasons.update(changes.still_skipped)
        for skipped in changes.unusable:
            self._skip(skipped)
        self._tell()

    def read_all(self, entries: Sequence[FileEntry]) -> None:
        """Hash, decode, look at and embed the files, committing as it goes."""
        models = self._models
        images = self._unknown_contents(self._reader.decode(self._not_copies(entries)))
        found = detect_images(images, models.detector, models.profile, detect=models.settings)
        for item in embed_findings(found, models.embedder, models.verifier):
            if isinstance(item, SkippedImage):
                self._skip(item)
            else:
                self._batch.added.append(replace(item, entry=self._stamped(item.entry)))
                self._indexed += 1
            self._tell()
            self._commit_if_due()

    def commit(self) -> None:
        """Write what waits, in one transaction."""
        batch, self._batch = self._batch, _Batch()
        new = {item.sha256 for item in batch.added}
        waiting, self._waiting = self._waiting, []
        for entry, sha256 in waiting:
            if sha256 in new or self._index.has_content(sha256):
                batch.attached.append((entry, sha256))
                self._count_attached(entry, sha256)
            else:
                self._waiting.append((entry, sha256))
        if batch:
            try:
                self._index.write(
                    added=batch.added, attached=batch.attached, skipped=batch.skipped, skip_tag=self._reader.version
                )
            except BaseException:
                self._batch = batch  # whoever interrupted us may want it written after all; doing so twice is harmless
                raise
            self._under_way -= new
        self._committed_at = time.monotonic()

    def remove(self, gone: Sequence[bytes]) -> None:
        """Take files that are no longer there out of the index."""
        if gone:
            self._index.write(removed=gone)
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
            unfinished=self._total - scanned,
            interrupted=interrupted,
            seconds=time.monotonic() - self._started,
            reasons=dict(sorted(self._reasons.items())),
            notes=tuple(notes),
        )

    def _not_copies(self, entries: Sequence[FileEntry]) -> Iterator[FileEntry]:
        """The files to be decoded: those whose size is that of a known one are hashed first."""
        for entry in entries:
            if self._should_stop():
                return
            sha256 = self._known_digest(entry)
            if sha256 is None:
                yield entry
                continue
            self._tell()
            self._commit_if_due()

    def _known_digest(self, entry: FileEntry) -> str | None:
        """The digest of a file whose content is in the index already; the file is then done with."""
        if entry.stat is None or entry.stat.size not in self._sizes:
            return None
        try:
            sha256, stat = self._reader.digest(entry)
        except DecodeError:
            return None  # the decoder will find the same, and is the one to say so
        if not self._index.has_content(sha256):
            return None
        self._attach(replace(entry, stat=stat), sha256)
        return sha256

    def _unknown_contents(self, images: Iterator[DecodedImage | SkippedImage]) -> Iterator[DecodedImage | SkippedImage]:
        """The pictures that the models must see; copies of known ones and of one another are only attached."""
        for image in images:
            if isinstance(image, SkippedImage):
                yield image
            elif image.sha256 in self._under_way:
                self._waiting.append((self._stamped(image.entry), image.sha256))
            elif self._index.has_content(image.sha256):
                self._attach(image.entry, image.sha256)
            else:
                self._under_way.add(image.sha256)
                yield image

    def _attach(self, entry: FileEntry, sha256: str) -> None:
        self._batch.attached.append((self._stamped(entry), sha256))
        self._count_attached(entry, sha256)

    def _count_attached(self, entry: FileEntry, sha256: str) -> None:
        before = self._known.get(entry.path)
        if before is not None and before.reason is None and before.sha256 == sha256:
            self._unchanged += 1
        else:
            self._indexed += 1
            self._reused += 1

    def _skip(self, skipped: SkippedImage) -> None:
        self._reasons[skipped.reason] += 1
        stamped = replace(skipped, entry=self._stamped(skipped.entry))
        before = self._known.get(stamped.entry.path)
        tag = self._reader.version
        same = before is not None and (before.reason, before.tag) == (skipped.reason, tag)
        if before is None or not same or before.stat != stamped.entry.stat:
            self._batch.skipped.append(stamped)

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
