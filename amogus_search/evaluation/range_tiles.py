"""Tiles of the kind that a detector sees, from which eight-bit arithmetic learns the ranges of its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from amogus_search.core import tiling
from amogus_search.core.types import DecodedImage
from amogus_search.evaluation.labelled import LabelledImage, entries
from amogus_search.pipeline.resize import resize
from amogus_search.ports import Decoder
from amogus_search.synth.dataset import scene_rng
from amogus_search.synth.scenes import generate_scene

NUMBER = 128
"""So many tiles are enough; more make the quantisation slower and hardly change it."""
_SEED = 8


def fitted_tile(image: DecodedImage, size: int) -> tuple[tiling.Tile, NDArray[np.uint8]]:
    """The window that shows the whole picture at an input size, and its (size, size, 3) uint8 RGB pixels."""
    tile = tiling.fitted(image.full_wh, size)
    return tile, tiling.cut(image.pixels, tile, resize, zoom_xy=image.zoom_xy)


def drawn_tiles(size: int, number: int = NUMBER) -> list[NDArray[np.uint8]]:
    """Scenes of the renderer without photos, always the same ones."""
    return [generate_scene(scene_rng(_SEED, row), (size, size), tier="mixed").image for row in range(number)]


def picture_tiles(
    images: Sequence[LabelledImage], decoder: Decoder, size: int, number: int = NUMBER
) -> list[NDArray[np.uint8]]:
    """Whole pictures fitted into the size, evenly chosen from all of them; broken ones are left out."""
    chosen = images[:: max(1, len(images) // number)][:number]
    decoded = (item for item in decoder.decode(entries(chosen)) if isinstance(item, DecodedImage))
    return [fitted_tile(item, size)[1] for item in decoded]
