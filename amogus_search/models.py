"""The two models, friendly to use from Python: files, folders or arrays in, typed answers out.

from amogus_search import Detector, Embedder

found = Detector("amogus").detect("holiday/")
found.to_pandas()
vectors = Embedder("amogus").texts(["a red crewmate", "a bin with a lid"])
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from amogus_search import registry
from amogus_search.asking import as_image, pixels_of
from amogus_search.core.paths import display_path
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import DecodedImage, FileEntry, Hit, Pixels, SkippedImage, Vectors
from amogus_search.errors import AmogusError, UsageError
from amogus_search.exports.json_form import image_json, skipped_image_json
from amogus_search.exports.table import FINDING_COLUMNS, finding_columns
from amogus_search.finder import DEFAULT, Finder, Found
from amogus_search.pipeline.detect import decode_px
from amogus_search.settings import DEFAULT_PROFILE, PROFILES
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool

if TYPE_CHECKING:
    import pandas as pd

    from amogus_search import ports

Path: TypeAlias = str | os.PathLike[str]
Picture: TypeAlias = Path | NDArray[np.uint8]
"""A file, a folder, or (h, w, 3) uint8 RGB."""


class Detector:
    """What finds a motif in pictures: the detector of a name with its second look and its calibration.

    Args:
        name: see `registry.load_detector`: `amogus`, `motif:NAME`, or the path of a YOLO file.
        profile: how closely pictures are looked at: fast, balanced or thorough.

    Raises:
        UsageError: there is no such detector or profile.
        WeightsError: its weights are missing or not what they should be.
    """

    def __init__(self, name: str = registry.DEFAULT, *, profile: str = DEFAULT_PROFILE) -> None:
        if profile not in PROFILES:
            raise UsageError(f"there is no profile called {profile!r}", f"there are: {', '.join(PROFILES)}")
        self.profile = profile
        self._finder = Finder.load(name)

    @property
    def name(self) -> str:
        """What it is called."""
        return self._finder.detector.name

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """The parts that its findings may show."""
        return self._finder.detector.motif.evidence_names

    def __repr__(self) -> str:
        return f"Detector({self.name!r}, profile={self.profile!r})"

    def detect(self, pictures: Picture | Iterable[Picture], *, threshold: Threshold = DEFAULT) -> Findings:
        """What is in these pictures; one that cannot be read is in the answer too, with the reason.

        Args:
            pictures: files and folders, answered in sorted order, or arrays, answered in theirs.
            threshold: which findings count; `Threshold()` gives all.

        Raises:
            UsageError: paths and arrays are mixed, or an array is no picture.
            AmogusError: a path does not exist, or there is no picture.
        """
        given = _listed(pictures)
        arrays = [_named(picture, number) for number, picture in enumerate(given) if isinstance(picture, np.ndarray)]
        if arrays and len(arrays) < len(given):
            raise UsageError("paths and arrays are mixed", "ask for them one after the other")
        if arrays or not given:
            items = tuple(self._kept(arrays, threshold))
        else:
            source = FolderSource([os.fsencode(path) for path in given])  # type: ignore[arg-type]
            with DecodePool(max_side=decode_px(self._finder.detector, PROFILES[self.profile])) as pool:
                items = tuple(self._kept(pool.decode(source.scan()), threshold))
        return Findings(items, self.evidence_names, {image.entry.path: image for image in arrays})

    def _kept(
        self, images: Iterable[DecodedImage | SkippedImage], threshold: Threshold
    ) -> Iterator[Found | SkippedImage]:
        for item in self._finder.find(images, PROFILES[self.profile]):
            yield item.keep(threshold) if isinstance(item, Found) else item


@dataclass(frozen=True, eq=False, repr=False)
class Findings(Sequence[Found | SkippedImage]):
    """One item a picture, in order: `Found`, or `SkippedImage` with the reason; never changes."""

    items: tuple[Found | SkippedImage, ...]
    evidence_names: tuple[str, ...]
    arrays: dict[bytes, DecodedImage]

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, place: int) -> Found | SkippedImage: ...

    @overload
    def __getitem__(self, place: slice) -> Findings: ...

    def __getitem__(self, place: int | slice) -> Found | SkippedImage | Findings:
        """One picture's answer, or those of fewer pictures."""
        return replace(self, items=self.items[place]) if isinstance(place, slice) else self.items[place]

    def __repr__(self) -> str:
        lines = [f"{display_path(item.entry.path)}: {_said(item)}" for item in self.items[:_SHOWN]]
        more = [f"... and {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        return "\n".join([self._heading(), *lines, *more])

    def records(self) -> list[dict[str, Any]]:
        """The pictures as JSON values, in the form that `amogus detect --format json` prints."""
        return [
            skipped_image_json(item)
            if isinstance(item, SkippedImage)
            else image_json(item.entry.path, item.sha256, item.full_wh, item.detections, item.scores)
            for item in self.items
        ]

    def to_pandas(self) -> pd.DataFrame:
        """One row a finding, in the order of the pictures, best first; pictures without findings have none.

        Columns: path, sha256, width, height, x1, y1, x2, y2, confidence, amogusness, rarity, rarity_at_least, zoom,
        and one evidence_PART a part.
        """
        import pandas as pd

        parts = [f"evidence_{name}" for name in self.evidence_names]
        head = ["path", "sha256", "width", "height"]
        rows = [
            {**{name: record[name] for name in head[1:]}, **finding_columns(finding), "path": os.fsdecode(path)}
            for path, record in zip((item.entry.path for item in self.items), self.records(), strict=True)
            for finding in record.get("detections", ())
        ]
        table = pd.DataFrame(rows, columns=[*head, *FINDING_COLUMNS, *parts])
        table["rarity_at_least"] = table["rarity_at_least"] == "true"
        for name in ("path", "sha256"):
            table[name] = pd.Series(table[name].tolist(), dtype=object)
        numbers = [name for name in (*FINDING_COLUMNS, *parts) if name != "rarity_at_least"]
        return table.astype({"width": "int64", "height": "int64", **dict.fromkeys(numbers, "float64")})

    def _repr_html_(self) -> str:
        """Cards with thumbnails of the best finding of every picture that has one, for notebooks."""
        from amogus_search.exports.cards import cards
        from amogus_search.library import thumbnail_reader

        best = [item for item in self.items if isinstance(item, Found) and len(item.detections)]
        hits = [_hit(rank, item) for rank, item in enumerate(best, start=1)]
        with thumbnail_reader() as read:
            return cards(hits, lambda path: self.arrays[path] if path in self.arrays else read(path), self._heading())

    def _heading(self) -> str:
        found = sum(len(item.detections) for item in self.items if isinstance(item, Found))
        skipped = sum(isinstance(item, SkippedImage) for item in self.items)
        looked_at = len(self) - skipped
        pictures = f"{found} found in {looked_at} picture{'' if looked_at == 1 else 's'}"
        return f"{pictures}, {skipped} skipped" if skipped else pictures


_SHOWN = 10


class Embedder:
    """What maps pictures and texts into one space of unit vectors.

    Args:
        name: see `registry.load_embedder`: `amogus`, `open_clip:MODEL/PRETRAINED`, or a plug-in's name.

    Raises: as `registry.load_embedder`.
    """

    def __init__(self, name: str = registry.DEFAULT) -> None:
        self._embedder: ports.Embedder = registry.load_embedder(name)

    @property
    def name(self) -> str:
        """What it is called."""
        return self._embedder.name

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        return self._embedder.dimension

    def __repr__(self) -> str:
        return f"Embedder({self.name!r}, dimension={self.dimension})"

    def texts(self, texts: str | Iterable[str]) -> Vectors:
        """(n, dimension) float32 unit vectors of texts, each exactly as it is."""
        return self._embedder.embed_texts([texts] if isinstance(texts, str) else list(texts))

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of the text that the model never saw; empty if it has an open vocabulary."""
        return self._embedder.unknown_words(text)

    def images(self, pictures: Picture | Iterable[Picture]) -> Vectors:
        """(n, dimension) float32 unit vectors of whole pictures, in the order given.

        Args:
            pictures: files, or (h, w, 3) uint8 RGB; both may be mixed.

        Raises:
            UsageError: an array is no picture.
            AmogusError: a file cannot be read.
        """
        parts = [np.zeros((0, self.dimension), np.float32)]
        with DecodePool() as pool:
            parts += [self._embedder.embed_images([_pixels(pool, picture)]) for picture in _listed(pictures)]
        return np.concatenate(parts)


def _listed(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    if isinstance(pictures, str | os.PathLike) or (isinstance(pictures, np.ndarray) and pictures.ndim == 3):
        return [pictures]
    return list(pictures)


def _named(picture: NDArray[np.uint8], number: int) -> DecodedImage:
    return as_image(picture, f"array {number}".encode())


def _pixels(pool: DecodePool, picture: Picture) -> Pixels:
    if isinstance(picture, np.ndarray):
        return pixels_of(picture)
    path = os.path.abspath(os.fsencode(picture))
    (result,) = pool.decode(iter([FileEntry(path=path, root=path, stat=None)]))
    if isinstance(result, SkippedImage):
        raise AmogusError(f"{display_path(path)} cannot be read: {result.reason}: {result.detail}", "leave it out")
    return result.pixels


def _said(item: Found | SkippedImage) -> str:
    if isinstance(item, SkippedImage):
        return f"skipped, {item.reason}: {item.detail}"
    known = np.where(np.isnan(item.scores.amogusness), item.detections.confidence, item.scores.amogusness)
    return f"{len(known)} found, the best {known.max():.2f}" if len(known) else "nothing found"


def _hit(rank: int, found: Found) -> Hit:
    """The best finding as a hit, which is what cards are made of."""
    amogusness, confidence = float(found.scores.amogusness[0]), float(found.detections.confidence[0])
    score, by = (confidence, "confidence") if np.isnan(amogusness) else (amogusness, "amogusness")
    return Hit(
        rank, found.entry.path, score, by, found.sha256, found.full_wh, found.detections, found.scores, detection=0
    )
