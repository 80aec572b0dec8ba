"""Findings in, vectors out: whole pictures and crops, of many pictures, share the models' batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.cropping import crop
from amogus_search.core.types import DecodedImage, Detections, ImageFindings, Pixels, Scores, SkippedImage
from amogus_search.ports import Embedder, Verifier
from amogus_search.settings import CROPS, EMBED, CropSettings, EmbedSettings

_Found: TypeAlias = tuple[DecodedImage, Detections] | SkippedImage
_Rows: TypeAlias = NDArray[np.float32]


def crops_of(image: DecodedImage, detections: Detections, pad_ratio: float) -> list[Pixels]:
    """The padded crops of all findings, in their order, cut from the decoded pixels."""
    scale = np.asarray(image.zoom_xy * 2, np.float32)
    return [crop(image.pixels, box * scale, pad_ratio) for box in detections.xyxy]


def embed_findings(
    found: Iterable[_Found],
    embedder: Embedder | None,
    verifier: Verifier | None = None,
    *,
    crops: CropSettings = CROPS,
    settings: EmbedSettings = EMBED,
) -> Iterator[ImageFindings | SkippedImage]:
    """Everything the models say of each picture, in the order of the input.

    Args:
        found: what `detect_images` yields.
        embedder: makes the vectors; None leaves them out.
        verifier: the second opinion; None leaves the margins at NaN.
        crops: how findings are cut out.
        settings: how much may wait for a batch to fill.
    """
    line = _Line(embedder, verifier, crops.pad_ratio)
    for item in found:
        line.add(item)
        if line.length >= settings.images_waiting or line.waiting_bytes >= settings.bytes_waiting:
            line.finish()
        yield from line.done()
    line.finish()
    yield from line.done()


def verify_findings(
    found: Iterable[_Found],
    verifier: Verifier,
    *,
    crops: CropSettings = CROPS,
    settings: EmbedSettings = EMBED,
) -> Iterator[_Found]:
    """The same findings with the verifier's margins filled in, in their order, for use without an index."""
    queue = _Batches(verifier.margin, _batch_of(verifier))
    waiting: deque[tuple[_Found, int]] = deque()
    for item in found:
        cut = [] if isinstance(item, SkippedImage) else crops_of(*item, crops.pad_ratio)
        waiting.append((item, queue.add(cut)))
        held = sum(0 if isinstance(one, SkippedImage) else one[0].pixels.nbytes for one, _ in waiting)
        if len(waiting) >= settings.images_waiting or held >= settings.bytes_waiting:
            queue.finish()
        yield from _judged(waiting, queue)
    queue.finish()
    yield from _judged(waiting, queue)


