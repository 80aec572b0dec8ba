"""Pictures and what is to be converted in them go in, changed pictures come out, each change judged and tried again.

Crops of several pictures share the back end's batches. Within a picture, spots whose windows overlap are converted
one after the other, so that the later one sees what the earlier one became.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.conversion import Conversion, seed_of
from amogus_search.core.cropping import Window
from amogus_search.core.figure import Fitter
from amogus_search.core.types import Pixels
from amogus_search.errors import ConversionError
from amogus_search.pipeline.asking_back_ends import Asker
from amogus_search.pipeline.conversion_crops import Spot, Target, job_of, laid_in, spot_of, window_of
from amogus_search.ports import Converter

Judge: TypeAlias = Callable[[Sequence[Pixels], Sequence[NDArray[np.float32]]], list[float]]
"""Crops and the box in each -> how much what is there looks like the motif, 0..1; 0 where nothing is found."""


@dataclass(frozen=True, eq=False)
class Request:
    """One picture: its upright pixels, the digest of its file, and what is to be converted, in this order."""

    pixels: Pixels
    sha256: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Try:
    """One seed and the score of what it gave; None where nobody looked."""

    seed: int
    score: float | None


@dataclass(frozen=True, eq=False)
class Change:
    """What became of one target.

    spot:     what the back end was given
    after:    (h, w, 3) uint8, the window afterwards
    before:   the judge's score of the window before; None where nobody looked
    tries:    in the order in which they were made
    best:     which of them was kept
    accepted: whether that one reached what was asked; True where nobody looked
    """

    spot: Spot
    after: Pixels
    before: float | None
    tries: tuple[Try, ...]
    best: int
    accepted: bool


@dataclass(frozen=True, eq=False)
class Converted:
    """One picture afterwards.

    pixels:  (h, w, 3) uint8; the request's own where nothing was to be converted
    mask:    (h, w) float32 0..1, where it may differ from the original; None where nothing was to be converted
    changes: one a target, in the request's order
    """

    pixels: Pixels
    mask: NDArray[np.float32] | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Failed:
    """A picture that a back end could not convert, and why."""

    error: ConversionError


def convert_images(
    requests: Iterable[Request],
    converter: Converter,
    fit: Fitter,
    conversion: Conversion,
    *,
    judge: Judge | None = None,
) -> Iterator[Converted | Failed]:
    """One answer a picture, in the order given.

    Args:
        requests: read ahead by as many pictures as fill the back end's batches once.
        converter: the back end.
        fit: lays the figure into the keypoints.
        conversion: see there.
        judge: scores crops before and after; without one, or without a score to accept from, every first try counts.

    Raises:
        BackendGoneError: the back end cannot go on; what came out before is whole.
    """
    looks = judge if conversion.accept is not None else None
    workers = max(1, converter.parallel)
    with ThreadPoolExecutor(workers, thread_name_prefix="amogus-convert") as pool:
        run = _Run(converter, fit, conversion, looks, Asker(converter, pool))
        for group in _groups(requests, max(1, converter.batch) * workers):
            yield from run.group(group)


def plan(request: Request, fit: Fitter, conversion: Conversion) -> list[Spot]:
    """What would be done to a picture: every target's crop and mask, nothing converted."""
    return [
        spot_of(request.pixels, target, conversion, fit, seed_of(conversion, request.sha256, target.box_xyxy, 0))
        for target in request.targets
    ]


def _groups(requests: Iterable[Request], jobs: int) -> Iterator[list[Request]]:
    """Pictures that together have as many targets as a back end takes at once."""
    group: list[Request] = []
    waiting = 0
    for request in requests:
        group.append(request)
        waiting += len(request.targets)
        # Pictures without targets need not wait, and must not pile up.
        if waiting >= jobs or not waiting:
            yield group
            group, waiting = [], 0
    if group:
        yield group


@dataclass(eq=False)
class _Picture:
    """A picture under way."""

    request: Request
    pixels: Pixels
    mask: NDArray[np.float32] | None
    pending: list[int]
    changes: dict[int, Change] = field(default_factory=dict)
    error: ConversionError | None = None


@dataclass(eq=False)
class _Attempt:
    """A spot under way: its tries, and the best of them so far."""

    picture: _Picture
    row: int
    spot: Spot
    before: float | None = None
    tries: list[Try] = field(default_factory=list)
    best: int = -1
    after: Pixels | None = None
    accepted: bool = False


