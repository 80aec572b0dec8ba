"""From ranked places in the catalogue to hits, every row that goes into one checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.ranking import WHOLE_IMAGE
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import IndexStateError, UsageError
from amogus_search.store import rows
from amogus_search.store.catalog import DAMAGED_HINT, Catalog
from amogus_search.store.scoring import best_first
from amogus_search.store.searching import Kind, Searcher

_CHUNK = 500
_LIVE_FILE = "CROSS JOIN contents c ON c.sha256 = d.sha256 CROSS JOIN files f ON f.sha256 = d.sha256"


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
class Query:
    """What to be similar to, among which regions, and whether only a file's best one counts."""

    vector: NDArray[np.float32]
    kinds: tuple[Kind, ...]
    by_image: bool


@dataclass(frozen=True)
class _Place:
    """A hit to be: a finding of a file (by its ordinal), or the whole of it; `score` None: as the finding has."""

    path: bytes
    sha256: str
    ordinal: int
    score: float | None = None


def best_regions(reading: Reading, n: int | None, wanted: Wanted) -> list[Hit]:
    """The n best findings."""
    with reading.catalog.snapshot():
        return _hits(reading, list(islice(_ranked(reading, wanted), n)), _by(reading))


def best_images(reading: Reading, n: int | None, wanted: Wanted) -> list[Hit]:
    """The n best files by their best finding, then those without findings."""
    with reading.catalog.snapshot():
        places = list(islice(_first_of_each(_ranked(reading, wanted)), n))
        if n is None or len(places) < n:
            places += islice(_without_findings(reading, wanted), None if n is None else n - len(places))
        return _hits(reading, places, _by(reading))


def similar(reading: Reading, searcher: Searcher, query: Query, n: int | None, wanted: Wanted) -> list[Hit]:
    """The n files or regions most similar to the query."""
    with reading.catalog.snapshot():
        asked = None if n is None else 4 * n + 100
        while True:
            ids, similarities = searcher.search(query.vector, asked, query.kinds)
            found = _located(reading, ids, similarities, wanted)
            places = list(_first_of_each(found)) if query.by_image else found
            if n is None or asked is None or len(ids) < asked:
                return _hits(reading, places[:n], "similarity")
            # Regions as similar as the last one may not have been looked at yet.
            if len(places) >= n and (places[n - 1].score or 0.0) > similarities[-1]:
                return _hits(reading, places[:n], "similarity")
            asked *= 4


def findings(reading: Reading, sha256s: Iterable[str]) -> dict[str, tuple[Detections, FindingScores]]:
    """Findings, best first, and their scores, of each content that is known."""
    with reading.catalog.snapshot():
        return {key: (c.detections, c.scores) for key, c in _load(reading, sha256s).items()}


def count_findings(catalog: Catalog, wanted: Wanted) -> tuple[int, int]:
    """Findings of live files that are wanted, and the files that have any."""
    condition, values = wanted.condition()
    found = catalog.rows(
        "SELECT count(*), count(DISTINCT f.path) FROM scores s CROSS JOIN detections d ON d.id = s.detection "
        f"{_LIVE_FILE} WHERE {condition}",
        values,
    )
    return found[0][0], found[0][1]


def region_vector(catalog: Catalog, region: str) -> NDArray[np.float32]:
    """(d,) unit vector of a whole image (by sha256) or a finding (by crop id)."""
    sql = f"SELECT {', '.join(f'v.{name}' for name in rows.COLUMNS['vectors'].split(', '))}, v.checksum FROM vectors v "
    if len(region) == 64:
        found = catalog.rows(f"{sql} WHERE v.kind = 'image' AND v.sha256 = ?", (region,))
    else:
        found = catalog.rows(
            f"{sql} JOIN detections d ON d.sha256 = v.sha256 AND d.ordinal = v.ordinal "
            "WHERE v.kind = 'detection' AND d.crop_id = ? ORDER BY v.ordinal LIMIT 1",
            (region,),
        )
    if not found:
        raise UsageError(
            f"the index has no vector of a region called {region!r}", "give a crop id or a sha256 from `amogus query`"
        )
    return np.asarray(rows.unit_vectors([rows.checked("vectors", found[0])[3]])[0])


def _by(reading: Reading) -> str:
    return "amogusness" if reading.is_calibrated else "confidence"