class _Batches:
    """One model's queue of regions: it sees them in full batches, whichever pictures they are of.

    `added` and `seen` count regions from the first one ever.
    """

    def __init__(self, model: Callable[[list[Pixels]], _Rows], batch: int) -> None:
        self._model = model
        self._batch = max(1, batch)
        self._waiting: list[Pixels] = []
        self._rows: deque[_Rows] = deque()
        self.added = self.seen = 0
        self.waiting_bytes = 0

    def add(self, regions: list[Pixels]) -> int:
        """Queue regions, running the model on every full batch; how many were ever added."""
        self._waiting += regions
        self.added += len(regions)
        self.waiting_bytes += _bytes_of(regions)
        self._run(len(self._waiting) // self._batch * self._batch)
        return self.added

    def finish(self) -> None:
        """Run the model on what waits, full batch or not."""
        self._run(len(self._waiting))

    def take(self, count: int) -> list[_Rows]:
        """The answers for the next `count` regions, which must have been seen."""
        return [self._rows.popleft() for _ in range(count)]

    def _run(self, count: int) -> None:
        if not count:
            return
        some, self._waiting = self._waiting[:count], self._waiting[count:]
        self._rows.extend(self._model(some))
        self.seen += count
        self.waiting_bytes = _bytes_of(self._waiting)


def _judged(waiting: deque[tuple[_Found, int]], queue: _Batches) -> Iterator[_Found]:
    """Take those at the front whose crops were all seen."""
    while waiting and waiting[0][1] <= queue.seen:
        item, _ = waiting.popleft()
        if isinstance(item, SkippedImage):
            yield item
        else:
            yield item[0], item[1].with_margin(queue.take(len(item[1])))


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A picture whose regions are queued, without its pixels; `until`: how many of either queue must be seen."""

    finding: ImageFindings
    until: tuple[int, int]


class _Line:
    """Pictures in their order, each leaving when all models have seen all of its regions."""

    def __init__(self, embedder: Embedder | None, verifier: Verifier | None, pad_ratio: float) -> None:
        self._embedder, self._verifier, self._pad_ratio = embedder, verifier, pad_ratio
        # A verifier that asks the same embedder needs no crops: it judges the vectors.
        shared = embedder is not None and verifier is not None and embedder.fingerprint == verifier.fingerprint
        self._regions = _Batches(embedder.embed_images, _batch_of(embedder)) if embedder is not None else None
        self._crops = _Batches(verifier.margin, _batch_of(verifier)) if verifier is not None and not shared else None
        self._items: deque[_Waiting | SkippedImage] = deque()

    @property
    def length(self) -> int:
        """Pictures that have not left."""
        return len(self._items)

    @property
    def waiting_bytes(self) -> int:
        """Pixels that no model has seen yet."""
        return sum(queue.waiting_bytes for queue in self._queues())

    def add(self, item: _Found) -> None:
        """Queue a picture; its own pixels are kept only as long as they wait for the embedder."""
        if isinstance(item, SkippedImage):
            self._items.append(item)
            return
        image, detections = item
        crops = crops_of(image, detections, self._pad_ratio) if self._queues() else []
        wholes = self._regions.add([image.pixels, *crops]) if self._regions else 0
        judged = self._crops.add(crops) if self._crops else 0
        self._items.append(_Waiting(_findings(image, detections), (wholes, judged)))

    def finish(self) -> None:
        """Have all models see all that waits."""
        for queue in self._queues():
            queue.finish()

    def done(self) -> Iterator[ImageFindings | SkippedImage]:
        """The pictures at the front that everything has been said of."""
        while self._items and self._is_done(self._items[0]):
            item = self._items.popleft()
            yield item if isinstance(item, SkippedImage) else self._completed(item.finding)

    def _is_done(self, item: _Waiting | SkippedImage) -> bool:
        if isinstance(item, SkippedImage):
            return True
        return all(queue is None or queue.seen >= end for end, queue in zip(item.until, self._both(), strict=True))

    def _completed(self, finding: ImageFindings) -> ImageFindings:
        count = len(finding.detections)
        image_vector, vectors = None, np.zeros((count, 0), np.float32)
        if self._regions is not None and self._embedder is not None:
            image_vector, *rows = self._regions.take(1 + count)
            vectors = np.asarray(rows, np.float32).reshape(count, self._embedder.dimension)
        detections = finding.detections.with_margin(self._margins(vectors))
        return replace(finding, detections=detections, image_vector=image_vector, detection_vectors=vectors)

    def _margins(self, vectors: _Rows) -> Scores:
        if self._verifier is None:
            return np.full(len(vectors), np.nan, np.float32)
        if self._crops is None:
            return self._verifier.margin_of_vectors(vectors)
        return np.asarray(self._crops.take(len(vectors)), np.float32)

    def _both(self) -> tuple[_Batches | None, _Batches | None]:
        return self._regions, self._crops

    def _queues(self) -> list[_Batches]:
        return [queue for queue in self._both() if queue is not None]


def _bytes_of(regions: list[Pixels]) -> int:
    return sum(region.nbytes for region in regions)


def _batch_of(model: object) -> int:
    return int(getattr(model, "batch", EMBED.batch))


def _findings(image: DecodedImage, detections: Detections) -> ImageFindings:
    return ImageFindings(
        entry=image.entry,
        sha256=image.sha256,
        format=image.format,
        full_wh=image.full_wh,
        detections=detections,
    )
