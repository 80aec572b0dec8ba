"""Batches for the diffusion model, varied anew in every epoch: what it is shown, and how much of it it is told.

All chance comes from the given generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amogus_search.converters.diffusion_conditions import SIDE_PX, Sketch, conditions, signed, wishes
from amogus_search.training.diffusion_crops import DiffusionCrops
from amogus_search.training.embedder_captions import Facts, mirrored

_NOTHING, _NO_FIGURE, _NO_COLOUR = 0.12, 0.12, 0.25
"""How often it is asked for nothing at all, not told the figure, and not told each of the figure's colours."""
_COLOUR_OFF = 10.0
"""Standard deviation of what the colours that it is told are off, 0..255."""
_TOLD = {"colour": 0.7, "style": 0.7, "backpack": 0.3, "facing": 0.3, "hat": 0.6}
"""How often it is told what of a crop."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step sees: (b, 3, h, w) clean pictures, (b, 6, h, w) conditions, (b, attributes), (b, 1, h, w) masks."""

    clean: Tensor
    conditions: Tensor
    wishes: Tensor
    mask: Tensor


def attributes_of(crops: DiffusionCrops) -> tuple[str, ...]:
    """Everything that is ever true of a crop, sorted."""
    return tuple(sorted(frozenset().union(*crops.facts)))


def batches(
    crops: DiffusionCrops,
    rows: NDArray[np.int64],
    attributes: tuple[str, ...],
    *,
    size: int,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """The rows in their order, in whole batches: mirrored or not, with masks of all kinds, told more or less."""
    for start in range(0, len(rows) - size + 1, size):
        parts = [_example(crops, row, attributes, rng) for row in rows[start : start + size].tolist()]
        clean, given, wish, mask = (torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True))
        yield Batch(clean, given, wish, mask[:, None])


def _example(crops: DiffusionCrops, row: int, attributes: tuple[str, ...], rng: np.random.Generator) -> Any:
    layers, facts = np.asarray(crops.layers[row]), crops.facts[row]
    if rng.random() < 0.5:
        layers, facts = np.ascontiguousarray(layers[:, ::-1]), mirrored(facts)
    mask = _mask(np.maximum(layers[..., 3], layers[..., 5]), rng)
    given = conditions(layers[..., :3], mask, _sketch(layers, rng))
    return signed(layers[..., :3]), given, wishes(_told(facts, rng), attributes), mask


def _sketch(layers: NDArray[np.uint8], rng: np.random.Generator) -> Sketch:
    """The figure that was fitted, in about the colours that are there; or less."""
    silhouette, visor = (np.asarray(layers[..., layer] / np.float32(255), np.float32) for layer in (3, 4))
    if rng.random() < _NO_FIGURE:
        return Sketch(np.zeros_like(silhouette), np.zeros_like(visor))
    covered = layers[..., 5] > 128
    body, glass = (_colour(layers, covered & place, rng) for place in ((silhouette > 0.9) & (visor < 0.1), visor > 0.9))
    return Sketch(silhouette, visor, body, glass)


def _colour(
    layers: NDArray[np.uint8], place: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32] | None:
    if not place.any() or rng.random() < _NO_COLOUR:
        return None
    return np.asarray(layers[..., :3][place].mean(axis=0) + rng.normal(0, _COLOUR_OFF, 3), np.float32).clip(0, 255)


def _mask(covered: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """About the crewmate more or less closely, its box, an ellipse, or all; soft or hard."""
    kind = rng.random()
    mask = (covered > 64).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    if kind < 0.08:
        mask[:] = 1
    elif not mask.any() or kind < 0.3:
        if not mask.any():  # a photo: anywhere
            width, height = (int(v) for v in rng.integers(16, SIDE_PX, 2))
            x, y = (int(rng.integers(0, SIDE_PX - side + 1)) for side in (width, height))
        grown = int(rng.integers(0, 7))
        middle, half = (x + width // 2, y + height // 2), (width // 2 + grown, height // 2 + grown)
        if rng.random() < 0.5:
            cv2.ellipse(mask, middle, half, 0, 0, 360, 1, -1)
        else:
            cv2.rectangle(mask, (x - grown, y - grown), (x + width + grown, y + height + grown), 1, -1)
    else:
        grown = int(rng.integers(1, 8))
        mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grown + 1, 2 * grown + 1)))
    soft = mask.astype(np.float32)
    return np.asarray(
        cv2.GaussianBlur(soft, (0, 0), float(rng.uniform(0.5, 2))) if rng.random() < 0.5 else soft, np.float32
    )


def _told(facts: Facts, rng: np.random.Generator) -> Facts:
    """A part of what is true; of many names for one style, one."""
    if rng.random() < _NOTHING:
        return frozenset()
    told = {fact for fact in facts if ":" not in fact}
    for kind, share in _TOLD.items():
        values = sorted(fact for fact in facts if fact.startswith(f"{kind}:"))
        if values and rng.random() < share:
            told.add(str(rng.choice(values)))
    return frozenset(told)
