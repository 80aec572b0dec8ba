"""The findings without their ground: transparent PNGs by the crewmate's silhouette, with a `cutouts.csv` beside.

Files are named and listed as crops are (`exports.crops`), with one column more: `cut_by` says what decided about the
border: `silhouette` or `box`, with `+grabcut` where OpenCV's GrabCut moved it to where the colours change. It may
only do so near the silhouette, and what it makes is only kept where it still looks like what it began with. Pixels
are those of the photo; at the border and beyond it lies the colour next to it, nothing of the ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.cropping import Window, cut, scale_boxes, to_crop
from amogus_search.core.figure import Figure, Fitter, Pose
from amogus_search.core.types import Hit, Pixels
from amogus_search.exports.folders import write_whole
from amogus_search.exports.grabcut import Coverage, by_box, by_silhouette
from amogus_search.exports.pictures import Picture, Problem, ReadPixels, encoded
from amogus_search.exports.region_files import (
    COLUMNS,
    Region,
    claim_for_listing,
    listing_bytes,
    listing_row,
    planned,
    remove_older,
    with_pictures,
)

LISTING = "cutouts.csv"
CUTOUT_COLUMNS = (*COLUMNS, "cut_by")
SEEN = 0.5
"""Visibility from which a keypoint is believed."""
_LEAST_KEYPOINTS = 3
"""Fewer say little about how a figure stands."""
_CONTEXT = 0.3
"""Ground around a box that GrabCut learns from, as a share of the longer side."""
_SOLID, _RIM_PX = 0.75, 2.0
"""Coverage from which a pixel's colour is taken to be the figure's own, and how far within the border."""

_Keypoints: TypeAlias = Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class CutoutReport:
    """What `export_cutouts` did.

    out:             the folder
    listing:         the CSV in it
    written:         pictures written
    refined:         those whose border GrabCut moved
    without_finding: hits that are whole images: there is nothing to cut out of them
    problems:        hits whose photo vanished, changed or could not be read
    """

    out: Path
    listing: Path
    written: int
    refined: int
    without_finding: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Cut:
    region: Region
    window: Window
    by: str

    @property
    def file(self) -> str:
        return f"{self.region.stem}.png"


def export_cutouts(
    hits: Iterable[Hit],
    read_pixels: ReadPixels,
    out: Path,
    *,
    fit: Fitter | None = None,
    refine: bool = True,
    overwrite: bool = False,
    source_folders: Sequence[bytes] = (),
) -> CutoutReport:
    """Writes one PNG with transparency a finding, trimmed, not resized. An earlier export in the folder is replaced.

    Args:
        hits: in any order; `rank` orders the files.
        read_pixels: see `exports.pictures`; called once a photo.
        out: a new or empty folder, or an earlier export of cutouts.
        fit: lays the motif's figure into keypoints; None, or a finding with fewer than three: its box counts.
        refine: let GrabCut move the border.
        overwrite: write into another folder all the same.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: `out` is in a photo folder, or has something else in it.
    """
    listing, ours = out / LISTING, "an export of cutouts"
    claim_for_listing(listing, CUTOUT_COLUMNS, ours, overwrite=overwrite, source_folders=source_folders)
    given = sorted(hits, key=lambda hit: hit.rank)
    regions = planned(given, wholes=False)
    problems: list[Problem] = []
    made = [_write(r, picture, out, fit, refine) for r, picture in with_pictures(regions, read_pixels, problems)]
    made.sort(key=lambda one: one.region.hit.rank)
    rows = [{**listing_row(one.region, one.file, one.window), "cut_by": one.by} for one in made]
    write_whole(listing, listing_bytes(rows, CUTOUT_COLUMNS))
    remove_older(out, ".png", {one.file for one in made})
    refined = sum(one.by.endswith("grabcut") for one in made)
    return CutoutReport(out, listing, len(made), refined, len(given) - len(regions), tuple(problems))


def _write(region: Region, picture: Picture, out: Path, fit: Fitter | None, refine: bool) -> _Cut:
    window = picture.window(region.box, _CONTEXT)
    crop = cut(picture.pixels, window)
    height, width = picture.pixels.shape[:2]
    box = scale_boxes(region.box, picture.full_wh, (width, height))
    figure = _figure(region, fit, np.array([width, height]) / picture.full_wh, box)
    if figure is not None:
        figure = figure.moved(1.0, (-window[0], -window[1]))
        coverage, refined = by_silhouette(crop, figure, refine)
    else:
        coverage, refined = by_box(crop, to_crop(box, window), refine)
    rgba, (x, y) = _without_ground(crop, coverage)
    x, y = x + window[0], y + window[1]
    shown = (x, y, x + rgba.shape[1], y + rgba.shape[0])
    by = ("box" if figure is None else "silhouette") + ("+grabcut" if refined else "")
    made = _Cut(region, picture.in_full(shown), by)
    write_whole(out / made.file, encoded(rgba, "PNG", 0))
    return made


def _figure(
    region: Region, fit: Fitter | None, scale_xy: NDArray[np.float64], box_xyxy: NDArray[np.float32]
) -> Figure | None:
    """In pixels of the decoded picture; None where the keypoints say too little."""
    if fit is None or region.hit.detection is None:
        return None
    found = region.hit.detections
    rows = found.keypoints[region.hit.detection]
    keypoints: _Keypoints = {
        name: (float(x * scale_xy[0]), float(y * scale_xy[1]), float(seen))
        for name, (x, y, seen) in zip(found.keypoint_names, rows, strict=True)
    }
    if sum(seen >= SEEN for _, _, seen in keypoints.values()) < _LEAST_KEYPOINTS:
        return None
    return fit(Pose(box_xyxy, keypoints), 0)


def _without_ground(crop: Pixels, coverage: Coverage) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The trimmed cutout, (h, w, 4) uint8, and its place in the crop."""
    alpha = np.round(coverage * 255).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(alpha)
    inside = np.s_[y : y + h, x : x + w]
    return np.dstack([_border_carried_on(crop, coverage)[inside], alpha[inside]]), (x, y)


def _border_carried_on(crop: Pixels, coverage: Coverage) -> Pixels:
    """The crop with each pixel that may be partly ground in the colour of the nearest that is not."""
    solid = coverage >= min(_SOLID, float(coverage.max()))
    framed = np.pad(solid, 1, mode="edge").astype(np.uint8)
    deep = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] > _RIM_PX
    if deep.sum() > solid.sum() / 2:  # in tiny ones the rim is most of it
        solid = deep
    _, labels = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colours[labels[solid]] = crop[solid]
    return np.where(solid[..., None], crop, colours[labels]).astype(np.uint8)
