from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections, FileEntry, FileStat, FindingScores, ImageFindings, SkippedImage
from amogus_search.store.index import Index

IDENTITY = {
    "detector": {"name": "fake", "fingerprint": "d1"},
    "embedder": {"name": "fake", "fingerprint": "e1", "dimension": 8},
    "preprocessing": 1,
    "profile": "balanced",
}
MOTIF = Motif("dot", ("top", "foot"), (0, 1), {"lid": ("top",)}, {"red": (340.0, 20.0)})
DIMENSION = 8


class DurableOperations:
    """Counts this process' durable operations, and kills it before the one of that number; -1: never.

    For the programs that the tests of kills run, and never for the process of the tests.
    """

    def __init__(self, kill_at: int) -> None:
        from amogus_search.store.catalog import Catalog

        self.done, self._kill_at = 0, kill_at
        for owner, name in (
            (Catalog, "run"),
            (Catalog, "run_many"),
            (os, "fsync"),
            (Path, "replace"),
            (Path, "unlink"),
        ):
            setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, operation: Callable) -> Callable:
        def counted(*args, **kwargs):
            self.done += 1
            if self.done == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **kwargs)

        return counted


class Maker:
    """Makes what a pipeline would hand to an index, everything from small seeds."""

    identity = IDENTITY
    motif = MOTIF

    def create(self, folder: Path, **changes) -> Index:
        return Index.open(folder, "w", create=True, identity={**IDENTITY, **changes}, motif=MOTIF)

    def entry(self, name: str | bytes, size: int = 100) -> FileEntry:
        path = b"/photos/" + (name if isinstance(name, bytes) else name.encode())
        return FileEntry(path, b"/photos", FileStat(2**64 - 3, 5, size, 7, 8))

    def sha(self, content: object) -> str:
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def image(self, name: str | bytes, confidences=(), *, content: object = None, **changes) -> ImageFindings:
        key = name if content is None else content
        random = np.random.default_rng(int(self.sha(key)[:8], 16))
        n = len(confidences)
        corners = random.integers(0, 50, (n, 2))
        found = Detections.make(
            np.concatenate([corners, corners + random.integers(5, 40, (n, 2))], axis=1),
            confidences,
            keypoints=random.random((n, 2, 3)),
            keypoint_names=MOTIF.keypoint_names,
        ).with_evidence(random.random((n, 2)), MOTIF.evidence_names)
        vectors = random.normal(size=(n + 1, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        values = {
            "entry": self.entry(name),
            "sha256": self.sha(key),
            "format": "JPEG",
            "full_wh": (640, 480),
            "detections": found,
            "image_vector": vectors[0],
            "detection_vectors": vectors[1:],
        }
        return ImageFindings(**{**values, **changes})

    def skip(self, name: str, reason: str = "corrupt") -> SkippedImage:
        return SkippedImage(self.entry(name), reason, "bad header", self.sha(name))

    def half(self, found: Detections) -> FindingScores:
        """A calibration: half the confidence."""
        amogusness = found.confidence.astype(np.float64) / 2
        return FindingScores(amogusness, 1 / (1 - amogusness), amogusness > 0.45)


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def index(tmp_path, make):
    """An empty index, open for writing, calibrated."""
    with make.create(tmp_path / "index") as opened:
        opened.rescore("half", make.half)
        yield opened
