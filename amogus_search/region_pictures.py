"""Thumbnails of whole pictures and crops of an index, read from the files when they are wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from amogus_search.core.cropping import crop
from amogus_search.core.types import FileEntry, Pixels, SkippedImage
from amogus_search.pipeline.copies import thumbnail
from amogus_search.ports import Decoder
from amogus_search.settings import CROPS

Box: TypeAlias = tuple[float, ...]
KEPT = 2000
"""Thumbnails in memory: 55 MB."""


@dataclass(frozen=True)
class Region:
    """A whole picture of an index, or one finding of it.

    box: four numbers, xyxy in pixels of the upright full image; None for the whole
    """

    path: bytes
    sha256: str
    box: Box | None = None
    crop_id: str | None = None

    @property
    def kind(self) -> Literal["image", "detection"]:
        """Which of the two it is."""
        return "image" if self.box is None else "detection"


class RegionPictures:
    """Thumbnails by region, the last ones used kept; a region whose file is gone or another one has none."""

    def __init__(self, decoder: Decoder, kept: int = KEPT) -> None:
        self._decoder, self._most = decoder, kept
        self._thumbs: OrderedDict[Region, Pixels | None] = OrderedDict()

    def read_ahead(self, regions: Iterable[Region]) -> None:
        """Read all that are not in memory, each file once."""
        by_file: dict[tuple[bytes, str], list[Region]] = {}
        for region in dict.fromkeys(regions):
            if region not in self._thumbs:
                by_file.setdefault((region.path, region.sha256), []).append(region)
        files = sorted(by_file)
        entries = (FileEntry(path, path, None) for path, _ in files)
        for file, result in zip(files, self._decoder.decode(entries), strict=True):
            for region in by_file[file]:
                same = None if isinstance(result, SkippedImage) or result.sha256 != region.sha256 else result
                self._thumbs[region] = None if same is None else _cut(same.pixels, region)
        self._forget()

    def get(self, region: Region) -> Pixels | None:
        """(96, 96, 3) thumbnail of a region; None if its file cannot be read or has changed."""
        if region not in self._thumbs:
            self.read_ahead([region])
        self._thumbs.move_to_end(region)
        return self._thumbs[region]

    def _forget(self) -> None:
        while len(self._thumbs) > self._most:
            self._thumbs.popitem(last=False)


def _cut(pixels: Pixels, region: Region) -> Pixels:
    if region.box is None:
        return thumbnail(pixels)
    return thumbnail(crop(pixels, np.asarray(region.box, np.float32), CROPS.pad_ratio))
