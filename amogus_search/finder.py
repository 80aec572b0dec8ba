"""A detector with all that makes sense of its findings: the second look and the calibration. Needs no index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike, fsencode

import numpy as np
from numpy.typing import NDArray

from amogus_search import registry
from amogus_search.core.calibration import Calibration, uncalibrated
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import DecodedImage, Detections, FileEntry, FindingScores, SkippedImage
from amogus_search.errors import UsageError
from amogus_search.pipeline.detect import decode_px, detect_images
from amogus_search.pipeline.embed import verify_findings
from amogus_search.ports import Detector, Verifier
from amogus_search.settings import DEFAULT_PROFILE, DEFAULT_THRESHOLD, DETECT, PROFILES, DetectSettings, Profile

UNCALIBRATED_CONFIDENCE = 0.25
"""What counts, by default, from a detector that nobody calibrated: the customary threshold of YOLO models."""
DEFAULT = Threshold(min_amogusness=DEFAULT_THRESHOLD, uncalibrated_confidence=UNCALIBRATED_CONFIDENCE)


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one picture: findings best first, and their scores in the same rows."""

    entry: FileEntry
    sha256: str
    full_wh: tuple[int, int]
    detections: Detections
    scores: FindingScores

    def keep(self, threshold: Threshold) -> Found:
        """The same, with only the findings that reach the threshold."""
        rows = np.flatnonzero(threshold.passes(self.detections, self.scores))
        return Found(self.entry, self.sha256, self.full_wh, self.detections.keep(rows), _keep(self.scores, rows))


@dataclass(frozen=True, eq=False)
class Finder:
    """A detector, the verifier that looks again at its findings, and the calibration fitted for both."""

    detector: Detector
    verifier: Verifier | None = None
    calibration: Calibration | None = None

    @classmethod
    def load(cls, name: str = registry.DEFAULT) -> Finder:
        """The detector of that name with what belongs to it; the errors are those of `load_detector`."""
        detector = registry.load_detector(name)
        calibration = registry.load_calibration(detector.calibration)
        return cls(detector, registry.load_verifier(detector.motif.name), calibration)

    def score(self, detections: Detections) -> FindingScores:
        """Amogusness and rarity; NaN without a calibration."""
        return self.calibration.score(detections) if self.calibration else uncalibrated(detections)

    def find(
        self,
        images: Iterable[DecodedImage | SkippedImage],
        profile: Profile = PROFILES[DEFAULT_PROFILE],
        *,
        settings: DetectSettings = DETECT,
    ) -> Iterator[Found | SkippedImage]:
        """One result a picture, in the order given; all findings, whatever their score."""
        found = detect_images(images, self.detector, profile, detect=settings)
        looked_at_again = verify_findings(found, self.verifier) if self.verifier else found
        for item in looked_at_again:
            if isinstance(item, SkippedImage):
                yield item
            else:
                yield self._best_first(*item)

    def _best_first(self, image: DecodedImage, detections: Detections) -> Found:
        scores = self.score(detections)
        best = np.where(np.isnan(scores.amogusness), detections.confidence, scores.amogusness)
        rows = np.argsort(-best, kind="stable")
        return Found(image.entry, image.sha256, image.full_wh, detections.keep(rows), _keep(scores, rows))


def detect(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    detector: str = registry.DEFAULT,
    profile: str = DEFAULT_PROFILE,
    threshold: Threshold = DEFAULT,
) -> Iterator[Found | SkippedImage]:
    """What is in these pictures: `Found` for each, or `SkippedImage` with the reason, in sorted order.

        for found in detect("holiday/"):
            print(found.entry.path, found.detections.xyxy, found.scores.amogusness)

    Args:
        paths: files and folders.
        detector: see `registry.load_detector`.
        profile: one of `settings.PROFILES`.
        threshold: which findings count; `Threshold()` gives all.

    Raises:
        UsageError: no such detector or profile.
        AmogusError: a path does not exist, or there is no picture.
    """
    from amogus_search.sources.folder import FolderSource
    from amogus_search.sources.workers import DecodePool

    if profile not in PROFILES:
        raise UsageError(f"there is no profile called {profile!r}", f"there are: {', '.join(PROFILES)}")
    named = [paths] if isinstance(paths, (str, PathLike)) else paths
    source, finder = FolderSource([fsencode(path) for path in named]), Finder.load(detector)
    with DecodePool(max_side=decode_px(finder.detector, PROFILES[profile])) as pool:
        for item in finder.find(pool.decode(source.scan()), PROFILES[profile]):
            yield item.keep(threshold) if isinstance(item, Found) else item


def _keep(scores: FindingScores, rows: NDArray[np.int64]) -> FindingScores:
    return FindingScores(scores.amogusness[rows], scores.rarity[rows], scores.rarity_at_least[rows])
