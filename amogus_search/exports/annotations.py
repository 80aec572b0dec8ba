"""Findings as data sets: CSV, Parquet, COCO and YOLO, from hits or any other list of searched images.

Every image of the hits is in the output once, also those without findings (they are the negatives). Which findings
come with it: all of them, those of at least `min_amogusness`, or with `only_hits` just the ones that were hit.

CSV and Parquet have one row a finding, and one with empty finding columns for an image without any:
path, path_hex, sha256, width, height, finding (place in its image, best first), crop_id, x1, y1, x2, y2, confidence,
amogusness, rarity, rarity_at_least, margin, zoom, evidence_PART..., KEYPOINT_x, KEYPOINT_y, KEYPOINT_v...
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ids import crop_id
from amogus_search.core.labels import coco_annotations, coco_category
from amogus_search.core.paths import path_fields
from amogus_search.core.types import Detections, Hit
from amogus_search.errors import MissingExtraError
from amogus_search.exports.folders import claim_file, write_whole
from amogus_search.exports.json_form import detection_json
from amogus_search.exports.table import finding_columns, inert_path

IMAGE_COLUMNS = ("path", "path_hex", "sha256", "width", "height")
FINDING_COLUMNS = (
    *("finding", "crop_id", "x1", "y1", "x2", "y2", "confidence", "amogusness"),
    *("rarity", "rarity_at_least", "margin", "zoom"),
)

_COCO_MARK = "findings, boxes in pixels of the upright image"
"""In the description of our files, by which an earlier one is known."""
_MOST_FOOTER = 1 << 20
"""Bytes of a Parquet file's end that are looked at."""


@dataclass(frozen=True)
class Selection:
    """Which findings of the images are written.

    min_amogusness: lowest calibrated score; findings without one are left out if it is given
    only_hits:      only the findings that the hits name, rather than all of their images'
    """

    min_amogusness: float | None = None
    only_hits: bool = False


EVERYTHING = Selection()


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """One image of the hits and the rows of its findings that were selected."""

    hit: Hit
    rows: NDArray[np.int64]

    @property
    def detections(self) -> Detections:
        """The selected findings."""
        return self.hit.detections.keep(self.rows)


@dataclass(frozen=True)
class AnnotationReport:
    """What was written: the file or folder, the images in it, those without findings among them, the findings."""

    out: Path
    images: int
    negatives: int
    findings: int


def annotated_images(hits: Iterable[Hit], selection: Selection = EVERYTHING) -> list[AnnotatedImage]:
    """Each image of the hits once, in the order of its first hit."""
    by_path: dict[bytes, list[Hit]] = {}
    for hit in hits:
        by_path.setdefault(hit.path, []).append(hit)
    return [AnnotatedImage(group[0], _selected(group, selection)) for group in by_path.values()]


def _selected(group: Sequence[Hit], selection: Selection) -> NDArray[np.int64]:
    first = group[0]
    keep = np.ones(len(first.detections), bool)
    if selection.only_hits:
        named = [hit.detection for hit in group if hit.detection is not None]
        keep = np.isin(np.arange(len(keep)), np.asarray(named, np.int64))
    if selection.min_amogusness is not None:
        # NaN compares as false: without a calibration nothing reaches a threshold.
        keep &= np.asarray(first.scores.amogusness) >= selection.min_amogusness
    return np.flatnonzero(keep).astype(np.int64)


def report(out: Path, images: Sequence[AnnotatedImage]) -> AnnotationReport:
    """The counts of what was written to `out`."""
    counts = [len(image.rows) for image in images]
    return AnnotationReport(out, len(images), counts.count(0), sum(counts))


def annotation_rows(images: Iterable[AnnotatedImage]) -> Iterator[dict[str, Any]]:
    """The flat rows of CSV and Parquet; columns that do not apply are absent."""
    for image in images:
        hit = image.hit
        base = {**path_fields(hit.path), "sha256": hit.sha256, "width": hit.full_wh[0], "height": hit.full_wh[1]}
        if not len(image.rows):
            yield base
        for row in image.rows:
            yield base | _finding_row(hit, int(row))


def _finding_row(hit: Hit, row: int) -> dict[str, Any]:
    finding = detection_json(hit.detections, row, hit.scores)
    margin = float(hit.detections.margin[row])
    points = {
        f"{name}_{axis}": value
        for name, point in finding["keypoints"].items()
        for axis, value in zip("xyv", point, strict=True)
    }
    return {
        "finding": row,
        "crop_id": crop_id(hit.sha256, hit.detections.xyxy[row]),
        **finding_columns(finding),
        "rarity_at_least": bool(finding.get("rarity_at_least", False)),
        "margin": round(margin, 4) if math.isfinite(margin) else None,
        **points,
    }


def columns_of(images: Iterable[AnnotatedImage]) -> list[str]:
    """All columns, in the order of the module's docstring."""
    found = [image.hit.detections for image in images]
    parts = dict.fromkeys(f"evidence_{name}" for one in found for name in one.evidence_names)
    points = dict.fromkeys(f"{name}_{axis}" for one in found for name in one.keypoint_names for axis in "xyv")
    return [*IMAGE_COLUMNS, *FINDING_COLUMNS, *parts, *points]