def _ranked(reading: Reading, wanted: Wanted) -> Iterator[_Place]:
    """Findings of live files, best first, as they are needed: the order comes from an index of the table."""
    condition, values = wanted.condition()
    if reading.is_calibrated:
        key, tables = "s.amogusness", "scores s CROSS JOIN detections d ON d.id = s.detection"
    else:
        key, tables = "d.confidence", "detections d CROSS JOIN scores s ON s.detection = d.id"
    sql = (
        f"SELECT f.path, d.sha256, d.ordinal FROM {tables} {_LIVE_FILE} "
        f"WHERE {condition} ORDER BY {key} DESC, f.path, d.ordinal"
    )
    return (_Place(*row) for row in reading.catalog.stream(sql, values))


def _without_findings(reading: Reading, wanted: Wanted) -> Iterator[_Place]:
    condition, values = wanted.condition()
    sql = (
        "SELECT f.path, c.sha256 FROM files f CROSS JOIN contents c ON c.sha256 = f.sha256 "
        "LEFT JOIN detections d ON d.sha256 = c.sha256 LEFT JOIN scores s ON s.detection = d.id "
        f"WHERE c.detections = 0 AND {condition} ORDER BY f.path"
    )
    return (_Place(path, sha256, WHOLE_IMAGE, 0.0) for path, sha256 in reading.catalog.stream(sql, values))


def _first_of_each(places: Iterable[_Place]) -> Iterator[_Place]:
    seen: set[bytes] = set()
    for place in places:
        if place.path not in seen:
            seen.add(place.path)
            yield place


def _located(
    reading: Reading, ids: NDArray[np.int64], similarities: NDArray[np.float64], wanted: Wanted
) -> list[_Place]:
    """The places of regions that meet the conditions; equally similar ones by path and ordinal."""
    condition, values = wanted.condition()
    score = dict(zip(ids.tolist(), similarities.tolist(), strict=True))
    places = []
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK].tolist()
        # A whole image stands by its most confident finding.
        sql = (
            "SELECT v.id, f.path, v.sha256, v.ordinal FROM vectors v "
            "CROSS JOIN contents c ON c.sha256 = v.sha256 CROSS JOIN files f ON f.sha256 = v.sha256 "
            "LEFT JOIN detections d ON d.sha256 = v.sha256 AND d.ordinal = max(v.ordinal, 0) "
            "LEFT JOIN scores s ON s.detection = d.id "
            f"WHERE v.id IN ({', '.join('?' * len(some))}) AND {condition}"
        )
        found = reading.catalog.rows(sql, [*some, *values])
        places += [_Place(path, sha256, ordinal, score[key]) for key, path, sha256, ordinal in found]
    return sorted(places, key=lambda place: (-(place.score or 0.0), place.path, place.ordinal))


@dataclass(frozen=True, eq=False)
class _Content:
    """One picture as hits show it; `order` says which ordinal stands in which row."""

    full_wh: tuple[int, int]
    detections: Detections
    scores: FindingScores
    order: list[int]
    crop_ids: list[str]


def _hits(reading: Reading, places: Sequence[_Place], by: str) -> list[Hit]:
    _check_files(reading.catalog, places)
    contents = _load(reading, (place.sha256 for place in places))
    return [_hit(rank, place, contents[place.sha256], by) for rank, place in enumerate(places, start=1)]


def _hit(rank: int, place: _Place, content: _Content, by: str) -> Hit:
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


def _check_files(catalog: Catalog, places: Sequence[_Place]) -> None:
    for start in range(0, len(places), _CHUNK):
        paths = [place.path for place in places[start : start + _CHUNK]]
        sql = f"SELECT {rows.COLUMNS['files']}, checksum FROM files WHERE path IN ({', '.join('?' * len(paths))})"
        for row in catalog.rows(sql, paths):
            rows.checked("files", row)


def _load(reading: Reading, sha256s: Iterable[str]) -> dict[str, _Content]:
    keys = list(dict.fromkeys(sha256s))
    loaded: dict[str, _Content] = {}
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


def _content(reading: Reading, head: rows.Row, found: Sequence[rows.Row]) -> _Content:
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
    return _Content((width, height), detections.keep(order), kept, order.tolist(), crop_ids)
