"""Networks, precisions and input sizes beside each other: how well they find, and how long they take here.

Every picture is shown to all of them in turn before the next picture comes, so that whatever else the machine does
falls upon all alike; the ratios of times are steadier than the times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search import quantisation, runtime
from amogus_search.core import tiling
from amogus_search.core.metrics import average_precision, match, pool, recall_at
from amogus_search.core.motif import Motif
from amogus_search.core.types import DecodedImage, SkippedImage
from amogus_search.detectors.openvino import OpenVinoDetector
from amogus_search.errors import AmogusError
from amogus_search.evaluation.detection import Judged
from amogus_search.evaluation.labelled import LabelledImage, entries
from amogus_search.evaluation.range_tiles import fitted_tile
from amogus_search.evaluation.records import keypoints_found
from amogus_search.ports import Decoder

Precision: TypeAlias = Literal["fp32", "bf16", "int8"]
OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
CONFIDENCE = 0.25
"""From which a finding counts for recall and keypoints; average precision looks at all of them."""

Tiles: TypeAlias = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Candidate:
    """A network to be tried: the bytes of its ONNX file, and the motif that it hunts."""

    name: str
    model: bytes
    motif: Motif


@dataclass(frozen=True)
class BenchRow:
    """What one network does in one precision at one input size.

    ap50, ap50_95: average precision at IoU 0.5, and its mean over 0.5 to 0.95
    recall:        share of the true boxes found with a confidence of at least `CONFIDENCE`
    keypoints:     share of the visible keypoints of matched boxes that lie within a tenth of the box's longer side
    ms:            median milliseconds a picture: one window, from pixels to findings
    ratio:         median of the same picture's time relative to this network at this size in the first precision
    bytes:         of its file or files
    """

    weights: str
    precision: Precision
    size: int
    images: int
    ap50: float
    ap50_95: float
    recall: float
    keypoints: float
    ms: float
    ratio: float
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to measure."""
        return {k: _plain(v, 2 if k == "ms" else 4) for k, v in asdict(self).items()}


@dataclass(eq=False)
class _Trial:
    """One combination at work."""

    candidate: Candidate
    precision: Precision
    size: int
    detector: OpenVinoDetector
    file_bytes: int
    judged: list[Judged] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def compare(
    candidates: Sequence[Candidate],
    precisions: Sequence[Precision],
    sizes: Sequence[int],
    images: Sequence[LabelledImage],
    decoder: Decoder,
    *,
    ranges_from: Callable[[int], Tiles],
    threads: int = 0,
    tick: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[BenchRow]:
    """Every network in every precision at every size on the same pictures; the whole frame is fitted into the size.

    Args:
        sizes: sides of the input in pixels, multiples of 32.
        ranges_from: side -> tiles of that side, to quantise with; asked for int8 only.
        threads: of the runtime; 0 leaves it to OpenVINO.
        tick: called as work proceeds with (what is going on, done, total).

    Raises:
        AmogusError: a picture cannot be decoded, or a network is none of ours.
        MissingExtraError: int8 is asked for and NNCF is not installed.
    """
    trials = list(_trials(candidates, precisions, sizes, ranges_from, threads, tick))
    for trial in trials:  # the first run of each compiles and is not measured
        trial.detector.detect_tiles(np.zeros((1, trial.size, trial.size, 3), np.uint8))
    for number, (image, item) in enumerate(zip(images, decoder.decode(entries(images)), strict=True)):
        if isinstance(item, SkippedImage):
            raise AmogusError(f"{image.path}: {item.reason}: {item.detail}", "take it out of the dataset")
        first = number % len(trials)
        for trial in (*trials[first:], *trials[:first]):  # nobody always comes first
            _show(trial, image, item)
        tick("measuring", number + 1, len(images))
    first_of = {(id(t.candidate), t.size): t for t in reversed(trials)}
    return [_row(trial, first_of[id(trial.candidate), trial.size]) for trial in trials]


def _trials(
    candidates: Sequence[Candidate],
    precisions: Sequence[Precision],
    sizes: Sequence[int],
    ranges_from: Callable[[int], Tiles],
    threads: int,
    tick: Callable[[str, int, int], None],
) -> Iterator[_Trial]:
    plain: Mapping[Precision, runtime.Precision] = {"fp32": "f32", "bf16": "bf16"}
    native: runtime.Precision = "bf16" if runtime.cpu_has_bf16() else "f32"
    for number, candidate in enumerate(candidates):
        model, constants = candidate.model, b""
        for precision in precisions:
            if precision == "int8":
                tick("quantising", number, len(candidates))
                tiles = [tile for size in sizes for tile in ranges_from(size)[:: len(sizes)]]
                model, constants = quantisation.quantised(candidate.model, tiles)
            else:
                model, constants = candidate.model, b""
            detector = OpenVinoDetector(
                candidate.name,
                model,
                candidate.motif,
                precision=plain.get(precision, native),
                threads=threads,
                constants=constants,
            )
            for size in sizes:
                yield _Trial(candidate, precision, size, detector, len(model) + len(constants))


def _show(trial: _Trial, image: LabelledImage, decoded: DecodedImage) -> None:
    tile, pixels = fitted_tile(decoded, trial.size)
    began = time.perf_counter()
    (found,) = trial.detector.detect_tiles(pixels[None])
    trial.seconds.append(time.perf_counter() - began)
    detections = tiling.to_image(found, tile, decoded.full_wh)
    truth = image.labels(decoded.full_wh, trial.candidate.motif.keypoint_names)
    taken = match(detections.xyxy, detections.confidence, truth.xyxy, 0.5)
    trial.judged.append(
        Judged(
            image=image,
            size_wh=decoded.full_wh,
            detections=detections,
            truth=truth.xyxy,
            taken=np.where(detections.confidence >= CONFIDENCE, taken, -1),
            points=truth.keypoints,
            zoom=tile.zoom,
            sha256=decoded.sha256,
        )
    )


def _row(trial: _Trial, reference: _Trial) -> BenchRow:
    pictures = [(one.detections.xyxy, one.detections.confidence, one.truth) for one in trial.judged]
    matches = [pool(pictures, overlap) for overlap in OVERLAPS]
    points = np.sum([keypoints_found(one) for one in trial.judged], axis=0)
    return BenchRow(
        weights=trial.candidate.name,
        precision=trial.precision,
        size=trial.size,
        images=len(trial.judged),
        ap50=average_precision(matches[0]),
        ap50_95=float(np.mean([average_precision(one) for one in matches])),
        recall=recall_at(matches[0], CONFIDENCE) if matches[0].expected else float("nan"),
        keypoints=float(points[0] / points[1]) if points[1] else float("nan"),
        ms=1000 * float(np.median(trial.seconds)),
        ratio=float(np.median(np.divide(trial.seconds, reference.seconds))),
        bytes=trial.file_bytes,
    )


def _plain(value: Any, digits: int) -> Any:
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else round(value, digits)
