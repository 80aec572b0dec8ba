"""The parts that a finding shows, as numbers in [0, 1]: more parts, less coincidence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections, Pixels

_MIN_SATURATION, _MIN_VALUE = 0.35, 0.15
"""Below these a colour is grey or black, whatever its hue."""
_FULL_SHARE = 0.6
"""Share of the box in a colour that counts as all of it: a body does not fill its box."""
_SAMPLES = 24
"""Pixels looked at along each side of a box."""


def part_evidence(detections: Detections, motif: Motif) -> NDArray[np.float32]:
    """(n, parts) mean visibility of each part's keypoints; 0 where the detector has no such keypoints."""
    seen = dict(zip(detections.keypoint_names, detections.keypoints[:, :, 2].T, strict=True))
    nothing = np.zeros(len(detections), np.float32)
    columns = [np.mean([seen.get(name, nothing) for name in names], axis=0) for names in motif.parts.values()]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(detections), 0), np.float32)


def hue_degrees(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Hue in degrees, saturation and value in [0, 1] of (..., 3) RGB pixels (the usual hexcone formula)."""
    rgb = pixels.astype(np.float32) / 255
    value, low = rgb.max(axis=-1), rgb.min(axis=-1)
    chroma = value - low
    safe = np.where(chroma > 0, chroma, 1)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    sector = np.where(
        value == red,
        (green - blue) / safe % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    saturation = np.divide(chroma, value, out=np.zeros_like(value), where=value > 0)
    return np.where(chroma > 0, sector * 60, 0).astype(np.float32), saturation, value


def colour_share(pixels: Pixels, box_xyxy: NDArray[np.float32], hues: tuple[float, float]) -> float:
    """How much of a box has a hue between two angles, 1 from `_FULL_SHARE` of it upwards."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in box_xyxy)
    columns = np.clip(np.linspace(x1, x2 - 1, _SAMPLES), 0, width - 1).astype(int)
    rows = np.clip(np.linspace(y1, y2 - 1, _SAMPLES), 0, height - 1).astype(int)
    hue, saturation, value = hue_degrees(pixels[np.ix_(rows, columns)])
    low, high = hues
    inside = (hue >= low) & (hue <= high) if low <= high else (hue >= low) | (hue <= high)
    coloured = inside & (saturation >= _MIN_SATURATION) & (value >= _MIN_VALUE)
    return float(min(1.0, coloured.mean() / _FULL_SHARE))


def with_evidence(detections: Detections, pixels: Pixels, motif: Motif) -> Detections:
    """The findings with the motif's evidence columns: parts from keypoints, colours from the picture."""
    colours = [[colour_share(pixels, box, hues) for hues in motif.colours.values()] for box in detections.xyxy]
    table = np.asarray(colours, np.float32).reshape(len(detections), len(motif.colours))
    return detections.with_evidence(
        np.concatenate([part_evidence(detections, motif), table], axis=1), motif.evidence_names
    )
