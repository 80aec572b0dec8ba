"""Smooth random fields, the raw stuff of textures."""

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, size_hw: tuple[int, int], cells: float) -> Field:
    """A smooth (h, w) field in about 0..1 with `cells` bumps along the longer side."""
    height, width = size_hw
    scale = max(cells, 1.0) / max(height, width)
    coarse = rng.random((max(2, round(height * scale) + 1), max(2, round(width * scale) + 1)), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def fractal_noise(rng: np.random.Generator, size_hw: tuple[int, int], cells: float, octaves: int = 4) -> Field:
    """Several octaves of smooth noise, (h, w), stretched to 0..1."""
    total = np.zeros(size_hw, np.float32)
    for octave in range(octaves):
        total += smooth_noise(rng, size_hw, cells * 2**octave) * np.float32(0.55**octave)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), dtype=np.float32)


def grain(rng: np.random.Generator, size_hw: tuple[int, int]) -> Field:
    """White noise (h, w) with unit variance; drawn from bytes, since normal deviates are slow."""
    height, width = size_hw
    raw = np.frombuffer(rng.bytes(height * width), np.uint8).reshape(height, width)
    return (raw.astype(np.float32) - 127.5) / 73.6
