"""Storing what the models said of pictures, each distinct content once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amogus_search.core.ids import crop_id
from amogus_search.core.ranking import WHOLE_IMAGE
from amogus_search.core.types import ImageFindings
from amogus_search.store import liveness, rows
from amogus_search.store.catalog import Catalog
from amogus_search.store.scoring import Scorer

Names = tuple[tuple[str, ...], tuple[str, ...]]


def has_content(catalog: Catalog, sha256: str) -> bool:
    """Whether the models' answers for this content are stored."""
    return bool(catalog.rows("SELECT 1 FROM contents WHERE sha256 = ?", (sha256,)))


def add(catalog: Catalog, images: Sequence[ImageFindings], *, names: Names, score: Scorer) -> None:
    """Store the findings, vectors and scores of contents that are not stored yet.

    Raises:
        ValueError: the columns are not those of the index, or a vector is not finite, zero or of another length.
    """
    for image in images:
        if not has_content(catalog, image.sha256):
            _add_one(catalog, _canonical(image), names, score)


def counts(catalog: Catalog) -> dict[str, int]:
    """Numbers of files by state, and of live contents, findings and vectors; `unpublished`: not in FAISS yet."""
    with catalog.snapshot():
        states: dict[str, int] = dict(catalog.rows("SELECT state, count(*) FROM files GROUP BY state"))
        live = catalog.rows(
            "SELECT count(*), coalesce(sum(detections), 0), coalesce(sum(vectors), 0) FROM contents "
            "WHERE sha256 IN (SELECT sha256 FROM files WHERE state = 'indexed')"
        )[0]
        newest = catalog.rows("SELECT generation, newest FROM generations ORDER BY generation DESC LIMIT 1") or [
            (-1, -1)
        ]
        unpublished = liveness.counts(catalog, *newest[0])[1]
    return {
        **{state: states.get(state, 0) for state in ("indexed", "skipped", "removed")},
        **dict(zip(("contents", "detections", "vectors"), live, strict=True)),
        "unpublished": unpublished,
    }


def _canonical(image: ImageFindings) -> ImageFindings:
    """The same with its findings in the one order that does not depend on the detector: confidence, then box."""
    found = image.detections
    keys = np.column_stack([found.xyxy[:, ::-1], -found.confidence])
    order = np.lexsort(keys.T)
    vectors = image.detection_vectors[order] if len(image.detection_vectors) else image.detection_vectors
    return ImageFindings(
        entry=image.entry,
        sha256=image.sha256,
        format=image.format,
        full_wh=image.full_wh,
        detections=found.keep(order),
        image_vector=image.image_vector,
        detection_vectors=vectors,
    )


def _add_one(catalog: Catalog, image: ImageFindings, names: Names, score: Scorer) -> None:
    found = image.detections
    if (found.keypoint_names, found.evidence_names) != names:
        raise ValueError(
            f"findings have {found.keypoint_names} and {found.evidence_names}, the index {names[0]} and {names[1]}"
        )
    vectors = _vectors(catalog, image)
    width, height = image.full_wh
    head = (image.sha256, int(width), int(height), image.format, len(found), len(vectors))
    catalog.run(rows.insert("contents"), rows.sealed(head))
    crops = [crop_id(image.sha256, box) for box in found.xyxy]
    statement = rows.insert("detections")
    values = rows.detection_values(image.sha256, crops, found)
    ids = [catalog.run(statement, rows.sealed(row)).lastrowid or 0 for row in values]
    scores, calibration = score(found)
    catalog.run_many(rows.insert("scores"), [rows.sealed(v) for v in rows.score_values(ids, scores, calibration)])
    catalog.run_many(rows.insert("vectors"), [rows.sealed(values) for values in vectors])


def _vectors(catalog: Catalog, image: ImageFindings) -> list[rows.Row]:
    """The vector rows of one picture: its own, if it has one, then its findings'."""
    if image.image_vector is None:
        return []
    table = np.vstack([image.image_vector[None], image.detection_vectors.reshape(-1, len(image.image_vector))])
    if len(table) != len(image.detections) + 1:
        raise ValueError(f"{len(image.detections)} findings have {len(table) - 1} vectors")
    _require_dimension(catalog, table.shape[1])
    # Asked of what is stored: float16 has a smaller range.
    stored = table.astype("<f2").astype(np.float32)
    if not np.isfinite(stored).all() or not stored.any(axis=1).all():
        raise ValueError(f"a vector of {image.entry.path!r} is zero or not finite")
    ordinals = [WHOLE_IMAGE, *range(len(image.detections))]
    kinds = ["image"] + ["detection"] * len(image.detections)
    return [
        (kind, image.sha256, ordinal, rows.vector_blob(vector))
        for kind, ordinal, vector in zip(kinds, ordinals, table, strict=True)
    ]


def _require_dimension(catalog: Catalog, dimension: int) -> None:
    stored = catalog.get_meta("dimension")
    if stored is None:
        catalog.set_meta("dimension", dimension)
    elif stored != dimension:
        raise ValueError(f"vectors have {dimension} numbers, those of the index {stored}")
