"""The embedded detector beside ultralytics' `predict` in PyTorch: the same weights, size and pixels, in one run.

Both get pictures that are decoded already, and give boxes in their pixels: preparing the network's input and making
findings of its output count. Each picture is shown to all before the next one comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from amogus_search.core.paths import display_path
from amogus_search.core.types import DecodedImage, Detections, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation.comparing import Agreement, Plants, agreement, in_turns, speed_ratio
from amogus_search.pipeline.detect import detect_images
from amogus_search.ports import Detector
from amogus_search.settings import PROFILES

FULL_FRAME = PROFILES["fast"]
"""The whole picture at 640 pixels and nothing else."""

Look = Callable[[DecodedImage], Detections]


def as_it_is(image: DecodedImage) -> DecodedImage:
    """The picture itself."""
    return image


def turned_round(image: DecodedImage) -> DecodedImage:
    """The picture in BGR, for programs that want it so."""
    return replace(image, pixels=np.ascontiguousarray(image.pixels[..., ::-1]))


@dataclass(eq=False)
class Contender:
    """One way to get findings, and the seconds that each picture took it.

    threads: that it computes in; None: as many as it likes
    wants:   what a picture is turned into for it, before the clock runs
    timed:   False for one that is asked for its findings only
    """

    name: str
    look: Look
    threads: int | None = None
    wants: Callable[[DecodedImage], DecodedImage] = as_it_is
    timed: bool = True
    seconds: list[float] = field(default_factory=list)


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
        values |= {"threads": own.threads, "other_threads": other.threads, "pictures": len(other.seconds)}
        values |= dict.fromkeys(("ms", "other_ms", "images_per_s", "times_as_fast", "low", "high"))
        if own.timed and other.timed:
            values |= {
                "ms": round(1000 * float(np.median(own.seconds)), 2),
                "other_ms": round(1000 * float(np.median(other.seconds)), 2),
                "images_per_s": round(len(own.seconds) / sum(own.seconds), 2),
                **speed_ratio(own.seconds, other.seconds).to_dict(),
            }
        return values | self.agreement.to_dict()


def embedded(detector: Detector) -> Look:
    """How this program looks at a whole picture, by its public door."""

    def look(image: DecodedImage) -> Detections:
        ((_, found),) = (item for item in detect_images([image], detector, FULL_FRAME) if isinstance(item, tuple))
        return found

    return look


def run(
    pictures: Iterable[DecodedImage | SkippedImage], pairs: Sequence[Pair], plants: Plants
) -> Iterator[Sequence[Pair]]:
    """The same pairs after each picture, with what it added to them.

    Every contender sees a picture once before it is timed on it: a shape that comes for the first time is compiled, and
    memory is fetched, which none of them does for the second picture of a kind.

    Args:
        pictures: to be looked at; amogi are drawn into them first.
        pairs: who is compared with whom; a contender may be in several.

    Raises:
        AmogusError: a picture cannot be decoded.
    """
    contenders = list(dict.fromkeys(side for pair in pairs for side in (pair.own, pair.other)))
    for number, item in enumerate(pictures):
        if isinstance(item, SkippedImage):
            raise AmogusError(
                f"{display_path(item.entry.path)}: {item.reason}: {item.detail}", "take it out of the folder"
            )
        image, _ = plants.into(item, number)
        found = _show(image, contenders, number)
        for pair in pairs:
            pair.agreement += agreement(found[pair.own], found[pair.other])
        yield pairs


def _show(image: DecodedImage, contenders: Sequence[Contender], number: int) -> dict[Contender, Detections]:
    """What each of them finds, timed at the second look."""
    shown = {one: one.wants(image) for one in contenders}
    found = {one: one.look(shown[one]) for one in contenders}
    for one in in_turns([one for one in contenders if one.timed], number):
        began = time.perf_counter()
        one.look(shown[one])
        one.seconds.append(time.perf_counter() - began)
    return found
