"""Hits made of ranked places in the catalogue, every row that goes into one checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amogus_search.core.ranking import WHOLE_IMAGE
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import IndexStateError
from amogus_search.store import rows
from amogus_search.store.catalog import DAMAGED_HINT, Catalog
from amogus_search.store.scoring import best_first

_CHUNK = 500


@dataclass(frozen=True)
class Reading:
    """An open index, for questions; `is_calibrated` says whether findings rank by amogusness or by confidence."""

    catalog: Catalog
    keypoint_names: tuple[str, ...]
    evidence_names: tuple[str, ...]
    is_calibrated: bool


@dataclass(frozen=True)
class Wanted:
    """What a finding must meet; `where_sql` is made by `core.where` from `columns.where_columns`."""

    min_amogusness: float | None = None
    min_confidence: float | None = None
    where_sql: str = ""
    params: Sequence[Any] = ()

    @property
    def has_conditions(self) -> bool:
        """Whether anything but being there is asked for."""
        return bool(self.where_sql) or self.min_amogusness is not None or self.min_confidence is not None

    def condition(self) -> tuple[str, list[Any]]:
        """SQL to follow WHERE, and its parameters."""
        terms, values = ["f.state = 'indexed'"], list[Any]()
        if self.min_amogusness is not None:
            terms.append("s.amogusness >= ?")
            values.append(self.min_amogusness)
        if self.min_confidence is not None:  # as it is stored: 0.9 of a float32 is a little less than 0.9
            terms.append("d.confidence >= ?")
            values.append(float(np.float32(self.min_confidence)))
        if self.where_sql:
            terms.append(f"({self.where_sql})")
            values.extend(self.params)
        return " AND ".join(terms), values


@dataclass(frozen=True)
class Place:
    """A hit to be: a finding of a file (by its ordinal), or the whole of it; `score` None: as the finding has."""

    path: bytes
    sha256: str
    ordinal: int
    score: float | None = None


def first_of_each(places: Iterable[Place]) -> Iterator[Place]:
    """The first place of every file, in the order given."""
    seen: set[bytes] = set()
    for place in places:
        if place.path not in seen:
            seen.add(place.path)
            yield place


@dataclass(frozen=True, eq=False)
class Content:
    """One picture as hits show it; `order` says which ordinal stands in which row."""

    full_wh: tuple[int, int]
    detections: Detections
    scores: FindingScores
    order: list[int]
    crop_ids: list[str]


def hits_of(reading: Reading, places: Sequence[Place], by: str) -> list[Hit]:
    """Hits in the order of their places, numbered from 1; damaged rows are errors."""
    _check_files(reading.catalog, places)
    contents = load_contents(reading, (place.sha256 for place in places))
    return [_hit(rank, place, contents[place.sha256], by) for rank, place in enumerate(places, start=1)]


def _hit(rank: int, place: Place, content: Content, by: str) -> Hit:
    row = None if place.ordinal == WHOLE_IMAGE else content.order.index(place.ordinal)
    score = place.score
    if score is None and row is not None:
        score = float(content.scores.amogusness[row] if by == "amogusness" else content.detections.confidence[row])
    return Hit(
        rank=rank,
        path=place.path,
        score=score or 0.0,
        by=by,
        sha256=place.sha256,
        full_wh=content.full_wh,
        detections=content.detections,
        scores=content.scores,
        detection=row,
        crop_id=None if row is None else content.crop_ids[row],
    )


def _check_files(catalog: Catalog, places: Sequence[Place]) -> None:
    for start in range(0, len(places), _CHUNK):
        paths = [place.path for place in places[start : start + _CHUNK]]
        sql = f"SELECT {rows.COLUMNS['files']}, checksum FROM files WHERE path IN ({', '.join('?' * len(paths))})"
        for row in catalog.rows(sql, paths):
            rows.checked("files", row)


def load_contents(reading: Reading, sha256s: Iterable[str]) -> dict[str, Content]:
    """The contents that are known, by sha256, with all their findings."""
    keys = list(dict.fromkeys(sha256s))
    loaded: dict[str, Content] = {}
    for start in range(0, len(keys), _CHUNK):
        some = keys[start : start + _CHUNK]
        marks = ", ".join("?" * len(some))
        heads = f"SELECT {rows.COLUMNS['contents']}, checksum FROM contents WHERE sha256 IN ({marks})"
        grouped: dict[str, list[rows.Row]] = {}
        for row in reading.catalog.stream(_FINDINGS.format(marks), some):
            grouped.setdefault(row[0], []).append(row)
        for row in reading.catalog.rows(heads, some):
            head = rows.checked("contents", row)
            loaded[head[0]] = _content(reading, head, grouped.get(head[0], []))
    return loaded


_SCORES_FROM = len(rows.COLUMNS["detections"].split(", ")) + 1
_FINDINGS = (
    f"SELECT {', '.join(f'd.{name}' for name in rows.COLUMNS['detections'].split(', '))}, d.checksum, "
    f"{', '.join(f's.{name}' for name in rows.COLUMNS['scores'].split(', '))}, s.checksum "
    "FROM detections d LEFT JOIN scores s ON s.detection = d.id WHERE d.sha256 IN ({}) ORDER BY d.sha256, d.ordinal"
)


def _content(reading: Reading, head: rows.Row, found: Sequence[rows.Row]) -> Content:
    sha256, width, height, _, expected, _ = head
    if [row[1] for row in found] != list(range(expected)):
        raise IndexStateError(f"the index is damaged: {len(found)} of {expected} findings of {sha256}", DAMAGED_HINT)
    values = [rows.checked("detections", row[:_SCORES_FROM]) for row in found]
    if any(row[-1] is None for row in found):
        raise IndexStateError(f"the index is damaged: findings of {sha256} have no scores", DAMAGED_HINT)
    scores = rows.scores_of([rows.checked("scores", row[_SCORES_FROM:]) for row in found])
    detections = rows.detections_of(values, reading.keypoint_names, reading.evidence_names)
    order = best_first(detections, scores)
    kept = FindingScores(scores.amogusness[order], scores.rarity[order], scores.rarity_at_least[order])
    crop_ids = [values[ordinal][9] for ordinal in order]
    return Content((width, height), detections.keep(order), kept, order.tolist(), crop_ids)