def write_csv(
    hits: Iterable[Hit],
    out: Path,
    *,
    overwrite: bool = False,
    selection: Selection = EVERYTHING,
    source_folders: Sequence[bytes] = (),
) -> AnnotationReport:
    """Writes the table of the module's docstring as CSV (RFC 4180, UTF-8, lines end in CR LF).

    Raises:
        UsageError: `out` lies in a photo folder, or is something else than an earlier export of this kind.
    """
    claim_file(out, _is_csv, "a table of findings", overwrite=overwrite, source_folders=source_folders)
    images = annotated_images(hits, selection)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns_of(images), restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in annotation_rows(images):
        flag = {"rarity_at_least": "true" if row["rarity_at_least"] else ""} if "rarity_at_least" in row else {}
        writer.writerow(row | flag | {"path": inert_path(row["path"])})
    write_whole(out, text.getvalue().encode())
    return report(out, images)


def write_parquet(
    hits: Iterable[Hit],
    out: Path,
    *,
    overwrite: bool = False,
    selection: Selection = EVERYTHING,
    source_folders: Sequence[bytes] = (),
) -> AnnotationReport:
    """Writes the table of the module's docstring as Parquet; unknown values are null.

    Raises:
        MissingExtraError: the `[parquet]` extra is not installed.
        UsageError: `out` lies in a photo folder, or is something else than an earlier export of this kind.
    """
    import pandas as pd

    claim_file(out, _is_parquet, "a table of findings", overwrite=overwrite, source_folders=source_folders)
    images = annotated_images(hits, selection)
    columns = columns_of(images)
    frame = pd.DataFrame(list(annotation_rows(images)), columns=columns)
    words = dict.fromkeys(("path", "path_hex", "sha256", "crop_id"), "string")
    whole = dict.fromkeys(("width", "height", "finding"), "Int64")
    numbers = {name: "Float64" for name in columns if name not in words | whole and name != "rarity_at_least"}
    frame = frame.astype(words | whole | numbers | {"rarity_at_least": "boolean"})
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError as error:
        raise MissingExtraError("writing Parquet needs pyarrow", 'pip install "amogus_search[parquet]"') from error
    write_whole(out, buffer.getvalue())
    return report(out, images)


def write_coco(
    hits: Iterable[Hit],
    out: Path,
    *,
    category: str = "amogus",
    relative_to: Path | None = None,
    overwrite: bool = False,
    selection: Selection = EVERYTHING,
    source_folders: Sequence[bytes] = (),
) -> AnnotationReport:
    """Writes one COCO JSON file: boxes, keypoints where the motif has them, and all images with or without findings.

    Args:
        hits: the images.
        out: the .json file.
        category: name of the one category.
        relative_to: `file_name` is relative to this folder for images inside it, absolute for the others.
        overwrite: replace a file that is no COCO export.
        selection: which findings.
        source_folders: the roots of the index, which are never written to.

    Raises:
        UsageError: `out` lies in a photo folder, or is something else than an earlier export of this kind.
    """
    claim_file(out, _is_coco, "a COCO export", overwrite=overwrite, source_folders=source_folders)
    images = annotated_images(hits, selection)
    names = next((i.hit.detections.keypoint_names for i in images if i.hit.detections.keypoint_names), ())
    document: dict[str, Any] = {
        "info": {"description": f"{category} {_COCO_MARK}"},
        "images": [_coco_image(image.hit, number, relative_to) for number, image in enumerate(images, start=1)],
        "annotations": [],
        "categories": [coco_category(category, names)],
    }
    for number, image in enumerate(images, start=1):
        records = coco_annotations(image.detections, number, len(document["annotations"]) + 1)
        document["annotations"] += [
            record | _coco_scores(image.hit, int(row)) for record, row in zip(records, image.rows, strict=True)
        ]
    write_whole(out, (json.dumps(document, allow_nan=False, indent=1) + "\n").encode())
    return report(out, images)


def _coco_image(hit: Hit, number: int, relative_to: Path | None) -> dict[str, Any]:
    path = hit.path
    if relative_to is not None:
        root = os.path.abspath(os.fsencode(relative_to)).rstrip(b"/") + b"/"
        path = path.removeprefix(root)
    names = path_fields(path)
    record = {"id": number, "file_name": names["path"], "width": hit.full_wh[0], "height": hit.full_wh[1]}
    return record | ({"path_hex": names["path_hex"]} if "path_hex" in names else {}) | {"sha256": hit.sha256}


def _coco_scores(hit: Hit, row: int) -> dict[str, Any]:
    finding = detection_json(hit.detections, row, hit.scores)
    return {name: finding[name] for name in ("amogusness", "rarity")}


def _is_csv(file: Path) -> bool:
    mark = ",".join((*IMAGE_COLUMNS, *FINDING_COLUMNS)).encode()
    return _beginning(file).startswith(mark)


def _is_parquet(file: Path) -> bool:
    """Whether our columns are named in its footer, where Parquet keeps the names."""
    with open(file, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 8))
        length, mark = struct.unpack("<I4s", stream.read(8).rjust(8, b"\0"))
        stream.seek(max(0, size - 8 - min(length, _MOST_FOOTER)))
        footer = stream.read(_MOST_FOOTER)
    return mark == b"PAR1" and all(name.encode() in footer for name in (*IMAGE_COLUMNS, *FINDING_COLUMNS))


def _is_coco(file: Path) -> bool:
    return _COCO_MARK.encode() in _beginning(file)


def _beginning(file: Path) -> bytes:
    with open(file, "rb") as stream:
        return stream.read(4096)
