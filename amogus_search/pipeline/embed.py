"""Findings in, vectors out: crops of many pictures share the embedder's batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from amogus_search.core.cropping import crop
from amogus_search.core.types import DecodedImage, Detections, ImageFindings, Pixels, Scores, SkippedImage, Vectors
from amogus_search.ports import Embedder, Verifier
from amogus_search.settings import CROPS, CropSettings


def crops_of(image: DecodedImage, detections: Detections, pad_ratio: float) -> list[Pixels]:
    """The padded crops of all findings, in their order, cut from the decoded pixels."""
    scale = np.float32(image.pixels.shape[1] / image.full_wh[0])
    return [crop(image.pixels, box * scale, pad_ratio) for box in detections.xyxy]


def embed_findings(
    found: Iterable[tuple[DecodedImage, Detections] | SkippedImage],
    embedder: Embedder | None,
    verifier: Verifier | None = None,
    *,
    crops: CropSettings = CROPS,
    images_at_once: int = 8,
) -> Iterator[ImageFindings | SkippedImage]:
    """Everything the models say of each picture, in the order of the input.

    Args:
        found: what `detect_images` yields.
        embedder: makes the vectors; None leaves them out.
        verifier: the second opinion; None leaves the margins at NaN.
        images_at_once: pictures whose crops go through the models together.
    """
    waiting: list[tuple[DecodedImage, Detections] | SkippedImage] = []
    for item in found:
        waiting.append(item)
        if len(waiting) >= images_at_once:
            yield from _embed_all(waiting, embedder, verifier, crops.pad_ratio)
            waiting = []
    yield from _embed_all(waiting, embedder, verifier, crops.pad_ratio)


def verify_findings(
    found: Iterable[tuple[DecodedImage, Detections] | SkippedImage],
    verifier: Verifier,
    *,
    crops: CropSettings = CROPS,
) -> Iterator[tuple[DecodedImage, Detections] | SkippedImage]:
    """The same findings with the verifier's margins filled in, for use without an index."""
    for item in found:
        if isinstance(item, SkippedImage):
            yield item
        else:
            image, detections = item
            yield image, detections.with_margin(verifier.margin(crops_of(image, detections, crops.pad_ratio)))


def _embed_all(
    items: list[tuple[DecodedImage, Detections] | SkippedImage],
    embedder: Embedder | None,
    verifier: Verifier | None,
    pad_ratio: float,
) -> Iterator[ImageFindings | SkippedImage]:
    pictures = [item for item in items if not isinstance(item, SkippedImage)]
    per_picture = [crops_of(image, detections, pad_ratio) for image, detections in pictures]
    flat = [one for crops in per_picture for one in crops]
    wholes = _vectors(embedder, [image.pixels for image, _ in pictures])
    vectors = _vectors(embedder, flat)
    margins = _margins(verifier, embedder, flat, vectors)
    row, whole = 0, 0
    for item in items:
        if isinstance(item, SkippedImage):
            yield item
            continue
        image, detections = item
        rows = slice(row, row + len(detections))
        finding = _findings(image, detections.with_margin(margins[rows]))
        yield replace(finding, image_vector=wholes[whole] if embedder else None, detection_vectors=vectors[rows])
        row, whole = rows.stop, whole + 1


def _margins(verifier: Verifier | None, embedder: Embedder | None, crops: list[Pixels], vectors: Vectors) -> Scores:
    if verifier is None:
        return np.full(len(crops), np.nan, np.float32)
    if embedder is not None and embedder.fingerprint == verifier.fingerprint:
        return verifier.margin_of_vectors(vectors)
    return verifier.margin(crops)


def _vectors(embedder: Embedder | None, images: list[Pixels]) -> Vectors:
    if embedder is None:
        return np.zeros((len(images), 0), np.float32)
    return embedder.embed_images(images) if images else np.zeros((0, embedder.dimension), np.float32)


def _findings(image: DecodedImage, detections: Detections) -> ImageFindings:
    return ImageFindings(
        entry=image.entry,
        sha256=image.sha256,
        format=image.format,
        full_wh=image.full_wh,
        detections=detections,
    )
