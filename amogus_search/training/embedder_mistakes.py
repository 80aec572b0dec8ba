"""Crops of what a detector wrongly took for the motif: what the second look is there for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from amogus_search.core.cropping import crop
from amogus_search.core.types import Pixels
from amogus_search.embedders.openvino import square_crop
from amogus_search.training import mining
from amogus_search.training.embedder_captions import Facts, thing_facts
from amogus_search.training.embedder_crops import imprecise
from amogus_search.training.negatives import may_train_on

_COPIES = 3
"""Crops of one mistake, the first as it was found and the others around a box that is a little off."""


def mistaken_crops(source: Path | None, pad_ratio: float, rng: np.random.Generator) -> Iterator[tuple[Pixels, Facts]]:
    """Crops that fit into `CropSet`, with the facts of a photo of nothing in particular.

    Args:
        source: a list of `amogus train mine`, whose findings are cut from the photos at their own pixels (those that
            are held out are left out); or a folder of PNG crops; None for none.
        pad_ratio: context around a box, as the pipeline cuts it.
        rng: moves the boxes.
    """
    if source is None:
        return
    crops = _in_folder(source) if source.is_dir() else _from_list(source, pad_ratio, rng)
    for pixels in crops:
        yield square_crop(pixels), thing_facts((), "photo")


def _in_folder(folder: Path) -> Iterator[Pixels]:
    for path in sorted(folder.glob("*.png")):
        yield np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


def _from_list(listed: Path, pad_ratio: float, rng: np.random.Generator) -> Iterator[Pixels]:
    for name, negatives in groupby(sorted(mining.read(listed), key=lambda one: one.path), key=lambda one: one.path):
        if not may_train_on(Path(name)):
            continue
        with Image.open(name) as opened:
            photo = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        scale = np.tile(photo.shape[1::-1], 2)
        for one in negatives:
            box = np.asarray(one.box_share, np.float32) * scale
            for copy in range(_COPIES):
                yield crop(photo, box if copy == 0 else imprecise(box, rng), pad_ratio)
