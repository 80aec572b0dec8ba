"""The nouns of the project, each defined once. No file access, no models, no drawing.

Geometry is xyxy, float32, in pixels of the upright full image, x2/y2 exclusive, unless a name says
otherwise. Pictures are (h, w, 3) uint8 RGB. Types are checked when they are born.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""(h, w, 3) uint8, RGB, upright."""
Boxes: TypeAlias = NDArray[np.float32]
"""(n, 4) float32, xyxy, x2/y2 exclusive."""
Scores: TypeAlias = NDArray[np.float32]
"""(n,) float32."""
Vectors: TypeAlias = NDArray[np.float32]
"""(n, d) float32, rows of unit length."""

SKIP_REASONS = (
    "empty",
    "not_an_image",
    "unsupported_format",
    "unsupported_codec",
    "truncated",
    "corrupt",
    "too_large",
    "bad_dimensions",
    "non_finite",
    "timeout",
    "out_of_memory",
    "decoder_crash",
    "permission",
    "vanished",
    "changed_while_reading",
    "not_regular",
    "symlink_loop",
    "outside_root",
    "path_too_long",
    "io_error",
)
"""Why a file was not indexed; every skipped file has exactly one of these words."""

ACCESS_REASONS = frozenset({"permission", "vanished", "changed_while_reading", "io_error"})
"""The skip reasons that are not the file's own fault; they make the command line exit with 3."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The findings of one image: parallel arrays, one row a finding.

    xyxy:           (n, 4) float32, pixels of the upright full image (a detector's own answer: of the tile)
    confidence:     (n,) float32, the detector's raw score in [0, 1]
    keypoints:      (n, k, 3) float32, x and y in the frame of `xyxy`, then the visibility in [0, 1]
    evidence:       (n, p) float32 in [0, 1], one column a part of `evidence_names`
    margin:         (n,) float32, the verifier's crewmate-versus-photo margin; NaN where no verifier ran
    zoom:           (n,) float32, how much the tile enlarged the image (0.5: seen at half size)
    keypoint_names: k names in the motif's order, may be empty
    evidence_names: p names in the motif's order, may be empty
    """

    xyxy: Boxes
    confidence: Scores
    keypoints: NDArray[np.float32]
    evidence: NDArray[np.float32]
    margin: Scores
    zoom: Scores
    keypoint_names: tuple[str, ...] = ()
    evidence_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        expected = {
            "xyxy": (n, 4),
            "confidence": (n,),
            "keypoints": (n, len(self.keypoint_names), 3),
            "evidence": (n, len(self.evidence_names)),
            "margin": (n,),
            "zoom": (n,),
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"{name} is {array.dtype}{array.shape}, expected float32{shape}")

    @classmethod
    def make(
        cls,
        xyxy: object,
        confidence: object,
        *,
        keypoints: object = None,
        keypoint_names: Sequence[str] = (),
        zoom: object = None,
    ) -> Detections:
        """Findings from anything array-like, without evidence or margin yet."""
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        n, names = len(boxes), tuple(keypoint_names)
        points = np.zeros((n, len(names), 3)) if keypoints is None else keypoints
        return cls(
            xyxy=boxes,
            confidence=np.asarray(confidence, np.float32).reshape(n),
            keypoints=np.asarray(points, np.float32).reshape(n, len(names), 3),
            evidence=np.zeros((n, 0), np.float32),
            margin=np.full(n, np.nan, np.float32),
            zoom=np.asarray(np.ones(n) if zoom is None else zoom, np.float32).reshape(n),
            keypoint_names=names,
        )

    @classmethod
    def none(cls, keypoint_names: Sequence[str] = (), evidence_names: Sequence[str] = ()) -> Detections:
        """No findings at all, with the columns of a motif."""
        empty = cls.make(np.zeros((0, 4)), np.zeros(0), keypoint_names=keypoint_names)
        return empty.with_evidence(np.zeros((0, len(tuple(evidence_names)))), evidence_names)

    def __len__(self) -> int:
        return len(self.xyxy)

    def keep(self, rows: object) -> Detections:
        """The given rows (a mask, a slice or row numbers), in that order."""
        index = np.asarray(rows) if not isinstance(rows, slice) else rows
        if not isinstance(index, slice) and index.dtype != bool:
            index = index.astype(np.int64)
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self) if f.name in _COLUMNS})

    def with_evidence(self, evidence: object, names: Sequence[str]) -> Detections:
        """The same findings with the evidence columns filled in; evidence is (n, p)."""
        table = np.asarray(evidence, np.float32).reshape(len(self), len(tuple(names)))
        return replace(self, evidence=table, evidence_names=tuple(names))

    def with_margin(self, margin: object) -> Detections:
        """The same findings with the verifier's margins; margin is (n,)."""
        return replace(self, margin=np.asarray(margin, np.float32).reshape(len(self)))

    @staticmethod
    def concatenate(parts: Sequence[Detections]) -> Detections:
        """All rows of all parts, in order; the parts must have the same columns.

        Raises:
            ValueError: there are no parts, or their keypoints or evidence differ.
        """
        if not parts:
            raise ValueError("nothing to concatenate: use Detections.none() for no findings")
        first = parts[0]
        if any((p.keypoint_names, p.evidence_names) != (first.keypoint_names, first.evidence_names) for p in parts):
            raise ValueError("findings with different keypoints or evidence cannot be joined")
        columns: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS}
        return replace(first, **columns)


