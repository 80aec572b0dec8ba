"""The run: decode, find, convert and judge, picture by picture, and go on where a kill stopped it."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from amogus_search.converting.inputs import Wanted, target_of
from amogus_search.converting.records import Outcome
from amogus_search.converting.saving import Saver, Work
from amogus_search.converting.tools import Output, Tools, judge_of
from amogus_search.core.conversion import Conversion, chosen
from amogus_search.core.persons import back_to_front
from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.errors import UsageError
from amogus_search.exports.folders import check_outside
from amogus_search.finder import Found
from amogus_search.pipeline.conversion_crops import Spot, Target
from amogus_search.pipeline.convert import Converted, Failed, Request, convert_images, plan
from amogus_search.sources.workers import DecodePool

_Item: TypeAlias = Work | tuple[Wanted, SkippedImage]


def convert_files(
    wanted: Sequence[Wanted],
    tools: Tools,
    conversion: Conversion,
    output: Output,
    *,
    roots: Sequence[bytes] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """What became of each input, in the order given; files are whole before they are told of.

    Args:
        wanted: see `conversion_inputs`.
        tools: who does it.
        conversion: how.
        output: where to.
        roots: folders of the user's that OUT must not be in.
        stop: asked before every picture; what is under way is still finished.

    Raises:
        UsageError: OUT lies in a folder of photos, or holds one of the inputs.
        BackendGoneError: the back end cannot go on; run it again later, and it goes on from there.
        AmogusError: OUT cannot be written to.
    """
    _check(wanted, output.folder, roots)
    yield from _Run(tools, conversion, output, stop).all(wanted)


def _check(wanted: Sequence[Wanted], out: Path, roots: Sequence[bytes]) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, a folder is needed", "choose another --out")
    check_outside(out, [root for root in roots if os.path.isdir(root)])
    target = os.path.realpath(os.fsencode(out))
    for one in wanted:
        # A picture named by itself may lie beside OUT, never in it: it would be written over.
        if os.path.realpath(one.entry.path).startswith(target.rstrip(b"/") + b"/"):
            raise UsageError(
                f"{out} holds a picture that is to be converted", "photos are never written to: choose another --out"
            )


class _Run:
    def __init__(self, tools: Tools, conversion: Conversion, output: Output, stop: Callable[[], bool]) -> None:
        self.tools, self.conversion, self.output, self.stop = tools, conversion, output, stop
        self.saver = Saver(tools, conversion, output)

    def all(self, wanted: Sequence[Wanted]) -> Iterator[Outcome]:
        known = {one.stem: outcome for one in wanted if (outcome := self.saver.standing(one)) is not None}
        results = self._worked([one for one in wanted if one.stem not in known])
        counts: Counter[str] = Counter()
        for one in wanted:
            outcome = known.get(one.stem) or next(results, None)
            if outcome is None:
                break
            counts[outcome.status] += 1
            yield outcome
        if counts:
            self.saver.finish(", ".join(f"{count} {status}" for status, count in counts.items()))

    def _worked(self, wanted: Sequence[Wanted]) -> Iterator[Outcome]:
        """An outcome for each, in order."""
        order: deque[_Item] = deque()
        if not wanted:
            return
        with DecodePool() as pool:
            requests = self._requests(wanted, pool, order)
            answers = self._planned(requests) if self.output.dry_run else self._converted(requests)
            for answer in answers:
                yield from self._skips(order)
                work = order.popleft()
                assert isinstance(work, Work)
                yield self.saver.saved(work, answer)
            yield from self._skips(order)

    def _skips(self, order: deque[_Item]) -> Iterator[Outcome]:
        """Those that could not be decoded, up to the next picture."""
        while order and not isinstance(order[0], Work):
            item = order.popleft()
            assert isinstance(item, tuple)
            yield self.saver.skipped(*item)

    def _converted(self, requests: Iterator[Request]) -> Iterator[Converted | Failed]:
        converter, judge = self.tools.converter, self.tools.judge
        assert converter is not None
        looks = None if judge is None else judge_of(judge)
        return convert_images(requests, converter, self.tools.fit, self.conversion, judge=looks)

    def _planned(self, requests: Iterator[Request]) -> Iterator[list[Spot]]:
        return (plan(request, self.tools.fit, self.conversion) for request in requests)

    def _requests(self, wanted: Sequence[Wanted], pool: DecodePool, order: deque[_Item]) -> Iterator[Request]:
        """Pictures for the back end; `order` gets them, and those that cannot be decoded in between."""
        read: deque[tuple[Wanted, DecodedImage | SkippedImage]] = deque()

        def images() -> Iterator[DecodedImage | SkippedImage]:
            feeding: deque[Wanted] = deque()

            def entries() -> Iterator[FileEntry]:
                for one in wanted:
                    if self.stop():
                        return
                    feeding.append(one)
                    yield one.entry

            for image in pool.decode(entries()):
                one = feeding.popleft()
                image = _checked(one, image)
                read.append((one, image))
                yield image

        for found in self._found(images()):
            one, image = read.popleft()
            if isinstance(image, SkippedImage):
                order.append((one, image))
                continue
            targets = self._targets(one, image, found)
            order.append(Work(one, image, targets))
            yield Request(image.pixels, image.sha256, targets)

    def _found(self, images: Iterator[DecodedImage | SkippedImage]) -> Iterator[Found | SkippedImage | None]:
        """What the detector says of each; None where nobody asks it."""
        if self.tools.finder is None:
            return (None for _ in images)
        return self.tools.finder.find(images, self.tools.profile)

    def _targets(self, one: Wanted, image: DecodedImage, found: Found | SkippedImage | None) -> tuple[Target, ...]:
        if isinstance(found, Found):
            kept = found.keep(self.tools.threshold)
            targets = [target_of(kept.detections, row, kept.scores) for row in range(len(kept.detections))]
        else:
            targets = [target for target in one.targets or () if _is_inside(target, image.full_wh)]
        boxes = np.array([target.box_xyxy for target in targets], np.float32).reshape(-1, 4)
        scores = np.array([_score(target) for target in targets], np.float64)
        rows = chosen(boxes, scores, image.full_wh, self.conversion.choice)
        if self.conversion.target == "person":
            rows = rows[back_to_front(boxes[rows], image.full_wh[1])]
        return tuple(targets[row] for row in rows)


def _checked(one: Wanted, image: DecodedImage | SkippedImage) -> DecodedImage | SkippedImage:
    """The picture, unless its boxes are those of another content."""
    if isinstance(image, DecodedImage) and one.sha256 and image.sha256 != one.sha256:
        return SkippedImage(one.entry, "changed_while_reading", "not the content that was indexed", image.sha256)
    return image


def _is_inside(target: Target, size_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = (float(value) for value in target.box_xyxy)
    return x1 < size_wh[0] and y1 < size_wh[1] and x2 > 0 and y2 > 0


def _score(target: Target) -> float:
    known = [value for value in (target.amogusness, target.confidence) if value is not None]
    return known[0] if known else 1.0
