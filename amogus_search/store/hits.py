"""Hits made of ranked places in the catalogue, every row that goes into one checked.

What is read, is read with the question; findings are checked and made into arrays when somebody looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from amogus_search.core.ranking import WHOLE_IMAGE
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import IndexStateError
from amogus_search.store import rows
from amogus_search.store.catalog import Catalog
from amogus_search.store.scoring import best_first
from amogus_search.store.sqlite_errors import DAMAGED_HINT

_CHUNK = 500
Head: TypeAlias = tuple[rows.Row, rows.Row]
"""A row of `files` and that of its content, each with its checksum."""


def _selected(alias: str, table: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in (*rows.COLUMNS[table].split(", "), "checksum"))


_HEADS = (
    f"SELECT {_selected('f', 'files')}, {_selected('c', 'contents')} FROM files f "
    "CROSS JOIN contents c ON c.sha256 = f.sha256"
)
_CONTENT_FROM = len(rows.COLUMNS["files"].split(", ")) + 1


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


class LateHit(Hit):
    """A hit whose findings wait as rows of the catalogue until they are looked at.

    The first look raises IndexStateError if one of these rows is damaged.
    """

    __slots__ = ("_content", "_ordinal")
    _content: Callable[[], Content]
    _ordinal: int

    @classmethod
    def of(cls, place: Place, rank: int, full_wh: tuple[int, int], by: str, content: Callable[[], Content]) -> LateHit:
        """A hit at a place that has a score."""
        hit = cls.__new__(cls)
        values = (("rank", rank), ("path", place.path), ("score", place.score), ("by", by), ("sha256", place.sha256))
        for name, value in (*values, ("full_wh", full_wh), ("others", None), ("_content", content)):
            object.__setattr__(hit, name, value)
        object.__setattr__(hit, "_ordinal", place.ordinal)
        return hit

    def __getattr__(self, name: str) -> Any:
        """What has not been looked at yet; slots that are filled never come here."""
        if name not in _LATE:
            raise AttributeError(name)
        content = self._content()
        row = None if self._ordinal == WHOLE_IMAGE else content.order.index(self._ordinal)
        found = (content.detections, content.scores, row, None if row is None else content.crop_ids[row])
        for late, value in zip(_LATE, found, strict=True):
            object.__setattr__(self, late, value)
        return found[_LATE.index(name)]


_LATE = ("detections", "scores", "detection", "crop_id")


def hits_of(reading: Reading, places: Sequence[Place], by: str) -> list[Hit]:
    """Hits in the order of their places, numbered from 1; damaged rows are errors."""
    return hits_among(reading, places, by, heads_of(reading.catalog, "f.path", [place.path for place in places]))


def hits_among(reading: Reading, places: Sequence[Place], by: str, heads: Mapping[bytes, Head]) -> list[Hit]:
    """The same, of places in files whose heads are known."""
    contents: dict[str, rows.Row] = {}
    for place in places:
        file, content = heads.get(place.path, ((), ()))
        if not content or content[0] != place.sha256:
            raise rows.damaged("files", (place.path,))
        rows.checked("files", file)
        if place.sha256 not in contents:
            contents[place.sha256] = rows.checked("contents", content)
    found = _contents_of(reading, list(contents.values()))
    return [_hit(rank, place, found[place.sha256], by) for rank, place in enumerate(places, start=1)]


def heads_of(catalog: Catalog, column: str, values: Sequence[bytes | str]) -> dict[bytes, Head]:
    """Live files of these values of a column, by path, with their contents; nothing of it checked yet."""
    heads: dict[bytes, Head] = {}
    for start in range(0, len(values), _CHUNK):
        some = values[start : start + _CHUNK]
        marks = ", ".join("?" * len(some))
        for row in catalog.rows(f"{_HEADS} WHERE {column} IN ({marks}) AND f.state = 'indexed'", some):
            heads[row[0]] = row[:_CONTENT_FROM], row[_CONTENT_FROM:]
    return heads


def _hit(rank: int, place: Place, content: LateContent, by: str) -> Hit:
    if place.score is not None:
        return LateHit.of(place, rank, content.full_wh, by, content)
    known = content()
    row = None if place.ordinal == WHOLE_IMAGE else known.order.index(place.ordinal)
    score = 0.0
    if row is not None:
        score = float(known.scores.amogusness[row] if by == "amogusness" else known.detections.confidence[row])
    return LateHit.of(replace(place, score=score), rank, content.full_wh, by, content)


def load_contents(reading: Reading, sha256s: Iterable[str]) -> dict[str, Content]:
    """The contents that are known, by sha256, with all their findings."""
    keys = list(dict.fromkeys(sha256s))
    heads: list[rows.Row] = []
    for start in range(0, len(keys), _CHUNK):
        some = keys[start : start + _CHUNK]
        sql = (
            f"SELECT {rows.COLUMNS['contents']}, checksum FROM contents WHERE sha256 IN ({', '.join('?' * len(some))})"
        )
        heads += [rows.checked("contents", row) for row in reading.catalog.rows(sql, some)]
    return {key: late() for key, late in _contents_of(reading, heads).items()}


class LateContent:
    """The rows of one picture's findings, made into a `Content` by the first call.

    Args:
        reading: the names of columns.
        head: the checked row of `contents`.
        found: its findings with their scores, each with its checksum.
    """

    __slots__ = ("_found", "_head", "_known", "_reading")

    def __init__(self, reading: Reading, head: rows.Row, found: Sequence[rows.Row]) -> None:
        self._reading, self._head, self._found = reading, head, found
        self._known: Content | None = None

    @property
    def full_wh(self) -> tuple[int, int]:
        """Width and height of the upright picture in pixels."""
        return self._head[1], self._head[2]

    def __call__(self) -> Content:
        """The picture with its findings.

        Raises:
            IndexStateError: one of the rows is damaged.
        """
        if self._known is None:
            self._known = _content(self._reading, self._head, self._found)
            self._found = ()
        return self._known


def _contents_of(reading: Reading, heads: Sequence[rows.Row]) -> dict[str, LateContent]:
    """By sha256, for the checked rows of some contents."""
    grouped: dict[str, list[rows.Row]] = {head[0]: [] for head in heads}
    with_findings = [head[0] for head in heads if head[4]]
    for start in range(0, len(with_findings), _CHUNK):
        some = with_findings[start : start + _CHUNK]
        for row in reading.catalog.rows(_FINDINGS.format(", ".join("?" * len(some))), some):
            grouped[row[0]].append(row)
    return {head[0]: LateContent(reading, head, grouped[head[0]]) for head in heads}


_SCORES_FROM = len(rows.COLUMNS["detections"].split(", ")) + 1
_FINDINGS = (
    f"SELECT {_selected('d', 'detections')}, {_selected('s', 'scores')} "
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
