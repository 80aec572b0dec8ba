"""What keeps a dream calm: how a raw gradient is shaped before a picture takes a step along it. NumPy and OpenCV only.

A network's gradient is speckled and rainbow-coloured. Here it is given the spectrum of photographs (large shapes before
small ones) and the colours of the picture itself, and a step is as large for every picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""(h, w, 3) float32: a picture in 0..1, a change of one, or a gradient."""

_FLAT = 1e-6
"""Variance that every colour direction has at least, for pictures of one colour."""
_MARGIN = 8
"""A gradient is mirrored outwards by this fraction of its sides before its spectrum is taken, which wraps around."""
_FINEST = 0.25
"""Cycles a pixel from which on the spectrum fades away: a checkerboard has 0.5."""
_ROUNDS, _PACE = 6, 0.125
"""Of the projection that lessens the total variation; a faster pace would not settle."""


def resized(field: Field, size_wh: tuple[int, int]) -> Field:
    """The same at another size: area averages when it shrinks, smooth curves when it grows."""
    shrinking = size_wh[0] < field.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(field, size_wh, interpolation=method), np.float32)


def colour_axes(picture: Field, freedom: float) -> NDArray[np.float32]:
    """(3, 3) symmetric: what turns steps of equal size in decorrelated colours into RGB, largest gain 1.

    It is the square root of the covariance of the picture's own colours: along the axis that they vary along most
    (nearly always light and dark), a step is large; towards colours that it does not have, small.

    Args:
        picture: whose colours count.
        freedom: variance that every direction has at least, as a share of the largest: at 0 a grey picture stays grey,
            at 1 all colours are equal.
    """
    colours = picture.reshape(-1, 3).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(colours.T))
    values = np.maximum(values, freedom * values[-1] + _FLAT)
    root = (vectors * np.sqrt(values)) @ vectors.T
    return np.asarray(root / np.sqrt(values[-1]), np.float32)


def with_spectrum(gradient: Field, softness: float) -> Field:
    """The gradient with each frequency divided by itself to the power of `softness`; the finest ones are left out.

    It is the step that plain ascent in Fourier coefficients of that weight would take. 0 leaves the spectrum as it is
    but for the finest frequencies, 1 is the fall of photographs, 2 gives clouds.
    """
    height, width = gradient.shape[:2]
    rows, columns = max(1, height // _MARGIN), max(1, width // _MARGIN)
    wide = np.pad(
        gradient, ((rows, rows), (columns, columns), (0, 0)), mode="reflect" if min(height, width) > 1 else "edge"
    )
    across = np.fft.rfftfreq(wide.shape[1])[None]
    frequency = np.hypot(np.fft.fftfreq(wide.shape[0])[:, None], across)
    lowest = 2.0 / min(height, width)
    weight = np.maximum(frequency, lowest) ** -softness * np.exp(-((frequency / _FINEST) ** 2))
    spectrum = np.fft.rfft2(wide, axes=(0, 1)) * weight[..., None]
    shaped = np.fft.irfft2(spectrum, s=wide.shape[:2], axes=(0, 1))
    return np.asarray(shaped[rows : rows + height, columns : columns + width], np.float32)


def step_along(gradient: Field, mask: NDArray[np.float32], axes: NDArray[np.float32], softness: float) -> Field:
    """(h, w, 3) the direction in which a picture is to change, not scaled; never downhill.

    Args:
        gradient: (h, w, 3) as the network gives it.
        mask: (h, w) in 0..1: where the picture may change.
        axes: of `colour_axes`.
        softness: of `with_spectrum`.
    """
    shaped = with_spectrum(gradient * mask[..., None], softness) @ (axes @ axes.T)
    return np.asarray(shaped * mask[..., None], np.float32)


def size_within(field: Field, mask: NDArray[np.float32]) -> float:
    """Root mean square of a field, whose pixels count as much as the mask says; 0 where there is no mask."""
    weight = float((mask.astype(np.float64) ** 2).sum()) * field.shape[2]
    return float(np.sqrt((field.astype(np.float64) ** 2).sum() / weight)) if weight else 0.0


def total_variation(change: Field) -> float:
    """Sum over the pixels of the length of the step to the right and lower neighbour, all channels taken together."""
    return float(np.sqrt((_slopes(change).astype(np.float64) ** 2).sum(axis=(0, 3))).sum())


def with_less_variation(change: Field, weight: float) -> Field:
    """The field u near which |u - change|^2 / 2 + weight * total variation of u is least.

    A step along the derivative of the total variation overshoots as soon as the weight is more than a little, and then
    roughens what it is to smooth. This one cannot: it is Chambolle's projection (2004), a few rounds of it. What is
    fainter than the weight goes, edges stay.
    """
    if weight <= 0:
        return change
    dual = np.zeros((2, *change.shape), np.float32)
    for _ in range(_ROUNDS):
        slopes = _slopes(_divergence(dual) - change / weight)
        length = np.sqrt((slopes**2).sum(axis=(0, 3), keepdims=True))
        dual = (dual + _PACE * slopes) / (1 + _PACE * length)
    return np.asarray(change - weight * _divergence(dual), np.float32)


def _slopes(field: Field) -> NDArray[np.float32]:
    """(2, h, w, 3) steps to the right and to the lower neighbour, 0 at the border."""
    slopes = np.zeros((2, *field.shape), np.float32)
    slopes[0, :, :-1] = np.diff(field, axis=1)
    slopes[1, :-1] = np.diff(field, axis=0)
    return slopes


def _divergence(dual: NDArray[np.float32]) -> Field:
    """(h, w, 3): minus the adjoint of `_slopes`."""
    across, down = dual[0], dual[1]
    result: Field = np.zeros_like(across)
    result[:, :-1] += across[:, :-1]
    result[:, 1:] -= across[:, :-1]
    result[:-1] += down[:-1]
    result[1:] -= down[:-1]
    return result


def soft_limit(raw: Field, limit: float) -> Field:
    """The same near zero, and never beyond `limit` in either direction."""
    return np.asarray(limit * np.tanh(raw / limit), np.float32)
