"""The embedded detector beside ultralytics' `predict` in PyTorch: the same weights, size and pixels, in one run.

Both get pictures that are decoded already, and give boxes in their pixels: preparing the network's input and making
findings of its output count. Some pictures are shown to all before the next ones come: a stack, as when a folder is
looked through, from which each may take one or several at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from amogus_search.core.paths import display_path
from amogus_search.core.types import DecodedImage, Detections, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation.comparing import Agreement, Clock, Plants, agreement, in_turns, speed_ratio
from amogus_search.pipeline.detect import detect_images
from amogus_search.ports import Detector
from amogus_search.settings import PROFILES

FULL_FRAME = PROFILES["fast"]
"""The whole picture at 640 pixels and nothing else."""

Look = Callable[[DecodedImage], Detections]
LookThrough = Callable[[Sequence[DecodedImage]], list[Detections]]


def as_it_is(image: DecodedImage) -> DecodedImage:
    """The picture itself."""
    return image


def turned_round(image: DecodedImage) -> DecodedImage:
    """The picture in BGR, for programs that want it so."""
    return replace(image, pixels=np.ascontiguousarray(image.pixels[..., ::-1]))


@dataclass(eq=False)
class Contender:
    """One way to get findings, and what each picture took it.

    look:    through a stack of pictures
    threads: that it computes in; None: as many as it likes
    wants:   what a picture is turned into for it, before the clock runs
    timed:   False for one that is asked for its findings only
    """

    name: str
    look: LookThrough
    threads: int | None = None
    wants: Callable[[DecodedImage], DecodedImage] = as_it_is
    timed: bool = True
    clock: Clock = field(default_factory=Clock)


@dataclass
class Pair:
    """A contender beside another, and how far their findings are the same so far."""

    own: Contender
    other: Contender
    agreement: Agreement = Agreement()  # noqa: RUF009 - it never changes

    def row(self) -> dict[str, Any]:
        """Plain JSON values, None where nothing was measured."""
        own, other = self.own, self.other
        values: dict[str, Any] = {"what": own.name, "against": other.name}
        values |= {"threads": own.threads, "other_threads": other.threads, "pictures": len(other.clock.wall)}
        values |= dict.fromkeys(("ms", "other_ms", "images_per_s", "times_as_fast", "low", "high", "cpu_ratio"))
        if own.timed and other.timed:
            values |= {
                "ms": own.clock.ms,
                "other_ms": other.clock.ms,
                "images_per_s": own.clock.a_second,
                **speed_ratio(own.clock, other.clock),
            }
        return values | self.agreement.to_dict()


def looking(detector: Detector) -> LookThrough:
    """How this program looks through whole pictures, by its public door."""

    def look(images: Sequence[DecodedImage]) -> list[Detections]:
        return [item[1] for item in detect_images(images, detector, FULL_FRAME) if isinstance(item, tuple)]

    return look


def one_by_one(look: Look) -> LookThrough:
    """One picture after the other, and each as if it were the only one."""
    return lambda images: [look(image) for image in images]


def alone(detector: Detector) -> LookThrough:
    """How this program looks at one whole picture."""
    look = looking(detector)
    return one_by_one(lambda image: look([image])[0])


def run(
    pictures: Iterable[DecodedImage | SkippedImage], pairs: Sequence[Pair], plants: Plants, together: int = 1
) -> Iterator[Sequence[Pair]]:
    """The same pairs after each stack of pictures, with what it added to them.

    Every contender sees a stack once before it is timed on it: a shape that comes for the first time is compiled, and
    memory is fetched, which none of them does for the second picture of a kind.

    Args:
        pictures: to be looked at; amogi are drawn into them first.
        pairs: who is compared with whom; a contender may be in several.
        together: pictures in a stack.

    Raises:
        AmogusError: a picture cannot be decoded.
    """
    contenders = list(dict.fromkeys(side for pair in pairs for side in (pair.own, pair.other)))
    drawn = (plants.into(_readable(item), number)[0] for number, item in enumerate(pictures))
    for number, stack in enumerate(iter(lambda: list(islice(drawn, together)), [])):
        found = _show(stack, contenders, number)
        for pair in pairs:
            for own, other in zip(found[pair.own], found[pair.other], strict=True):
                pair.agreement += agreement(own, other)
        yield pairs


def _readable(item: DecodedImage | SkippedImage) -> DecodedImage:
    if isinstance(item, SkippedImage):
        raise AmogusError(f"{display_path(item.entry.path)}: {item.reason}: {item.detail}", "take it out of the folder")
    return item


def _show(
    stack: Sequence[DecodedImage], contenders: Sequence[Contender], number: int
) -> dict[Contender, list[Detections]]:
    """What each of them finds, timed at the second look."""
    shown = {one: [one.wants(image) for image in stack] for one in contenders}
    found = {one: one.look(shown[one]) for one in contenders}
    for one in in_turns([one for one in contenders if one.timed], number):
        one.clock.time(partial(one.look, shown[one]), len(stack))
    return found
