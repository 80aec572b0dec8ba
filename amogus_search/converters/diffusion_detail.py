"""A small picture scaled up to its crop: sharp along the figure's outlines, with what detail the crop itself has."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.figure import Figure
from amogus_search.core.types import Pixels

Plane = NDArray[np.float32]
"""(h, w) float32."""

_LEAST = 1e-3
_COLOUR_PX, _BRIGHTNESS_PX = 6.0, 0.8
"""Standard deviations, in pixels of the small picture, of the blur that takes out what is left of the noise."""


def enlarged(small: Pixels, crop: Pixels, figure: Figure, *, detail_inside: float) -> NDArray[np.float32]:
    """(h, w, 3) float32, as large as the crop.

    Ground, body and visor are enlarged apart from each other and put together again along the outlines at full size:
    a blurred border between two colours becomes a sharp one. Of the ground it is the change that is enlarged, so that
    no detail is lost there.

    Args:
        small: (s, s, 3) uint8, what the crop at that size has become.
        crop: (h, w, 3) uint8, as it was.
        figure: in pixels of the crop.
        detail_inside: how much of its detail the figure gets back, 0..1.
    """
    size, side = (crop.shape[1], crop.shape[0]), small.shape[0]
    whole = figure.silhouette(size)
    visor = np.minimum(figure.part("visor", size), whole)
    before = reduced(crop, side)
    new = small.astype(np.float32)
    ground = crop + _of_region(new - before, 1 - whole, size)
    detail = detail_inside * (crop - _scaled(before, size))
    body, glass = (_of_region(new, part, size) + detail for part in (whole - visor, visor))
    parts = ((1 - whole, ground), (whole - visor, body), (visor, glass))
    return np.asarray(sum(coverage[..., None] * picture for coverage, picture in parts), np.float32)


def _of_region(small: NDArray[np.float32], coverage: NDArray[np.float32], size_wh: tuple[int, int]) -> Any:
    """The picture at full size as if all of it were of one region; as it is where that region is nowhere near."""
    # Pixels that two regions share have a mixed colour: those that are all of one count for more.
    share = reduced(coverage, small.shape[0]) ** 4
    # Not cubic: where little is held, its negative lobes would be divided by next to nothing.
    held = _scaled(share, size_wh, cv2.INTER_LINEAR)[..., None]
    mixed = _scaled(small * share[..., None], size_wh, cv2.INTER_LINEAR)
    return np.where(held > _LEAST, mixed / np.maximum(held, _LEAST), _scaled(small, size_wh))


def settled(small: Pixels, mask: Plane, whole: Plane, visor: Plane) -> Pixels:
    """The small picture with what noise a small model leaves taken out: mostly blots of colour.

    Colours are smoothed far, brightness hardly, within ground, body and visor each; what may not change stays.

    Args:
        small: (s, s, 3) uint8.
        mask: (s, s) 0..1, where it may change.
        whole, visor: (s, s) coverage of the figure and of its visor.
    """
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    smooth = np.zeros_like(lab)
    glass = np.minimum(visor, whole)
    for share in (1 - whole, whole - glass, glass):
        parts = [
            cv2.GaussianBlur(channel * share**2, (0, 0), sigma)
            / np.maximum(cv2.GaussianBlur(share**2, (0, 0), sigma), _LEAST)
            for channel, sigma in zip(cv2.split(lab), (_BRIGHTNESS_PX, _COLOUR_PX, _COLOUR_PX), strict=True)
        ]
        smooth += share[..., None] * np.stack(parts, axis=2)
    mixed = lab + mask[..., None] * (smooth - lab)
    return np.asarray(
        np.clip(np.rint(255 * cv2.cvtColor(mixed.astype(np.float32), cv2.COLOR_LAB2RGB)), 0, 255), np.uint8
    )


def reduced(layer: NDArray[np.float32] | Pixels, side: int) -> NDArray[np.float32]:
    """(side, side[, 3]) float32 of a layer of any size."""
    method = cv2.INTER_AREA if max(layer.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(layer.astype(np.float32), (side, side), interpolation=method), np.float32)


def _scaled(
    layer: NDArray[np.float32], size_wh: tuple[int, int], enlarging: int = cv2.INTER_CUBIC
) -> NDArray[np.float32]:
    method = cv2.INTER_AREA if layer.shape[1] > size_wh[0] else enlarging
    return np.asarray(cv2.resize(layer, size_wh, interpolation=method), np.float32)