@dataclass(frozen=True, eq=False)
class _Run:
    converter: Converter
    fit: Fitter
    conversion: Conversion
    judge: Judge | None
    asker: Asker

    def group(self, requests: Sequence[Request]) -> Iterator[Converted | Failed]:
        pictures = [self._begun(request) for request in requests]
        while any(picture.pending for picture in pictures):
            wave = [attempt for picture in pictures for attempt in self._wave(picture)]
            self._judge_before(wave)
            for number in range(self.conversion.tries):
                self._try(number, [attempt for attempt in wave if self._wants_more(attempt)])
            for attempt in wave:
                _lay_in(attempt)
        for picture in pictures:
            yield _finished(picture)

    def _begun(self, request: Request) -> _Picture:
        if not request.targets:
            return _Picture(request, request.pixels, None, [])
        mask = np.zeros(request.pixels.shape[:2], np.float32)
        return _Picture(request, request.pixels.copy(), mask, list(range(len(request.targets))))

    def _wave(self, picture: _Picture) -> list[_Attempt]:
        """The next spots of a picture whose windows do not overlap those before them."""
        height, width = picture.pixels.shape[:2]
        taken: list[Window] = []
        later: list[int] = []
        now: list[_Attempt] = []
        for row in picture.pending:
            target = picture.request.targets[row]
            window = window_of(target, (width, height), self.conversion)
            if any(_overlap(window, other) for other in taken):
                later.append(row)
            else:
                seed = self._seed(picture, row, 0)
                before = picture.request.pixels
                spot = spot_of(picture.pixels, target, self.conversion, self.fit, seed, original=before)
                now.append(_Attempt(picture, row, spot))
            taken.append(window)
        picture.pending = later
        return now

    def _seed(self, picture: _Picture, row: int, number: int) -> int:
        target = picture.request.targets[row]
        return seed_of(self.conversion, picture.request.sha256, target.box_xyxy, number)

    def _wants_more(self, attempt: _Attempt) -> bool:
        return not attempt.accepted and attempt.picture.error is None

    def _judge_before(self, wave: Sequence[_Attempt]) -> None:
        if self.judge is None or not wave:
            return
        scores = self.judge([one.spot.crop for one in wave], [one.spot.box_xyxy for one in wave])
        for attempt, score in zip(wave, scores, strict=True):
            attempt.before = score

    def _try(self, number: int, attempts: Sequence[_Attempt]) -> None:
        """One more seed for each; the better one is kept."""
        if not attempts:
            return
        seeds = [self._seed(one.picture, one.row, number) for one in attempts]
        jobs = [
            job_of(one.spot, self.conversion, self.converter.side_px, seed)
            for one, seed in zip(attempts, seeds, strict=True)
        ]
        made: list[tuple[_Attempt, int, Pixels]] = []
        for attempt, seed, answer in zip(attempts, seeds, self.asker.answers(jobs), strict=True):
            if isinstance(answer, ConversionError):
                attempt.picture.error = attempt.picture.error or answer
            else:
                pasted = laid_in(attempt.spot, answer, self.conversion, self.converter.side_px)
                made.append((attempt, seed, pasted))
        scores = self._scores(made)
        for (attempt, seed, pasted), score in zip(made, scores, strict=True):
            self._note(attempt, Try(seed, score), pasted)

    def _scores(self, made: Sequence[tuple[_Attempt, int, Pixels]]) -> Sequence[float | None]:
        if self.judge is None or not made:
            return [None] * len(made)
        return self.judge([pasted for _, _, pasted in made], [attempt.spot.box_xyxy for attempt, _, _ in made])

    def _note(self, attempt: _Attempt, made: Try, pasted: Pixels) -> None:
        best = attempt.tries[attempt.best].score if attempt.best >= 0 else None
        attempt.tries.append(made)
        if best is None or (made.score is not None and made.score > best):
            attempt.best, attempt.after = len(attempt.tries) - 1, pasted
        accept = self.conversion.accept
        attempt.accepted = made.score is None or accept is None or made.score >= accept


def _lay_in(attempt: _Attempt) -> None:
    """The best try into its picture."""
    picture, spot = attempt.picture, attempt.spot
    if attempt.after is None or picture.mask is None:
        return
    left, top, right, bottom = spot.window
    place = np.s_[top:bottom, left:right]
    picture.pixels[place] = attempt.after
    picture.mask[place] = np.maximum(picture.mask[place], spot.mask)
    picture.changes[attempt.row] = Change(
        spot, attempt.after, attempt.before, tuple(attempt.tries), attempt.best, _accepted(attempt)
    )


def _accepted(attempt: _Attempt) -> bool:
    return attempt.accepted and attempt.best == len(attempt.tries) - 1


def _finished(picture: _Picture) -> Converted | Failed:
    if picture.error is not None:
        return Failed(picture.error)
    return Converted(picture.pixels, picture.mask, tuple(picture.changes[row] for row in sorted(picture.changes)))


def _overlap(one: Window, other: Window) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
