"""What skipping windows saves, and what it costs: every window is looked at, and the skipping is done afterwards.

So one run tells of every setting of the gate. What it saves is counted on photos as they are; what it costs, on the
same photos with amogi planted in them, half of them on a ground as smooth as a sky, where little else leads there. Each
planted amogus is judged as if it were alone, else its neighbours would lead to it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core import tiling
from amogus_search.core.boxes import intersections, iou
from amogus_search.core.intervals import proportion_interval
from amogus_search.core.paths import display_path
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Boxes, DecodedImage, Detections, Pixels, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.finder import Finder
from amogus_search.pipeline.detect import View, merge, planned_windows
from amogus_search.pipeline.embed import verify_findings
from amogus_search.pipeline.windows import whole_findings
from amogus_search.settings import DETECT, TILING, Profile
from amogus_search.synth.scenes import plant_scene

HINTS = (0.0, 0.003, 0.005, 0.01, 0.02, 0.05)
"""Settings of `TilingSettings.hint_confidence` that are compared."""
TIERS = ("plain", "varied", "disguised")
_MIN_IOU = 0.5


@dataclass(frozen=True)
class TilesSettings:
    """What is planted.

    plants:    amogi in each photo
    height_px: least and greatest height, pixels of the photo, drawn log-uniformly
    """

    plants: int = 24
    height_px: tuple[float, float] = (10.0, 120.0)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Looked:
    """One window: what was found in it, in tile pixels, and whether it has no structure."""

    tile: tiling.Tile
    found: Detections
    empty: bool


@dataclass
class Tally:
    """One setting of the gate, summed up over photos.

    passes:        windows that were paid for in the photos as they are
    found, lost:   planted amogi that came out with all windows, and those of them that did not with the gate, by tier
    photo_lost:    findings in the photos as they are that went with the gate: false ones
    """

    passes: int = 0
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIERS, 0))
    lost: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIERS, 0))
    photo_lost: int = 0


@dataclass
class TilesBench:
    """All of it, filled photo by photo.

    windows, photo_found: of the photos as they are, with nothing skipped
    tile_s, gate_s:       seconds of all passes of full size (without the first) and of all decisions, and their numbers
    """

    hints: tuple[float, ...]
    tallies: dict[float, Tally]
    photos: int = 0
    planted: int = 0
    windows: int = 0
    photo_found: int = 0
    tile_s: list[float] = field(default_factory=list)
    gate_s: list[float] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """One row a setting; plain JSON values."""
        return [self._row(hint, self.tallies[hint]) for hint in self.hints]

    def _row(self, hint: float, tally: Tally) -> dict[str, Any]:
        found, lost = sum(tally.found.values()), sum(tally.lost.values())
        low, high = proportion_interval(lost, found)
        values: dict[str, Any] = {
            "hint_confidence": hint,
            "photos": self.photos,
            "windows": self.windows,
            "passes": tally.passes,
            "saved": 1 - tally.passes / max(1, self.windows),
            "planted": self.planted,
            "found": found,
            "lost": lost,
            "lost_share": lost / found if found else None,
            "lost_low": low,
            "lost_high": high,
            **{f"lost_{tier}": tally.lost[tier] for tier in TIERS},
            "photo_findings": self.photo_found,
            "photo_findings_lost": tally.photo_lost,
            "pass_ms": 1000 * float(np.median(self.tile_s)) if self.tile_s else None,
            "gate_ms": 1000 * float(np.mean(self.gate_s)) if self.gate_s else None,
        }
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


def run(
    photos: Iterable[DecodedImage | SkippedImage],
    finder: Finder,
    profile: Profile,
    threshold: Threshold,
    settings: TilesSettings,
) -> Iterator[TilesBench]:
    """The benchmark so far, after each photo; always the same object.

    Args:
        photos: pictures without the motif.
        finder: the detector, with what makes scores of its findings.
        threshold: which findings count as found.

    Raises:
        AmogusError: a photo cannot be decoded.
    """
    floor = float(getattr(finder.detector, "floor", 1.0))
    hints = tuple(hint for hint in HINTS if not hint or hint >= floor)
    bench = TilesBench(hints, {hint: Tally() for hint in hints})
    for number, photo in enumerate(photos):
        if isinstance(photo, SkippedImage):
            raise AmogusError(
                f"{display_path(photo.entry.path)}: {photo.reason}: {photo.detail}", "take it out of the folder"
            )
        _bare(bench, photo, finder, profile, threshold)
        _planted(bench, photo, number, finder, profile, threshold=threshold, settings=settings)
        bench.photos += 1
        yield bench


def hints_of(looked: Sequence[Looked], hint_confidence: float, full_wh: tuple[int, int]) -> Boxes:
    """(n, 4) the candidates of the zoom below the highest, image pixels."""
    below = tiling.finest([one.tile for one in looked])[2]
    boxes = [np.zeros((0, 4), np.float32)]
    for one in looked:
        if one.tile.zoom == below and not one.empty:
            faint = one.found.keep(one.found.confidence >= hint_confidence)
            boxes.append(tiling.to_image(faint, one.tile, full_wh).xyxy)
    return np.concatenate(boxes)


def paid_for(looked: Sequence[Looked], hint_confidence: float, hints: Boxes) -> list[bool]:
    """Which windows the pipeline would look at; the decisions are those of `pipeline.detect`."""
    closest = set(tiling.finest([one.tile for one in looked])[1]) if hint_confidence else set()
    return [not one.empty and (one.tile not in closest or tiling.touches(one.tile, hints)) for one in looked]


def smooth(pixels: Pixels) -> Pixels:
    """A ground of the same colours without any structure, as sky and blurred walls are, with the noise of a camera."""
    height, width = pixels.shape[:2]
    tiny = cv2.resize(pixels, (max(2, width // 160), max(2, height // 160)), interpolation=cv2.INTER_AREA)
    large = cv2.resize(tiny, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 1.5, (height, width, 1))
    return np.asarray(np.clip(large + noise, 0, 255), np.uint8)


def _look(bench: TilesBench, image: DecodedImage, finder: Finder, profile: Profile) -> list[Looked]:
    detector = finder.detector
    view = View.of(image, rectangular=getattr(detector, "rectangular", False))
    looked = []
    for tile in planned_windows(image.full_wh, detector.tile_px, profile, pixel_art=view.pixel_art):
        shown = view.cut(tile, TILING.empty_std)
        window = view.cut(tile, 0.0) if shown is None else shown
        assert window is not None
        began = time.perf_counter()
        (found,) = detector.detect_tiles(window[None])
        if tile.side_px == detector.tile_px:
            bench.tile_s.append(time.perf_counter() - began)
        looked.append(Looked(tile, found, shown is None))
    return looked


def _bare(bench: TilesBench, photo: DecodedImage, finder: Finder, profile: Profile, threshold: Threshold) -> None:
    looked = _look(bench, photo, finder, profile)
    everything = _findings(photo, looked, [True] * len(looked), finder, threshold)
    bench.windows += len(looked)
    bench.photo_found += len(everything)
    for hint, tally in bench.tallies.items():
        began = time.perf_counter()
        paid = paid_for(looked, hint, hints_of(looked, hint, photo.full_wh))
        bench.gate_s.append((time.perf_counter() - began) / len(looked))
        tally.passes += sum(paid)
        left = _findings(photo, looked, paid, finder, threshold)
        tally.photo_lost += int((~_has_partner(everything, left)).sum())


def _planted(
    bench: TilesBench,
    photo: DecodedImage,
    number: int,
    finder: Finder,
    profile: Profile,
    *,
    threshold: Threshold,
    settings: TilesSettings,
) -> None:
    tier = TIERS[number % len(TIERS)]
    ground = smooth(photo.pixels) if number % 2 else photo.pixels
    rng = np.random.default_rng([settings.seed, number])
    scene = plant_scene(rng, ground, settings.plants, tier=tier, height_px_range=settings.height_px)
    image = replace(photo, pixels=scene.image)
    looked = _look(bench, image, finder, profile)
    truth = scene.boxes_xyxy
    found = _has_partner(truth, _findings(image, looked, [True] * len(looked), finder, threshold))
    closest = set(tiling.finest([one.tile for one in looked])[1])
    farther = [not one.empty and one.tile not in closest for one in looked]
    in_danger = found & ~_has_partner(truth, _findings(image, looked, farther, finder, threshold))
    bench.planted += len(truth)
    for hint, tally in bench.tallies.items():
        hints = hints_of(looked, hint, image.full_wh)
        tally.found[tier] += int(found.sum())
        for row in np.flatnonzero(in_danger).tolist():
            paid = paid_for(looked, hint, without_others(hints, truth, row))
            left = _findings(image, looked, paid, finder, threshold)
            tally.lost[tier] += int(not _has_partner(truth[row : row + 1], left)[0])


def without_others(hints: Boxes, truth: Boxes, row: int) -> Boxes:
    """The hints that a planted amogus would have if it were alone: those of its neighbours are none of its own."""
    touching = intersections(hints, truth) > 0
    own: Boxes = hints[touching[:, row] | ~touching.any(axis=1)]
    return own


def _findings(
    image: DecodedImage, looked: Sequence[Looked], paid: Sequence[bool], finder: Finder, threshold: Threshold
) -> Boxes:
    """(n, 4) what counts, of the windows that were paid for."""
    parts = [
        whole_findings(one.found, one.tile, image.full_wh, DETECT.min_confidence)
        for one, is_paid in zip(looked, paid, strict=True)
        if is_paid
    ]
    merged = merge(image, parts, finder.detector, DETECT)
    if finder.verifier is not None:
        ((_, merged),) = (
            item for item in verify_findings([(image, merged)], finder.verifier) if isinstance(item, tuple)
        )
    boxes: Boxes = merged.xyxy[threshold.passes(merged, finder.score(merged))]
    return boxes


def _has_partner(boxes: Boxes, others: Boxes) -> NDArray[np.bool_]:
    """(n,) whether each box overlaps one of the others well."""
    return np.asarray(iou(boxes, others).max(axis=1, initial=0) >= _MIN_IOU)
