"""Pictures in, findings out: windows of many pictures share the detector's batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core import tiling
from amogus_search.core.boxes import areas, suppress
from amogus_search.core.evidence import with_evidence
from amogus_search.core.pixelart import is_pixel_art
from amogus_search.core.types import DecodedImage, Detections, SkippedImage
from amogus_search.pipeline.resize import resize, resize_cells
from amogus_search.pipeline.windows import Job, Windows
from amogus_search.ports import Detector
from amogus_search.settings import AHEAD, DETECT, NATIVE, TILING, DetectSettings, Profile, TilingSettings

Found = tuple[DecodedImage, Detections]

_MOST_WAITING = 16
"""Pictures that may wait for answers; pictures without structure would otherwise pile up behind one that waits."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture with the plan of its windows, and the first of them cut.

    view:      how windows are cut from it
    tiles:     windows to look at, from the coarsest to the finest
    closest:   those of the highest zoom, to be looked at only where there are hints
    hint_zoom: zoom of the windows whose candidates are the hints; 0 for none
    cut:       the detector's inputs of the first `tiles`; None where there is nothing in a window
    """

    view: View
    tiles: list[tiling.Tile]
    closest: list[tiling.Tile]
    hint_zoom: float
    cut: list[NDArray[np.uint8] | None]

    @property
    def image(self) -> DecodedImage:
        """The picture."""
        return self.view.image

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels and of the windows that are cut."""
        return self.image.pixels.nbytes + sum(window.nbytes for window in self.cut if window is not None)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(height, width) of the windows that are cut, each once."""
        return list(dict.fromkeys(window.shape[:2] for window in self.cut if window is not None))


def detect_images(
    images: Iterable[DecodedImage | Prepared | SkippedImage],
    detector: Detector,
    profile: Profile,
    *,
    detect: DetectSettings = DETECT,
    tiles: TilingSettings = TILING,
) -> Iterator[Found | SkippedImage]:
    """The findings of each picture, with evidence, in the order of the input.

    Args:
        images: decoded pictures, or those that `prepare` was asked about; what could not be decoded passes through.
        detector: gets full batches of equally large windows, from one or several pictures.
        profile: which windows; see `settings.PROFILES`.

    Yields:
        (picture, findings best first in pixels of the upright full picture), or the skipped picture.
    """
    queue: deque[Job] = deque()
    windows = Windows(detector, detect, _hints_from(detector, tiles))
    for item in images:
        if isinstance(item, SkippedImage):
            queue.append(Job(item))
        else:
            prepared = item if isinstance(item, Prepared) else prepare(item, detector, profile, tiles=tiles)
            job = _job(prepared, tiles)
            queue.append(job)
            windows.add(job, prepared.tiles, prepared.cut)
        if len(queue) > _MOST_WAITING or sum(job.nbytes for job in queue) > AHEAD.bytes:
            windows.finish()
        yield from _finished(queue, detector, detect)
    windows.finish()
    yield from _finished(queue, detector, detect)


def _job(picture: Prepared, settings: TilingSettings) -> Job:
    view = picture.view
    return Job(picture.image, lambda tile: view.cut(tile, settings.empty_std), picture.closest, picture.hint_zoom)


def prepare(
    image: DecodedImage, detector: Detector, profile: Profile, *, tiles: TilingSettings = TILING, cut: int = 0
) -> Prepared:
    """All that can be done for a picture before the detector sees it; may be called in another thread.

    Args:
        image: a decoded picture.
        detector: only asked what it likes.
        profile: which windows.
        cut: so many windows are cut at once; the others when the detector gets to them.
    """
    profile = NATIVE if getattr(detector, "native_only", False) else profile
    view = View.of(image, rectangular=getattr(detector, "rectangular", False))
    planned = planned_windows(image.full_wh, detector.tile_px, profile, tiles, pixel_art=view.pixel_art)
    closest: list[tiling.Tile] = []
    hint_zoom = 0.0
    if _hints_from(detector, tiles):
        planned, closest, hint_zoom = tiling.finest(planned)
    windows = [view.cut(tile, tiles.empty_std) for tile in planned[:cut]]
    return Prepared(view, planned, closest, hint_zoom, windows)


def _hints_from(detector: Detector, settings: TilingSettings) -> float:
    """Confidence of a candidate that is worth a closer look; 0 if all is looked at closely."""
    return settings.hint_confidence if getattr(detector, "floor", 1.0) <= settings.hint_confidence else 0.0


def decode_px(detector: Detector, profile: Profile) -> int | None:
    """Longest side of the pixels that are needed of a picture; None: all of them."""
    return None if getattr(detector, "native_only", False) else profile.decode_px


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


@dataclass(frozen=True, eq=False)
class View:
    """A picture as windows are cut from it.

    rectangular: windows are padded to the next of a few rectangles, not to squares
    """

    image: DecodedImage
    pixel_art: bool
    rectangular: bool = False

    @classmethod
    def of(cls, image: DecodedImage, *, rectangular: bool = False) -> View:
        """The view of a picture: pixel art is enlarged in another way than photos."""
        return cls(image, is_pixel_art(image.pixels), rectangular)

    def cut(self, tile: tiling.Tile, empty_std: float) -> NDArray[np.uint8] | None:
        """One detector input; None if there is no structure in it."""
        grow = resize_cells if self.pixel_art else resize
        window = tiling.cut(self.image.pixels, tile, grow, zoom_xy=self.image.zoom_xy, rectangular=self.rectangular)
        (width, height), (left, top) = tile.shown_wh, tile.offset_xy
        shown = window[top : top + height, left : left + width]
        return None if tiling.is_empty(shown, empty_std) else window


def _finished(queue: deque[Job], detector: Detector, settings: DetectSettings) -> Iterator[Found | SkippedImage]:
    while queue and queue[0].is_done:
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
    evidence = with_evidence(_scaled(kept, image.zoom_xy), image.pixels, motif)
    return kept.with_evidence(evidence.evidence, evidence.evidence_names)


def _scaled(detections: Detections, zoom_xy: tuple[float, float]) -> Detections:
    if zoom_xy == (1, 1):
        return detections
    return Detections.make(
        detections.xyxy * np.asarray(zoom_xy * 2, np.float32),
        detections.confidence,
        keypoints=detections.keypoints,
        keypoint_names=detections.keypoint_names,
    )
