"""Is a generated picture new, or is it one of those that an index holds? For whoever trains a generator on them.

Two witnesses. The pixels: a picture that can be laid onto an indexed one or a crop of it, also mirrored, is a copy
(`pipeline.copies`). The vectors: what is nearer to an indexed picture than nearly all indexed pictures are to their own
nearest other one is close. The limits of that are the index' own, so they hold for any embedder. What agrees roughly in
pixels and is nearer still is a copy too: the same picture drawn again, in other colours, turned a little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.neighbours import Spread, nearest
from amogus_search.core.types import DecodedImage, Pixels, SkippedImage
from amogus_search.errors import UsageError
from amogus_search.pipeline.copies import Comparison, compare, thumbnail
from amogus_search.pipeline.progress import Progress, Silent
from amogus_search.ports import Decoder, Embedder
from amogus_search.region_pictures import Region, RegionPictures
from amogus_search.store.index import Index
from amogus_search.store.wholes import PictureFile, Wholes

Verdict: TypeAlias = Literal["copied", "close", "new"]
Kind: TypeAlias = Literal["image", "detection"]
KINDS: tuple[Kind, ...] = ("image", "detection")
CLOSE, STRONG = 0.95, 0.995
"""Shares of the index' pictures that are farther from their nearest other one than what is called close, or so close
that a rough agreement of the pixels is enough."""
ROUGH, ALIKE = 0.9, 0.95
"""Correlations of thumbnails laid onto each other: a rough agreement, which takes vectors to be believed; and one that
no two of 12,000 pairs of photographs had but two shots of one scene."""
SAMPLE = 400
LEAST = 40
"""Pictures of an index from which its limits can be told: below, only the pixels decide."""
_CHECKED = 5
_TRIED = 12
_MOST_CHECKS = 300
_AT_ONCE = 16
_SILENT = Silent()


@dataclass(frozen=True)
class Limits:
    """Similarities from which a picture is close; infinite where the index is too small to tell.

    close, strong: by kind of the region that it is near to
    sampled:       pictures that they were taken from
    """

    close: Mapping[Kind, float]
    strong: Mapping[Kind, float]
    sampled: int = 0


@dataclass(frozen=True)
class Neighbour:
    """An indexed region near a generated picture; `comparison` None: its pixels were not compared, or could not be."""

    region: Region
    similarity: float
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Judged:
    """One generated picture; `neighbours`: copies first, then the most similar."""

    path: bytes
    sha256: str
    full_wh: tuple[int, int]
    verdict: Verdict
    neighbours: tuple[Neighbour, ...]


class NoveltyCheck:
    """Compares pictures with an index; making it reads the index' vectors and finds its limits.

    Args:
        index: open, with vectors.
        embedder: the one that made them.
        decoder: reads files at full size.
        progress: told how far it is.
        seed: of the sample that the limits come from.

    Raises:
        UsageError: the index has no vectors.
    """

    def __init__(
        self, index: Index, embedder: Embedder, decoder: Decoder, progress: Progress = _SILENT, *, seed: int = 0
    ) -> None:
        self._index, self._embedder, self._decoder, self._progress = index, embedder, decoder, progress
        self._files = _one_of_each(Wholes(index).files())
        vectors = Wholes(index).table([file.sha256 for file in self._files])
        if vectors is None:
            raise UsageError(
                "the index has no vectors to compare with", "make it with an embedder: amogus index PATH --index DIR"
            )
        self._vectors = vectors
        self._spread = Spread.of(vectors)
        self._spread_out = self._spread.apply(vectors).astype(np.float16)
        self.pictures = RegionPictures(decoder)
        self.limits = self._found_limits(seed)

    def judge(self, decoded: Iterable[DecodedImage | SkippedImage]) -> Iterator[Judged | SkippedImage]:
        """A verdict a picture, in their order; what cannot be read is handed on."""
        stream = iter(decoded)
        while some := list(islice(stream, _AT_ONCE)):
            images = [item for item in some if not isinstance(item, SkippedImage)]
            verdicts = iter(self._judged(images))
            yield from (item if isinstance(item, SkippedImage) else next(verdicts) for item in some)

    def _judged(self, images: Sequence[DecodedImage]) -> list[Judged]:
        vectors = self._embedder.embed_images([image.pixels for image in images])
        near = [self._near(vector) for vector in vectors]
        self.pictures.read_ahead(one.region for found in near for one in found)
        return [self._verdict(image, found) for image, found in zip(images, near, strict=True)]

    def _verdict(self, image: DecodedImage, near: Sequence[Neighbour]) -> Judged:
        mine = thumbnail(image.pixels)
        seen = [self._compared(mine, one) for one in near]
        verdicts = [self._verdict_by(one) for one in seen]
        verdict: Verdict = "copied" if "copied" in verdicts else "close" if "close" in verdicts else "new"
        ordered = sorted(zip(seen, verdicts, strict=True), key=lambda pair: (pair[1] != "copied", *_order(pair[0])))
        return Judged(image.entry.path, image.sha256, image.full_wh, verdict, tuple(one for one, _ in ordered))

    def _compared(self, mine: Pixels, one: Neighbour) -> Neighbour:
        its = self.pictures.get(one.region)
        return one if its is None else replace(one, comparison=compare(its, mine, mirrors=True))

    def _verdict_by(self, one: Neighbour) -> Verdict:
        kind, found = one.region.kind, one.comparison
        agrees = found is not None and (
            found.is_copy or (found.correlation >= ROUGH and one.similarity >= self.limits.strong[kind])
        )
        is_near = one.similarity >= self.limits.close[kind] or (found is not None and found.correlation >= ALIKE)
        return "copied" if agrees else "close" if is_near else "new"

    def _near(self, vector: NDArray[np.float32]) -> list[Neighbour]:
        """The nearest whole images, by similarity and by what sets them apart, and the nearest crops."""
        return [*self._wholes(vector, _CHECKED), *self._crops(vector, _CHECKED)]

    def _wholes(self, vector: NDArray[np.float32], count: int) -> list[Neighbour]:
        plain, _ = nearest(vector[None], self._vectors, count)
        apart, _ = nearest(self._spread.apply(vector[None]), self._spread_out, count)
        rows = dict.fromkeys(int(row) for row in (*plain[0], *apart[0]) if row >= 0)
        found = [Neighbour(_whole(self._files[row]), _cosine(vector, self._vectors[row])) for row in rows]
        return sorted(found, key=_order)

    def _crops(self, vector: NDArray[np.float32], count: int) -> list[Neighbour]:
        hits = self._index.similar(vector, count, kind="detection")
        return [
            Neighbour(
                Region(hit.path, hit.sha256, tuple(map(float, hit.detections.xyxy[hit.detection])), hit.crop_id),
                hit.score,
            )
            for hit in hits
            if hit.detection is not None
        ]

    # Limits

    def _found_limits(self, seed: int) -> Limits:
        nothing: dict[Kind, float] = dict.fromkeys(KINDS, float("inf"))
        if len(self._files) < LEAST:
            return Limits(nothing, nothing)
        close, strong = dict(nothing), dict(nothing)
        sample = sorted(range(len(self._files)), key=lambda row: _draw(self._files[row].sha256, seed))[:SAMPLE]
        asking = [self._sampled_wholes(sample), self._sampled_crops(sample, seed)]
        for kind in KINDS:
            for queries in asking:
                if len(queries) < LEAST:
                    continue
                own = self._own_nearest(queries, kind)
                if len(own) >= LEAST:
                    # what asks may be a whole picture or a crop: the higher limit holds for both
                    for limits, share in ((close, CLOSE), (strong, STRONG)):
                        value = float(np.quantile(own, share))
                        limits[kind] = value if np.isinf(limits[kind]) else max(limits[kind], value)
        return Limits(close, strong, len(sample))

    def _sampled_wholes(self, sample: Sequence[int]) -> list[tuple[Region, NDArray[np.float32]]]:
        return [(_whole(self._files[row]), self._vectors[row].astype(np.float32)) for row in sample]

    def _sampled_crops(self, sample: Sequence[int], seed: int) -> list[tuple[Region, NDArray[np.float32]]]:
        """One finding of each sampled picture that has any."""
        by_content = {self._files[row].sha256: self._files[row] for row in sample}
        chosen: dict[str, Region] = {}
        for sha256, crop_id, box in Wholes(self._index).crops(by_content):
            one = Region(by_content[sha256].path, sha256, tuple(map(float, box)), crop_id)
            if sha256 not in chosen or _draw(crop_id, seed) < _draw(chosen[sha256].crop_id or "", seed):
                chosen[sha256] = one
        return [(one, self._index.region_vector(one.crop_id or "")) for one in chosen.values()]

    def _own_nearest(self, queries: Sequence[tuple[Region, NDArray[np.float32]]], kind: Kind) -> list[float]:
        """The similarity of each region to the nearest one of another picture that is no copy of it.

        Only the nearest pairs can be copies, and only they decide about a high quantile: these are looked at.
        """
        lists: list[list[Neighbour]] = []
        for done, (region, vector) in enumerate(queries, start=1):
            found = self._wholes(vector, _TRIED) if kind == "image" else self._crops(vector, _TRIED)
            lists.append([one for one in found if one.region.sha256 != region.sha256])
            self._progress("measuring the index", done, len(queries))
        places = [0] * len(lists)
        distinct: set[int] = set()
        for _ in range(_MOST_CHECKS):
            alive = [at for at, one in enumerate(lists) if places[at] < len(one)]
            top = sorted(alive, key=lambda at: (-lists[at][places[at]].similarity, at))
            unsure = [at for at in top[: int(len(top) * (1 - CLOSE)) + 2] if at not in distinct]
            if not unsure:
                break
            at = unsure[0]
            if self._are_copies(queries[at][0], lists[at][places[at]].region):
                places[at] += 1
            else:
                distinct.add(at)
        return [one[places[at]].similarity for at, one in enumerate(lists) if places[at] < len(one)]

    def _are_copies(self, one: Region, other: Region) -> bool:
        mine, its = self.pictures.get(one), self.pictures.get(other)
        return mine is not None and its is not None and compare(its, mine, mirrors=True).is_copy


def _one_of_each(files: Iterable[PictureFile]) -> list[PictureFile]:
    """The first file by path of each content."""
    found: dict[str, PictureFile] = {}
    for file in files:
        found.setdefault(file.sha256, file)
    return list(found.values())


def _whole(file: PictureFile) -> Region:
    return Region(file.path, file.sha256)


def _order(one: Neighbour) -> tuple[float, bytes, str]:
    return -one.similarity, one.region.path, one.region.crop_id or ""


def _cosine(one: NDArray[np.float32], other: NDArray[np.float16]) -> float:
    wide, its = one.astype(np.float64), other.astype(np.float64)
    return min(1.0, float(wide @ its / max(float(np.linalg.norm(wide) * np.linalg.norm(its)), 1e-12)))


def _draw(name: str, seed: int) -> str:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).hexdigest()
