"""Batches of crops and captions, varied anew in every epoch; all chance comes from the given generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels
from amogus_search.embedders.words import UNKNOWN, WordList
from amogus_search.training.embedder_captions import CREWMATE, Caption, Facts, fits, mirrored, write_caption
from amogus_search.training.embedder_crops import CropSet

_WORD_DROPOUT = 0.04


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step sees.

    rows: (b,) which crops
    images: (b, CROP_PX, CROP_PX, 3) uint8
    words: (b, length) int64, one caption a crop
    fits: (b, b) bool, caption by crop
    motif: (b,) bool, which crops are crewmates
    alike: (3, m, m) bool, pairs of crewmates of the same colour, of the same style, and of both; never with itself
    """

    rows: NDArray[np.int64]
    images: NDArray[np.uint8]
    words: NDArray[np.int64]
    fits: NDArray[np.bool_]
    motif: NDArray[np.bool_]
    alike: NDArray[np.bool_]


def epoch_rows(facts: Sequence[Facts], hardness: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of one epoch, shuffled: every crewmate, and as many others, the hard ones more often.

    Args:
        facts: of all crops.
        hardness: (n,) how likely each crop is to be taken for the wrong side, 0..1.
        rng: the source of randomness.
    """
    motif = np.array([CREWMATE in row for row in facts])
    others = np.flatnonzero(~motif)
    # the floor keeps the hardest from crowding out what ordinary pictures look like
    weight = hardness[others].astype(np.float64) + 0.4
    count = min(len(others), int(motif.sum()))
    drawn = rng.choice(others, count, replace=False, p=weight / weight.sum())
    return rng.permutation(np.concatenate([np.flatnonzero(motif), drawn]))


def batches(
    crops: CropSet, rows: NDArray[np.int64], words: WordList, *, size: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """The rows in their order, in whole batches; a last part that fills no batch is left out."""
    for start in range(0, len(rows) - size + 1, size):
        chosen = rows[start : start + size]
        images, facts = _varied(crops, chosen, rng)
        captions = [write_caption(row, rng) for row in facts]
        numbers = words.numbers([caption.text for caption in captions])
        lost = (numbers > 0) & (rng.random(numbers.shape) < _WORD_DROPOUT)
        numbers[lost] = UNKNOWN
        motif = np.array([CREWMATE in row for row in facts])
        yield Batch(chosen, images, numbers, _fits(captions, facts), motif, _alike(facts))


def _fits(captions: list[Caption], facts: list[Facts]) -> NDArray[np.bool_]:
    table = fits(captions, facts)
    np.fill_diagonal(table, True)
    return table


def _alike(facts: Sequence[Facts]) -> NDArray[np.bool_]:
    """Pairs of crewmates of one colour, one style, or both; one whose body shows no colour is alike by style alone."""
    known = [row for row in facts if CREWMATE in row]
    style = np.array([_joined(row, "style:") for row in known])
    colour = np.array([_joined(row, "colour:") for row in known])
    same_style, same_colour = (names[:, None] == names[None, :] for names in (style, colour))
    pairs = np.stack([same_colour & (colour != ""), same_style, same_colour & same_style])
    return np.asarray(pairs & ~np.eye(len(known), dtype=bool))


def _joined(facts: Facts, kind: str) -> str:
    return "|".join(sorted(fact for fact in facts if fact.startswith(kind)))


def _varied(crops: CropSet, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[Facts]]:
    images = np.empty((len(rows), *crops.pixels.shape[1:]), np.uint8)
    facts = []
    for place, row in zip(images, rows.tolist(), strict=True):
        image, true = crops.pixels[row], crops.facts[row]
        if rng.random() < 0.5:
            image, true = image[:, ::-1], mirrored(true)
        place[:] = _recoloured(_zoomed(image, rng), rng)
        facts.append(true)
    return images, facts


def _zoomed(image: Pixels, rng: np.random.Generator) -> Pixels:
    """A random window of at least 84 % of the side, at the crop's own size."""
    full = image.shape[0]
    side = int(rng.integers(round(full * 0.84), full + 1))
    top, left = (int(v) for v in rng.integers(0, full - side + 1, 2))
    window = np.ascontiguousarray(image[top : top + side, left : left + side])
    return np.asarray(cv2.resize(window, (full, full), interpolation=cv2.INTER_LINEAR), np.uint8)


def _recoloured(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast and white balance moved a little: no colour changes its name."""
    gain = np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.06, 3))
    bend = np.exp(rng.normal(0, 0.15))
    levels = 255 * (np.arange(256)[:, None] / 255) ** bend * gain + rng.normal(0, 12)
    table = np.clip(levels, 0, 255).astype(np.uint8)[:, None, :]
    return np.asarray(cv2.LUT(image, table), np.uint8)
