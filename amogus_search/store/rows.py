"""Rows of the catalogue and what they stand for, each sealed by a checksum of its other columns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ids import row_checksum
from amogus_search.core.types import Detections, FileStat, FindingScores
from amogus_search.errors import IndexStateError

Row = tuple[Any, ...]

COLUMNS = {
    "meta": "name, value",
    "contents": "sha256, width, height, format, detections, vectors",
    "detections": "sha256, ordinal, x1, y1, x2, y2, confidence, margin, zoom, crop_id, keypoints, evidence",
    "scores": "detection, amogusness, rarity, rarity_at_least, calibration",
    "vectors": "kind, sha256, ordinal, vector",
    "files": "path, root, dev, ino, size, mtime_ns, ctime_ns, sha256, state, skip_reason, skip_detail, skip_tag",
    "generations": "generation, file, sha256, rows, detection_rows, newest, settings, regions",
}
"""The columns under the checksum, in its order; ids that only join tables are left out, so that equal content
has equal checksums in every index."""

_NAMED_BY = {"vectors": 3, "detections": 2}
"""How many leading columns name a row for people; 1 for the other tables."""


def sealed(values: Sequence[object]) -> Row:
    """The values with their checksum behind them."""
    return (*values, row_checksum(values))


def is_whole(row: Sequence[Any]) -> bool:
    """Whether a row, checksum last, is as it was written."""
    return bool(row_checksum(row[:-1]) == row[-1])


def checked(table: str, row: Sequence[Any]) -> Row:
    """The row's values without the checksum.

    Raises:
        IndexStateError: a bit has changed since it was written.
    """
    if not is_whole(row):
        raise damaged(table, row)
    return tuple(row[:-1])


_BEFORE_SHA256 = {"detection": "str:11:'detection'str:66:'", "image": "str:7:'image'str:66:'"}


def check_vectors(found: Sequence[Row]) -> None:
    """What `checked` does for rows of `vectors`, whatever stands behind their checksums, in half the time.

    Every question that compares asks for some dozens of them. The usual form of what is hashed is written down here; a
    row that does not have its checksum in that form is left to `checked`.

    Raises:
        IndexStateError: a bit of one of them has changed since it was written.
    """
    for row in found:
        kind, sha256, ordinal, vector, checksum = row[:5]
        if type(vector) is bytes and type(ordinal) is int:
            place = str(ordinal)
            head = f"{_BEFORE_SHA256.get(kind)}{sha256}'int:{len(place)}:{place}bytes:{len(vector)}:"
            hashed = hashlib.blake2b(head.encode(), digest_size=8)
            hashed.update(vector)
            if hashed.digest() == checksum:
                continue
        checked("vectors", row[:5])


def damaged(table: str, row: Sequence[Any]) -> IndexStateError:
    """The error that names a damaged row."""
    return IndexStateError(
        f"the index is damaged: row {row_name(table, row)} of {table} does not match its checksum",
        "see all of it with `amogus verify`, mend it with `amogus repair`",
    )


def row_name(table: str, row: Sequence[Any]) -> str:
    """What a row is called in messages."""
    return "/".join(ascii(value)[:200] for value in row[: _NAMED_BY.get(table, 1)])


def insert(table: str, verb: str = "INSERT") -> str:
    """The statement that stores a sealed row."""
    columns = COLUMNS[table]
    return f"{verb} INTO {table} ({columns}, checksum) VALUES ({', '.join('?' * (columns.count(',') + 2))})"


# Files


def stat_columns(stat: FileStat | None) -> Row:
    """dev, ino, size, mtime_ns, ctime_ns, as SQLite can keep them."""
    if stat is None:
        return (None,) * 5
    return (_signed(stat.dev), _signed(stat.ino), stat.size, stat.mtime_ns, stat.ctime_ns)


def stat_of(columns: Sequence[Any]) -> FileStat | None:
    """The way back from `stat_columns`."""
    if columns[0] is None:
        return None
    dev, ino, size, mtime_ns, ctime_ns = columns
    return FileStat(dev % 2**64, ino % 2**64, size, mtime_ns, ctime_ns)


def _signed(number: int) -> int:
    number %= 2**64
    return number - 2**64 if number >= 2**63 else number


# Detections


def detection_values(sha256: str, crop_ids: Sequence[str], found: Detections) -> list[Row]:
    """The columns of all findings of one picture, which are in canonical order already."""
    numbers = np.column_stack([found.xyxy, found.confidence, found.margin, found.zoom]).astype(np.float64).tolist()
    return [
        (
            sha256,
            ordinal,
            *(_real(value) for value in numbers[ordinal]),
            crop_ids[ordinal],
            found.keypoints[ordinal].astype("<f4").tobytes(),
            found.evidence[ordinal].astype("<f4").tobytes(),
        )
        for ordinal in range(len(found))
    ]


def detections_of(
    values: Sequence[Row], keypoint_names: tuple[str, ...], evidence_names: tuple[str, ...]
) -> Detections:
    """The findings of checked rows, in their order.

    Raises:
        IndexStateError: a row does not have the columns that the index says its findings have.
    """
    count = len(values)
    numbers = np.asarray([row[2:9] for row in values], np.float64).reshape(count, 7).astype(np.float32)
    try:
        keypoints = np.frombuffer(b"".join(row[10] for row in values), "<f4").reshape(count, len(keypoint_names), 3)
        evidence = np.frombuffer(b"".join(row[11] for row in values), "<f4").reshape(count, len(evidence_names))
    except (ValueError, TypeError) as error:
        raise IndexStateError(f"the index is damaged: findings of {values[0][0]} have other columns") from error
    return Detections(
        xyxy=numbers[:, :4].copy(),
        confidence=numbers[:, 4].copy(),
        margin=numbers[:, 5].copy(),
        zoom=numbers[:, 6].copy(),
        keypoints=keypoints.astype(np.float32),
        evidence=evidence.astype(np.float32),
        keypoint_names=keypoint_names,
        evidence_names=evidence_names,
    )


def score_values(ids: Sequence[int], scores: FindingScores, calibration: str | None) -> list[Row]:
    """The columns of the scores of findings with these ids; unknown numbers are NULL."""
    columns = zip(ids, scores.amogusness.tolist(), scores.rarity.tolist(), scores.rarity_at_least.tolist(), strict=True)
    return [
        (key, _real(amogusness), _real(rarity), int(at_least), calibration)
        for key, amogusness, rarity, at_least in columns
    ]


def scores_of(values: Sequence[Row]) -> FindingScores:
    """The scores of checked rows, in their order; NULL is NaN."""
    numbers = np.asarray([row[1:3] for row in values], np.float64).reshape(len(values), 2)
    at_least = np.asarray([bool(row[3]) for row in values], bool)
    return FindingScores(numbers[:, 0].copy(), numbers[:, 1].copy(), at_least)


def _real(value: float) -> float | None:
    """SQLite has no NaN; it would store NULL, and the checksum must be of what is read back. -0.0 likewise is 0.0."""
    return None if value != value else value + 0.0


# Vectors


def vector_blob(vector: NDArray[np.float32]) -> bytes:
    """Little-endian float16; a unit vector's cosines move by less than 1e-3."""
    return vector.astype("<f2").tobytes()


