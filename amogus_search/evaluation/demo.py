"""The demo folder's findings beside its truth: found, missed and false, by the size of the amogus."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.metrics import match
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Boxes, Hit
from amogus_search.errors import UsageError

SIZES: Mapping[str, tuple[float, float]] = {
    "under 32 px": (0, 32),
    "32 to 96 px": (32, 96),
    "over 96 px": (96, math.inf),
}
"""Name -> height of the box in pixels, from and below."""


@dataclass(frozen=True)
class DemoRow:
    """One line of the summary; `false` findings are put under their own size."""

    size: str
    hidden: int
    found: int
    missed: int
    false: int

    def to_dict(self) -> dict[str, str | int]:
        """Plain JSON values."""
        return asdict(self)


def read_truth(path: Path) -> dict[bytes, Boxes]:
    """Absolute path of every picture -> (n, 4) boxes of what is hidden in it.

    Raises:
        UsageError: the file is not there or is not one that `amogus synth demo` wrote.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        boxes = {name: [hidden["box"] for hidden in hiddens] for name, hiddens in record.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} is no truth of a demo folder: {error}", "draw one with: amogus synth demo demo"
        ) from None
    folder = os.path.abspath(path.parent)
    return {
        os.fsencode(os.path.join(folder, name)): np.asarray(rows, np.float32).reshape(-1, 4)
        for name, rows in boxes.items()
    }


def compare(
    hits: Iterable[Hit], truth: Mapping[bytes, Boxes], *, threshold: Threshold, min_iou: float = 0.4
) -> list[DemoRow]:
    """One row a size and one for all.

    Args:
        hits: one for each image, with all its findings; images that the truth does not know are left out, and
            what is hidden in images without a hit is missed.
        truth: see `read_truth`.
        threshold: which findings count.
        min_iou: least overlap of a finding with what it found.
    """
    findings = {hit.path: hit.detections.keep(threshold.passes(hit.detections, hit.scores)) for hit in hits}
    hidden, found, false = (dict.fromkeys(SIZES, 0) for _ in range(3))
    for path, boxes in truth.items():
        seen = findings.get(path)
        taken = np.zeros(0, np.int64)
        if seen is not None:
            taken = match(seen.xyxy, seen.confidence, boxes, min_iou)
            for box in seen.xyxy[taken < 0]:
                false[_size(box)] += 1
        for row, box in enumerate(boxes):
            hidden[_size(box)] += 1
            found[_size(box)] += int(row in taken)
    rows = [DemoRow(name, hidden[name], found[name], hidden[name] - found[name], false[name]) for name in SIZES]
    sums = [sum(getattr(row, column) for row in rows) for column in ("hidden", "found", "missed", "false")]
    return [*rows, DemoRow("all", *sums)]


def _size(box: NDArray[np.float32]) -> str:
    height = float(box[3] - box[1])
    return next(name for name, (low, high) in SIZES.items() if low <= height < high)
