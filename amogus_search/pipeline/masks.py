"""What about a finding may change: a mask in pixels of a crop, grown or shrunk, fading out as far as stated."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.conversion import MaskOptions
from amogus_search.core.figure import Figure, Points, coverage

Mask = NDArray[np.float32]
"""(h, w) float32 0..1."""


def soft_mask(
    options: MaskOptions,
    box_xyxy: NDArray[np.float32],
    figure: Figure,
    size_wh: tuple[int, int],
    occluders: Sequence[Points] = (),
) -> Mask:
    """(h, w) float32: 1 on the shape dilated as asked, falling to exactly 0 over the feather's width outside of it.

    Args:
        options: which shape, and how it is grown and feathered; shares of the box's longer side.
        box_xyxy: (4,) pixels of the crop.
        figure: in pixels of the crop.
        size_wh: of the crop.
        occluders: polygons in pixels of the crop that stand in front and stay as they are.
    """
    solid = shape(options, box_xyxy, figure, size_wh) >= 0.5
    longer = float(max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]))
    mask = _feathered(solid, options.dilate * longer, options.feather * longer)
    if occluders:
        mask = np.minimum(mask, 1 - coverage(list(occluders), size_wh))
    return mask


def shape(options: MaskOptions, box_xyxy: NDArray[np.float32], figure: Figure, size_wh: tuple[int, int]) -> Mask:
    """(h, w) float32 coverage of the bare shape; at least one pixel of it, however small the box."""
    x1, y1, x2, y2 = (float(v) for v in box_xyxy)
    if options.kind == "silhouette":
        found = figure.silhouette(size_wh)
    elif options.kind == "ellipse":
        found = coverage([_ellipse(x1, y1, x2, y2)], size_wh)
    else:
        found = coverage([np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64)], size_wh)
    if found.max(initial=0) < 0.5:
        column = int(np.clip((x1 + x2) / 2, 0, size_wh[0] - 1))
        row = int(np.clip((y1 + y2) / 2, 0, size_wh[1] - 1))
        found[row, column] = 1
    return found


def _ellipse(x1: float, y1: float, x2: float, y2: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    centre, radii = np.array([x1 + x2, y1 + y2]) / 2, np.array([x2 - x1, y2 - y1]) / 2
    return np.asarray(centre + radii * np.stack([np.cos(angle), np.sin(angle)], axis=1), np.float64)


def _feathered(solid: NDArray[np.bool_], dilate_px: float, feather_px: float) -> Mask:
    """By the distance from the shape's border, so that the change ends where it is said to end."""
    # Half a pixel to the border: the nearest pixel beyond it is at distance one.
    padded = np.pad(solid, 1)  # a shape that fills the crop has a border too: that of the crop
    outside = cv2.distanceTransform((~padded).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
    inside = cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
    away = np.where(padded, -inside, outside)[1:-1, 1:-1]
    if feather_px < 0.5:
        return np.asarray(away <= dilate_px, np.float32)
    share = np.clip((dilate_px + feather_px - away) / feather_px, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