def similarities(blobs: Sequence[bytes], vector: NDArray[np.float64], length: float) -> list[float]:
    """Cosines of stored vectors and a (d,) vector of some length, each the same whatever others are asked for with it.

    Raises:
        IndexStateError: the BLOBs differ in length.
    """
    raw = _numbers(blobs).astype(np.float64)
    # Row by row and not by a matrix product, whose rounding depends on how many rows there are.
    products, squares = np.vecdot(raw, vector).tolist(), np.vecdot(raw, raw).tolist()
    return [product / (math.sqrt(square) * length) for product, square in zip(products, squares, strict=True)]


def unit_vectors(blobs: Sequence[bytes]) -> NDArray[np.float32]:
    """(n, d) unit vectors, each the same whichever others are asked for with it.

    Raises:
        IndexStateError: the BLOBs differ in length.
    """
    raw = _numbers(blobs).astype(np.float32)
    lengths = np.sqrt(np.sum(raw * raw, axis=1, dtype=np.float64))
    return np.asarray(raw / lengths[:, None], np.float32)


def _numbers(blobs: Sequence[bytes]) -> NDArray[np.float16]:
    if len(set(map(len, blobs))) > 1:
        raise IndexStateError("the index is damaged: it has vectors of several lengths", "mend it with `amogus repair`")
    return np.frombuffer(b"".join(blobs), "<f2").reshape(len(blobs), -1)
