"""Hits over small painted pictures, and a reader that counts how often each is decoded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from amogus_search.core.ids import crop_id
from amogus_search.core.types import DecodedImage, Detections, FileEntry, FindingScores, Hit, Pixels
from amogus_search.errors import DecodeError

PARTS = ("visor", "red")
POINTS = ("head", "foot")


@dataclass
class Library:
    """Pictures by path; `changed` and `broken` ones are answered as a decoder would."""

    pictures: dict[bytes, Pixels] = field(default_factory=dict)
    sha256: dict[bytes, str] = field(default_factory=dict)
    broken: set[bytes] = field(default_factory=set)
    read: list[bytes] = field(default_factory=list)

    def pixels(self, path: bytes) -> Pixels:
        self.read.append(path)
        if path in self.broken:
            raise DecodeError("truncated", "the file ends early")
        if path not in self.pictures:
            raise FileNotFoundError(2, "No such file", path)
        return self.pictures[path]

    def decoded(self, path: bytes) -> DecodedImage:
        pixels = self.pixels(path)
        size = (pixels.shape[1], pixels.shape[0])
        return DecodedImage(FileEntry(path, b"/photos", None), pixels, size, self.sha256[path], "PNG")


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def make_hit(library: Library) -> Callable[..., Hit]:
    """A hit on a 100 x 80 picture with a red square where each box is; the picture is put into the library."""

    def make(rank: int, path: bytes, boxes: list[list[float]], **changes: Any) -> Hit:
        pixels = np.full((80, 100, 3), 40, np.uint8)
        for x1, y1, x2, y2 in np.asarray(boxes, int).reshape(-1, 4):
            pixels[y1:y2, x1:x2] = (220, 20, 20)
        library.pictures.setdefault(path, pixels)
        library.sha256.setdefault(path, f"{len(library.sha256):064x}")
        n = len(boxes)
        points = np.tile(np.float32([[1, 2, 0.9], [3, 4, 0.1]]), (n, 1, 1))
        found = Detections.make(boxes, 0.9 - 0.1 * np.arange(n), keypoints=points, keypoint_names=POINTS)
        found = found.with_evidence(np.tile([0.98, 0.2], (n, 1)), PARTS)
        scores = FindingScores(0.97 - 0.3 * np.arange(n), np.full(n, 3104.0), np.arange(n) == 1)
        sha256, first = library.sha256[path], (0 if n else None)
        values: dict[str, Any] = {
            "rank": rank,
            "path": path,
            "score": 0.97 if n else 0.0,
            "by": "amogusness",
            "sha256": sha256,
            "full_wh": (100, 80),
            "detections": found,
            "scores": scores,
            "detection": first,
            "crop_id": crop_id(sha256, boxes[0]) if n else None,
        }
        return Hit(**(values | changes))

    return make


HOSTILE = (
    b'/photos/it\'s "quoted".jpg',
    b"/photos/line\nbreak \x1b[31m.jpg",
    b"/photos/<img src=x onerror=alert(1)>.jpg",
    b"/photos/<!--<script>.jpg",
    b"/photos/caf\xe9\xff.jpg",
    "/photos/雪 [red]bold[/red] {{title}} \u202egpj.jpg".encode(),
    b"/photos/=HYPERLINK(1,2).jpg",
    b"/photos/...",
)


@pytest.fixture(params=HOSTILE, ids=repr)
def hostile_path(request: pytest.FixtureRequest) -> bytes:
    path: bytes = request.param
    return path
