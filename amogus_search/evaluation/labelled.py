"""Pictures whose truth is known: YOLO folders, and plain folders in which there is nothing to find."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amogus_search.core.labels import parse_yolo
from amogus_search.core.splits import is_for_fitting, is_held_out
from amogus_search.core.types import Boxes, Detections, FileEntry
from amogus_search.errors import AmogusError

_EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class LabelledImage:
    """One picture and its label file; without one there is nothing to find in it."""

    path: Path
    label: Path | None

    def truth(self, size_wh: tuple[int, int]) -> Boxes:
        """(m, 4) true boxes in pixels."""
        return self.labels(size_wh, ()).xyxy

    def labels(self, size_wh: tuple[int, int], keypoint_names: Sequence[str]) -> Detections:
        """The true boxes and keypoints in pixels; the visibility of a point that no label speaks of is 0.

        Args:
            size_wh: of the upright picture.
            keypoint_names: which keypoints, in the order of the label file.
        """
        text = self.label.read_text() if self.label is not None and self.label.exists() else ""
        lines = [line.split() for line in text.splitlines() if line.strip()]
        boxes = parse_yolo("\n".join(" ".join(words[:5]) for words in lines), size_wh).detections.xyxy
        points = np.zeros((len(lines), len(keypoint_names), 3), np.float32)
        # Labels of another motif, or none: the boxes count all the same.
        whole = [row for row, words in enumerate(lines) if keypoint_names and len(words) == 5 + 3 * len(keypoint_names)]
        if whole:
            text = "\n".join(" ".join(lines[row]) for row in whole)
            points[whole] = parse_yolo(text, size_wh, keypoint_names).detections.keypoints
        return Detections.make(boxes, np.ones(len(boxes)), keypoints=points, keypoint_names=keypoint_names)


def read_dataset(folder: Path, split: str = "") -> list[LabelledImage]:
    """The pictures of a YOLO dataset (`images/` and `labels/` beside it), or of a folder without labels.

    Args:
        split: only the pictures below `images/<split>`.

    Raises:
        AmogusError: there are no pictures.
    """
    images = folder / "images" / split if (folder / "images").is_dir() else folder
    labels = folder / "labels" / split if (folder / "labels").is_dir() else None
    paths = [p for p in sorted(images.rglob("*")) if p.suffix.lower() in _EXTENSIONS]
    if not paths:
        raise AmogusError(f"there are no pictures in {images}", "give a YOLO dataset folder, or a folder of photos")
    return [
        LabelledImage(p, (labels / p.relative_to(images)).with_suffix(".txt") if labels is not None else None)
        for p in paths
    ]


def held_out(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Those that no training run may have seen, by their content."""
    return [i for i in images if is_held_out(_digest(i))]


def one_half(images: Sequence[LabelledImage], for_fitting: bool) -> list[LabelledImage]:
    """Those that calibrations are fitted on, or the others, by their content (see `core.splits`)."""
    return [i for i in images if is_for_fitting(_digest(i)) == for_fitting]


def _digest(image: LabelledImage) -> str:
    return hashlib.sha256(image.path.read_bytes()).hexdigest()


def entries(images: Sequence[LabelledImage]) -> Iterator[FileEntry]:
    """The pictures as a decoder takes them."""
    for image in images:
        path = bytes(image.path.resolve())
        yield FileEntry(path=path, root=path, stat=None)
