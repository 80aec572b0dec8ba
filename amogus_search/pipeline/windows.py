"""Windows of many pictures on their way through the detector: in batches, or several at once where it can."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from amogus_search.core import tiling
from amogus_search.core.types import Boxes, DecodedImage, Detections, SkippedImage
from amogus_search.ports import Detector
from amogus_search.settings import DetectSettings

Cut = Callable[[tiling.Tile], NDArray[np.uint8] | None]
"""One detector input; None if there is nothing in the window."""
Answer = Callable[[], list[Detections]]

_WORTH_IT = 1.2
"""What a window costs less in processor time when one core looks at it than when all do, about."""


@dataclass(eq=False)
class Job:
    """A picture whose windows are under way.

    cut:       how they are cut
    closest:   windows of the highest zoom, not chosen from yet
    hint_zoom: zoom of the windows whose candidates tell where to look more closely; 0 for none
    hints:     boxes of these candidates, image pixels
    waiting:   windows without an answer
    """

    image: DecodedImage | SkippedImage
    cut: Cut = lambda tile: None
    closest: Sequence[tiling.Tile] = ()
    hint_zoom: float = 0.0
    hints: list[Boxes] = field(default_factory=list)
    waiting: int = 0
    parts: list[Detections] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether nothing more will be found in it."""
        return not self.waiting and not self.closest

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels."""
        return self.image.pixels.nbytes if isinstance(self.image, DecodedImage) else 0


@dataclass(frozen=True, eq=False)
class _Window:
    """pixels: None if it is not cut yet."""

    job: Job
    tile: tiling.Tile
    pixels: NDArray[np.uint8] | None = None


class Windows:
    """Windows in line for the detector, and those that it is looking at; the answers go into their jobs.

    Args:
        detector: gets batches of equally large windows, from one or several pictures, in the order in which they came.
        settings: which findings are kept.
        hints_from: confidence of a candidate that is worth a closer look.
    """

    def __init__(self, detector: Detector, settings: DetectSettings, hints_from: float) -> None:
        self._detector, self._settings, self._hints_from = detector, settings, hints_from
        self._parallel = int(getattr(detector, "parallel", 1)) if hasattr(detector, "begin") else 0
        self._begin: Callable[[NDArray[np.uint8]], Answer] = getattr(detector, "begin", self._look)
        self._line: deque[_Window] = deque()
        self._batch: list[_Window] = []
        self._asked: deque[tuple[list[_Window], Answer]] = deque()
        self._pictures = 0

    def add(self, job: Job, tiles: Sequence[tiling.Tile], cut: Sequence[NDArray[np.uint8] | None]) -> None:
        """One more picture.

        Args:
            job: the picture.
            tiles: windows of it to look at.
            cut: the inputs of the first of them, None for windows that are empty.
        """
        first = [_Window(job, tile, pixels) for tile, pixels in zip(tiles, cut, strict=False) if pixels is not None]
        self._put(job, [*first, *(_Window(job, tile) for tile in tiles[len(cut) :])])
        self._pictures += 1
        # A detector that looks at several at once waits for a second picture: a single one may go another way.
        if self._pictures > 1 or not self._parallel:
            self._ask(everything=False)

    def finish(self) -> None:
        """Have everything looked at."""
        while self._line or self._batch or self._asked:
            if self._pictures == 1 and not self._asked and self._has_a_long_one():
                self._look_in_turns()
            self._ask(everything=True)
            if self._asked:
                self._take()
        self._pictures = 0

    def _put(self, job: Job, windows: Sequence[_Window]) -> None:
        job.waiting += len(windows)
        self._line.extend(windows)
        if not windows:
            self._look_closer(job)

    def _look(self, tiles: NDArray[np.uint8]) -> Answer:
        found = self._detector.detect_tiles(tiles)
        return lambda: found

    def _ask(self, *, everything: bool) -> None:
        """Have the detector begin with what is in line, batch by batch; a last one that is not full waits for more.

        One more than it looks at is under way, so that the next is there when one is done.
        """
        while self._fill() or (everything and self._batch):
            batch, self._batch = self._batch, []
            pixels = [window.pixels for window in batch if window.pixels is not None]
            while len(self._asked) > self._parallel:
                self._take()
            self._asked.append((batch, self._begin(np.stack(pixels) if len(pixels) > 1 else pixels[0][None])))
            if not self._parallel:
                self._take()

    def _fill(self) -> bool:
        """Cut windows for the next batch; whether that is full, or the next window in line is of another size."""
        while self._line and len(self._batch) < self._detector.batch:
            window = self._next()
            if window is None:
                continue
            if self._batch and _shape(self._batch[0]) != _shape(window):
                self._line.appendleft(window)
                return True
            self._batch.append(window)
        return len(self._batch) == self._detector.batch

    def _next(self) -> _Window | None:
        """The next in line, cut; None if it is empty."""
        window = self._line.popleft()
        if window.pixels is None:
            window = replace(window, pixels=window.job.cut(window.tile))
        if window.pixels is None:
            self._is_seen(window.job)
            return None
        return window

    def _take(self) -> None:
        """Wait for the oldest answer."""
        batch, answer = self._asked.popleft()
        for window, found in zip(batch, answer(), strict=True):
            self._note(window, found)

    def _note(self, window: _Window, found: Detections) -> None:
        job, tile = window.job, window.tile
        size_wh = job.image.full_wh if isinstance(job.image, DecodedImage) else (0, 0)
        if tile.zoom == job.hint_zoom:
            job.hints.append(tiling.to_image(found.keep(found.confidence >= self._hints_from), tile, size_wh).xyxy)
        job.parts.append(whole_findings(found, tile, size_wh, self._settings.min_confidence))
        self._is_seen(job)

    def _is_seen(self, job: Job) -> None:
        job.waiting -= 1
        if not job.waiting:
            self._look_closer(job)

    def _look_closer(self, job: Job) -> None:
        """Put the windows of the highest zoom in line, where there are hints; other pictures go on meanwhile."""
        if not job.closest:
            return
        closest, job.closest = job.closest, ()
        hints = np.concatenate([np.zeros((0, 4), np.float32), *job.hints])
        chosen = [_Window(job, tile) for tile in closest if tiling.touches(tile, hints)]
        if chosen:
            self._put(job, chosen)

    def _has_a_long_one(self) -> bool:
        """Whether one of the few windows of a single picture is most of the work, so that other cores would idle."""
        inputs = [window.tile.side_px**2 for window in self._line]
        # Where closer windows may follow, those are most of the work, and want a network compiled for one core each.
        is_all = not any(window.job.closest for window in self._line)
        return is_all and max(inputs, default=0) * self._parallel > _WORTH_IT * sum(inputs)

    def _look_in_turns(self) -> None:
        """One window after the other, each on all cores."""
        for _ in range(len(self._line)):
            window = self._next()
            if window is not None and window.pixels is not None:
                self._note(window, self._detector.detect_tiles(window.pixels[None])[0])


def _shape(window: _Window) -> tuple[int, ...]:
    return () if window.pixels is None else window.pixels.shape


def whole_findings(found: Detections, tile: tiling.Tile, size_wh: tuple[int, int], min_confidence: float) -> Detections:
    """What counts of one window's findings, in image pixels."""
    strong = found.keep(found.confidence >= min_confidence)
    # A coarser window shows whole whatever this one cuts (see `tiling.plan`), so a stump is never needed.
    whole = strong.keep(~tiling.is_cut(strong.xyxy, tile, size_wh))
    return tiling.to_image(whole, tile, size_wh)