_COLUMNS = ("xyxy", "confidence", "keypoints", "evidence", "margin", "zoom")


@dataclass(frozen=True, eq=False)
class FindingScores:
    """Calibrated scores of findings; derived, never the truth (DESIGN.md D6b).

    amogusness:      (n,) float64 in [0, 1]; NaN where there is no calibration for the detector
    rarity:          (n,) float64, "1 in N ordinary photos has a finding this good", >= 1; NaN likewise
    rarity_at_least: (n,) bool, the background sample ends there, so the true N is that or more
    """

    amogusness: NDArray[np.float64]
    rarity: NDArray[np.float64]
    rarity_at_least: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.amogusness)


@dataclass(frozen=True, slots=True)
class FileStat:
    """What tells, without reading a file, whether it changed (nanoseconds since the epoch, bytes)."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file that a source found.

    path: absolute path as bytes (names need not be text)
    root: the folder or file the user named, absolute, as bytes
    stat: as the scan saw it; None if the file could not be looked at (then `problem` says why)
    problem: a skip reason and a detail, for files that are known to be unusable before they are opened
    """

    path: bytes
    root: bytes
    stat: FileStat | None
    problem: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class DecodedImage:
    """One upright picture in memory.

    pixels: (h, w, 3) uint8 RGB, EXIF orientation applied; may be smaller than the picture when a
        reduced decode was asked for: `full_wh` is always the upright full size
    sha256: hex digest of the file's bytes
    """

    entry: FileEntry
    pixels: Pixels
    full_wh: tuple[int, int]
    sha256: str
    format: str

    @property
    def zoom_xy(self) -> tuple[float, float]:
        """Pixels held for one of the full picture, across and down; they differ by what rounding the sizes does."""
        height, width = self.pixels.shape[:2]
        return width / self.full_wh[0], height / self.full_wh[1]


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """One file that gave no picture, with one of `SKIP_REASONS`; sha256 is "" if it was never read."""

    entry: FileEntry
    reason: str
    detail: str
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.reason not in SKIP_REASONS:
            raise ValueError(f"unknown skip reason {self.reason!r}")


@dataclass(frozen=True, eq=False, slots=True)
class ImageFindings:
    """All that the models said of one picture: what goes into an index, in one piece.

    image_vector:      (d,) float32, unit length, the whole picture; None without an embedder
    detection_vectors: (n, d) float32, row i is the crop of finding i; (n, 0) without an embedder
    """

    entry: FileEntry
    sha256: str
    format: str
    full_wh: tuple[int, int]
    detections: Detections
    image_vector: NDArray[np.float32] | None = None
    detection_vectors: Vectors = field(default_factory=lambda: np.zeros((0, 0), np.float32))


@dataclass(frozen=True, slots=True)
class Others:
    """Hits that one hit stands for: `exact` have the same content, `near` only look the same."""

    exact: int = 0
    near: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Hit:
    """One line of an answer, best first.

    by:          "amogusness" | "confidence" | "similarity" | "mixed": what `score` is
    path:        absolute path, bytes
    detections:  all findings of the image, best first (in `regions` queries too, so that a hit can be drawn in context)
    scores:      calibrated scores of the same rows
    detection:   row of the finding that was hit, or None for an image without findings or a whole-image match
    crop_id:     stable id of that finding: from content hash and box, see core.ids
    others:      the duplicates that this hit stands for; None where nobody asked for folding
    """

    rank: int
    path: bytes
    score: float
    by: str
    sha256: str
    full_wh: tuple[int, int]
    detections: Detections
    scores: FindingScores
    detection: int | None
    crop_id: str | None = None
    others: Others | None = None
