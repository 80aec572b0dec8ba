"""Pictures in, findings out: windows of many pictures share the detector's batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from amogus_search.core import tiling
from amogus_search.core.boxes import areas, suppress
from amogus_search.core.evidence import with_evidence
from amogus_search.core.pixelart import is_pixel_art
from amogus_search.core.types import DecodedImage, Detections, SkippedImage
from amogus_search.pipeline.resize import resize, resize_cells
from amogus_search.ports import Detector
from amogus_search.settings import DETECT, NATIVE, TILING, DetectSettings, Profile, TilingSettings

Found = tuple[DecodedImage, Detections]


@dataclass(eq=False)
class _Job:
    """A picture whose windows are under way."""

    image: DecodedImage | SkippedImage
    waiting: int = 0
    parts: list[Detections] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Window:
    job: _Job
    tile: tiling.Tile
    pixels: NDArray[np.uint8]


def detect_images(
    images: Iterable[DecodedImage | SkippedImage],
    detector: Detector,
    profile: Profile,
    *,
    detect: DetectSettings = DETECT,
    tiles: TilingSettings = TILING,
) -> Iterator[Found | SkippedImage]:
    """The findings of each picture, with evidence, in the order of the input.

    Args:
        images: decoded pictures; what could not be decoded passes through.
        detector: gets full batches of equally large windows, from one or several pictures.
        profile: which windows; see `settings.PROFILES`.

    Yields:
        (picture, findings best first in pixels of the upright full picture), or the skipped picture.
    """
    profile = NATIVE if getattr(detector, "native_only", False) else profile
    queue: deque[_Job] = deque()
    batch: list[_Window] = []
    for image in images:
        job = _Job(image)
        queue.append(job)
        for window in _windows(job, detector.tile_px, profile, tiles):
            if batch and (len(batch) == detector.batch or batch[0].tile.side_px != window.tile.side_px):
                _run(detector, batch, detect)
                batch = []
            job.waiting += 1
            batch.append(window)
        yield from _finished(queue, detector, detect)
    _run(detector, batch, detect)
    yield from _finished(queue, detector, detect)


def planned_windows(
    size_wh: tuple[int, int],
    tile_px: int,
    profile: Profile,
    settings: TilingSettings = TILING,
    *,
    pixel_art: bool = False,
) -> list[tiling.Tile]:
    """Every window that a profile looks at in a picture of this size, empty ones too."""
    return tiling.plan(
        size_wh,
        tile_px,
        full_px=profile.full_px,
        native_tiles=profile.native_tiles,
        enlarge=profile.enlarge_pixel_art if pixel_art else profile.enlarge,
        overlap=settings.overlap_ratio,
        much_larger=settings.much_larger,
        max_enlarged_px=settings.max_enlarged_pixel_art_px if pixel_art else settings.max_enlarged_px,
    )


def _windows(job: _Job, tile_px: int, profile: Profile, settings: TilingSettings) -> Iterator[_Window]:
    if isinstance(job.image, SkippedImage):
        return
    pixels, size_wh = job.image.pixels, job.image.full_wh
    pixel_art = is_pixel_art(pixels)
    grow = resize_cells if pixel_art else resize
    scratch_zoom = pixels.shape[1] / size_wh[0]
    for tile in planned_windows(size_wh, tile_px, profile, settings, pixel_art=pixel_art):
        window = tiling.cut(pixels, tile, grow, scratch_zoom=scratch_zoom)
        width, height = tile.shown_wh
        if not tiling.is_empty(window[:height, :width], settings.empty_std):
            yield _Window(job, tile, window)


def _run(detector: Detector, batch: list[_Window], settings: DetectSettings) -> None:
    if not batch:
        return
    answers = detector.detect_tiles(np.stack([window.pixels for window in batch]))
    for window, found in zip(batch, answers, strict=True):
        assert isinstance(window.job.image, DecodedImage)
        size_wh = window.job.image.full_wh
        strong = found.keep(found.confidence >= settings.min_confidence)
        # A coarser window shows whole whatever this one cuts (see `tiling.plan`), so a stump is never needed.
        whole = strong.keep(~tiling.is_cut(strong.xyxy, window.tile, size_wh))
        window.job.parts.append(tiling.to_image(whole, window.tile, size_wh))
        window.job.waiting -= 1


def _finished(queue: deque[_Job], detector: Detector, settings: DetectSettings) -> Iterator[Found | SkippedImage]:
    while queue and not queue[0].waiting:
        job = queue.popleft()
        if isinstance(job.image, SkippedImage):
            yield job.image
        else:
            yield job.image, merge(job.image, job.parts, detector, settings)


def merge(image: DecodedImage, parts: list[Detections], detector: Detector, settings: DetectSettings) -> Detections:
    """What all windows of one picture found, each finding once, best first, with evidence."""
    motif = detector.motif
    if not any(len(part) for part in parts):
        return Detections.none(motif.keypoint_names, motif.evidence_names)
    together = Detections.concatenate([part for part in parts if len(part)])
    together = together.keep(areas(together.xyxy) >= 1)
    rows = suppress(
        together.xyxy,
        together.confidence,
        max_iou=settings.nms_iou,
        max_ios=settings.nms_ios,
        part_ratio=settings.nms_part_ratio,
        limit=round(settings.max_per_megapixel * max(1.0, image.full_wh[0] * image.full_wh[1] / 1e6)),
    )
    kept = together.keep(rows)
    scale = image.pixels.shape[1] / image.full_wh[0]
    evidence = with_evidence(_scaled(kept, scale), image.pixels, motif)
    return kept.with_evidence(evidence.evidence, evidence.evidence_names)


def _scaled(detections: Detections, factor: float) -> Detections:
    if factor == 1:
        return detections
    return Detections.make(
        detections.xyxy * np.float32(factor),
        detections.confidence,
        keypoints=detections.keypoints,
        keypoint_names=detections.keypoint_names,
    )
