"""A detector's own false findings on photos without the motif, fed back to it as things to leave alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from amogus_search.core.types import Detections, Pixels
from amogus_search.errors import AmogusError
from amogus_search.whole_files import in_place_of

_LEAST_SHARE, _MOST_SHARE = 0.06, 0.7
"""How much of a training picture's side a false finding may take, so that it is met at many sizes."""


@dataclass(frozen=True)
class HardNegative:
    """A false finding: where it was, as shares of the picture's sides (x1, y1, x2, y2), and how sure it was."""

    path: str
    box_share: tuple[float, float, float, float]
    confidence: float


def hard_negatives(
    found: Iterable[tuple[Path, tuple[int, int], Detections]], min_confidence: float
) -> list[HardNegative]:
    """All findings in photos that are known to hold none, surest first.

    Args:
        found: (photo, its upright size, its findings).
    """
    mined = [
        HardNegative(
            str(path),
            tuple(float(v) / side for v, side in zip(box, (*size_wh, *size_wh), strict=True)),  # type: ignore[arg-type]
            round(float(confidence), 4),
        )
        for path, size_wh, detections in found
        for box, confidence in zip(detections.xyxy, detections.confidence, strict=True)
        if confidence >= min_confidence
    ]
    return sorted(mined, key=lambda one: (-one.confidence, one.path, one.box_share))


def write(mined: Sequence[HardNegative], path: Path) -> None:
    """One JSON object a line."""
    with in_place_of(path) as part:
        part.write_text("".join(json.dumps(asdict(one)) + "\n" for one in mined))


def read(path: Path) -> list[HardNegative]:
    """What `write` wrote.

    Raises:
        AmogusError: the file is missing or not such a list.
    """
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line]
        return [HardNegative(r["path"], tuple(r["box_share"]), float(r["confidence"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AmogusError(
            f"{path} is no list of hard negatives: {error}", "make one with: amogus train mine"
        ) from error


def crop_around(photo: Pixels, negative: HardNegative, side: int, rng: np.random.Generator) -> Pixels:
    """A square window that holds the false finding, at a random place in it, shown at `side` pixels.

    Half of the small ones are shown at the photo's own pixels, as the tile showed them; else their size is by chance.
    """
    height, width = photo.shape[:2]
    x1, y1, x2, y2 = np.asarray(negative.box_share) * (width, height, width, height)
    longest = max(x2 - x1, y2 - y1, 4.0)
    share = np.exp(rng.uniform(np.log(_LEAST_SHARE), np.log(_MOST_SHARE)))
    window = int(np.clip(longest / share, 24, min(height, width)))
    if longest < side * _LEAST_SHARE * 2 and rng.random() < 0.5:
        window = min(side, height, width)
    left = _start(x1, x2, window, width, rng)
    top = _start(y1, y2, window, height, rng)
    method = cv2.INTER_AREA if window > side else cv2.INTER_LINEAR
    cut = photo[top : top + window, left : left + window]
    return np.asarray(cv2.resize(cut, (side, side), interpolation=method), np.uint8)


def _start(low: float, high: float, window: int, length: int, rng: np.random.Generator) -> int:
    """Where a window begins that holds [low, high] if it can, inside [0, length]."""
    first, last = sorted((high - window, low))
    return int(np.clip(rng.uniform(first, last), 0, max(0, length - window)))
