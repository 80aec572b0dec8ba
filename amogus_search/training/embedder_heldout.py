"""Crops and captions that the embedder never saw: other chance, and only photos on the held-out side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from amogus_search.settings import CropSettings
from amogus_search.training.embedder_captions import CREWMATE, Caption, Facts, write_caption
from amogus_search.training.embedder_crops import CropCounts, CropSet, draw_crops, open_crops, store_crops
from amogus_search.training.embedder_photos import load_photos

HELD_OUT_COUNTS = CropCounts(crewmates=1700, scenes=600, photos=2000, distractors=500, grounds=100)
HELD_OUT_SEED = 987
CAPTION_SEED = 5


def held_out_crops(
    folder: Path,
    photos: Path | None,
    counts: CropCounts = HELD_OUT_COUNTS,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CropSet:
    """The held-out crops, drawn into the folder on the first call.

    Args:
        folder: where they are kept.
        photos: the folder of photos that the training was given; only its held-out ones are used.
        counts: crops of each kind.
        progress: gets (done, total) now and then.
    """
    found = open_crops(folder)
    if found is not None:
        return found
    grounds = load_photos(photos, held_out=True) if photos else []
    rng = np.random.default_rng(HELD_OUT_SEED)
    drawn = draw_crops(counts, grounds, pad_ratio=CropSettings.pad_ratio, rng=rng, progress=progress)
    return store_crops(drawn, counts.total, folder)


def attribute_captions(facts: Sequence[Facts], count: int, rng: np.random.Generator) -> list[Caption]:
    """Captions of up to `count` of the crewmates that mention something besides its being one."""
    crewmates = [row for row in facts if CREWMATE in row][:count]
    captions = [write_caption(row, rng) for row in crewmates]
    return [caption for caption in captions if len(caption.facts) > 1]
