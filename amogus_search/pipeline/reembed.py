"""The verb "re-embed": the vectors of another embedder for all that an index holds, without looking for it again.

Every picture is decoded once more and cut along its stored boxes, as indexing did, so the vectors are those that
an index made with that embedder from the start would hold. The detector has no part in it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from amogus_search.core.paths import display_path
from amogus_search.core.types import DecodedImage, Detections, FileEntry, ImageFindings, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.pipeline.embed import embed_findings
from amogus_search.pipeline.progress import Progress, Silent
from amogus_search.ports import Decoder, Embedder
from amogus_search.settings import INDEX, IndexSettings

STAGE = "re-embedding"


class ForgottenFiles(Protocol):
    """What an exchange of vectors left without any."""

    @property
    def files(self) -> Sequence[bytes]:
        """Paths that are new to the next run."""
        ...


class Stand(Protocol):
    """How far an exchange is, in pictures of different content."""

    @property
    def done(self) -> int:
        """Those with new vectors."""
        ...

    @property
    def total(self) -> int:
        """All of them."""
        ...


class VectorExchange(Protocol):
    """What re-embedding needs of an index."""

    def stand(self) -> Stand:
        """How far it is."""
        ...

    def pending(self) -> Iterator[tuple[str, list[FileEntry]]]:
        """(sha256, files) of every content that has no new vectors yet."""
        ...

    def detections(self, sha256: str) -> Detections:
        """The stored findings of a content."""
        ...

    def write(self, pictures: Sequence[ImageFindings]) -> None:
        """Keep new vectors, in one transaction."""
        ...

    def switch(self) -> ForgottenFiles:
        """Put the new vectors in the place of the old ones, in one transaction."""
        ...


@dataclass(frozen=True)
class ReembedReport:
    """What one run did.

    pictures, regions: embedded by this run; a picture is a content, whatever number of files it has
    lost:        files that could not be read again, or whose content is another now, and that no copy stands for
    forgotten:   paths that are new to the next run of indexing
    interrupted: somebody stopped it; the index has its old vectors, and what was embedded is kept for the next run
    """

    pictures: int
    regions: int
    lost: tuple[SkippedImage, ...] = ()
    forgotten: tuple[bytes, ...] = ()
    interrupted: bool = False
    seconds: float = 0.0


def reembed(
    exchange: VectorExchange,
    reader: Decoder,
    embedder: Embedder,
    *,
    settings: IndexSettings = INDEX,
    progress: Progress = Silent(),  # noqa: B008 - it has no state
    should_stop: Callable[[], bool] = lambda: False,
    confirm_deletions: bool = False,
) -> ReembedReport:
    """Embed all regions of an index anew, and have its vectors exchanged once all are there.

    Args:
        exchange: the index.
        reader: decodes as it did for indexing.
        embedder: the new one.
        settings: how often to commit, and when to doubt that files are gone.
        progress: told after every picture.
        should_stop: asked between pictures; once true, the pictures at hand are finished and kept.
        confirm_deletions: go on without files that cannot be read, however many they are.

    Raises:
        AmogusError: too many files are gone; the index is as it was, and what was embedded is kept.
    """
    run = _Run(exchange, reader, settings, progress, should_stop)
    try:
        run.embed_all(embedder)
        interrupted = should_stop()
    except KeyboardInterrupt:
        interrupted = True
    run.commit()
    if interrupted:
        return run.report(interrupted=True)
    if not confirm_deletions:
        run.refuse_mass_loss()
    return run.report(forgotten=tuple(exchange.switch().files))


class _Run:
    """One run's state: what waits for the next commit, and which contents must be looked for under another path."""

    def __init__(
        self,
        exchange: VectorExchange,
        reader: Decoder,
        settings: IndexSettings,
        progress: Progress,
        should_stop: Callable[[], bool],
    ) -> None:
        self._exchange, self._reader, self._settings = exchange, reader, settings
        self._progress, self._should_stop = progress, should_stop
        self._again: list[tuple[str, list[FileEntry]]] = []
        self._lost: list[SkippedImage] = []
        self._batch: list[ImageFindings] = []
        self._pictures = self._regions = 0
        stand = exchange.stand()
        self._before, self._total = stand.done, stand.total
        self._started = self._committed_at = time.monotonic()

    def embed_all(self, embedder: Embedder) -> None:
        """Embed every pending content by the first of its files that still holds it."""
        pending = list(self._exchange.pending())
        while pending:
            for finding in embed_findings(self._pictures_of(pending), embedder):
                assert isinstance(finding, ImageFindings)  # what cannot be read does not get so far
                self._batch.append(finding)
                self._pictures, self._regions = self._pictures + 1, self._regions + 1 + len(finding.detections)
                self._tell()
                self._commit_if_due()
            pending, self._again = self._again, []

    def commit(self) -> None:
        """Keep what is embedded."""
        if self._batch:
            self._exchange.write(self._batch)
            self._batch = []
        self._committed_at = time.monotonic()

    def refuse_mass_loss(self) -> None:
        """Stop when so much cannot be read that a disk is probably not mounted.

        Raises:
            AmogusError: more than both limits of the settings.
        """
        lost, known = len(self._lost), self._total
        if lost > self._settings.gone_least and lost > self._settings.gone_share * known:
            first = self._lost[0]
            raise AmogusError(
                f"{lost} of {known} pictures to re-embed cannot be read any more (the first is "
                f"{display_path(first.entry.path)}: {first.reason}), as if a disk were not mounted; the index is as "
                "it was",
                "mount it and run the same command again, which goes on from here; if they were really deleted, add "
                "--confirm-deletions",
            )

    def report(self, *, forgotten: tuple[bytes, ...] = (), interrupted: bool = False) -> ReembedReport:
        """What was done."""
        seconds = time.monotonic() - self._started
        return ReembedReport(self._pictures, self._regions, tuple(self._lost), forgotten, interrupted, seconds)

    def _pictures_of(self, pending: list[tuple[str, list[FileEntry]]]) -> Iterator[tuple[DecodedImage, Detections]]:
        handed_out: deque[tuple[str, list[FileEntry]]] = deque()

        def entries() -> Iterator[FileEntry]:
            for content in pending:
                if self._should_stop():
                    return
                handed_out.append(content)
                yield content[1][0]

        for image in self._reader.decode(entries()):
            sha256, files = handed_out.popleft()
            if isinstance(image, DecodedImage) and image.sha256 == sha256:
                yield image, self._exchange.detections(sha256)
            elif len(files) > 1:
                self._again.append((sha256, files[1:]))
            else:
                self._lost.append(image if isinstance(image, SkippedImage) else _changed(image.entry))

    def _commit_if_due(self) -> None:
        late = time.monotonic() - self._committed_at >= self._settings.commit_seconds
        if late or len(self._batch) >= self._settings.commit_images:
            self.commit()

    def _tell(self) -> None:
        self._progress(STAGE, self._before + self._pictures + len(self._lost), self._total, skipped=len(self._lost))


def _changed(entry: FileEntry) -> SkippedImage:
    return SkippedImage(entry, "changed_while_reading", "its content is another one now")
