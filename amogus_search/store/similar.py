"""Regions by their similarity to a vector, among those that meet conditions: FAISS proposes, SQL sifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Hit
from amogus_search.errors import UsageError
from amogus_search.store import rows
from amogus_search.store.catalog import Catalog
from amogus_search.store.hits import Head, Place, Reading, Wanted, first_of_each, heads_of, hits_among, hits_of
from amogus_search.store.searching import Found, Kind, Searcher

_CHUNK = 500
_FIRST = 100
"""Regions asked for beyond four times what is wanted: some do not meet the conditions, or are of one file."""
_FINDING = (  # a whole image stands by its most confident one
    "LEFT JOIN detections d ON d.sha256 = v.sha256 AND d.ordinal = max(v.ordinal, 0) "
    "LEFT JOIN scores s ON s.detection = d.id"
)


@dataclass(frozen=True)
class Query:
    """What to be similar to, among which regions, and whether only a file's best one counts.

    least: lowest similarity of a hit; None: any
    """

    vector: NDArray[np.float32]
    kinds: tuple[Kind, ...]
    by_image: bool
    least: float | None = None


def similar(reading: Reading, searcher: Searcher, query: Query, n: int | None, wanted: Wanted) -> list[Hit]:
    """The n files or regions most similar to the query.

    While too few of those looked at meet the conditions, several times as many are looked at; as soon as fewer than
    that meet the conditions at all, just these are compared instead, one by one.
    """
    return reading.catalog.steady(lambda: _similar(reading, searcher, query, n, wanted))


def _similar(reading: Reading, searcher: Searcher, query: Query, n: int | None, wanted: Wanted) -> list[Hit]:
    asked = None if n is None and query.least is None else _first(query, n or 0, wanted)
    while True:
        found = searcher.search(query.vector, asked, query.kinds)
        places, heads = _places(reading, query, found, wanted)
        if asked is None or _is_enough(query, found, places, n, asked):
            break
        asked *= _step(len(places), n)
        few = _survivors(reading, query, wanted, asked)
        if few is not None:
            places, heads = _places(reading, query, searcher.among(query.vector, few), wanted)
            break
    if heads is None:
        return hits_of(reading, places[:n], "similarity")
    return hits_among(reading, places[:n], "similarity", heads)


def _first(query: Query, n: int, wanted: Wanted) -> int:
    """Regions to look at before more are: one beyond those wanted shows that no other is as similar as the last."""
    if wanted.has_conditions or query.least is not None:
        return 4 * n + _FIRST
    return n + 1 + (n // 2 if query.by_image else 0)


def _step(found: int, n: int | None) -> int:
    """How many times more regions to look at: as many as should do if they are as rare further on, within reason."""
    return 4 if n is None else min(max(4, 2 * n // max(found, 1)), 64)


def _is_enough(query: Query, found: Found, places: list[Place], n: int | None, asked: int) -> bool:
    """Whether looking at more regions cannot change the first n places."""
    if len(found) < asked or (query.least is not None and -found[-1][0] < query.least):
        return True
    # Regions as similar as the last one may not have been looked at yet.
    return n is not None and len(places) >= n and (places[n - 1].score or 0.0) > -found[-1][0]


def _places(
    reading: Reading, query: Query, found: Found, wanted: Wanted
) -> tuple[list[Place], dict[bytes, Head] | None]:
    """What meets the conditions, and the heads of all its files if they came with it."""
    if query.least is not None:
        found = [near for near in found if -near[0] >= query.least]
    heads = None
    if wanted.has_conditions or len(found) > _CHUNK:
        located = _located(reading, found, wanted)
    else:
        heads = heads_of(reading.catalog, "f.sha256", list(dict.fromkeys(near[2] for near in found)))
        located = _in_files(found, heads)
    return (list(first_of_each(located)) if query.by_image else located), heads


def _in_files(found: Found, heads: Mapping[bytes, Head]) -> list[Place]:
    """The places of regions without conditions; equally similar ones by path and ordinal."""
    paths: dict[str, list[bytes]] = {}
    for path, (_, content) in heads.items():
        paths.setdefault(content[0], []).append(path)
    places = [
        Place(path, sha256, ordinal, -minus) for minus, _, sha256, ordinal, _ in found for path in paths.get(sha256, ())
    ]
    return _ordered(places)


def _ordered(places: list[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (-(place.score or 0.0), place.path, place.ordinal))


def _survivors(reading: Reading, query: Query, wanted: Wanted, limit: int) -> list[int] | None:
    """Ids of all regions that meet the conditions; None if there are more than `limit`, or no conditions."""
    if not wanted.has_conditions:
        return None
    condition, values = wanted.condition()
    marks = ", ".join("?" * len(query.kinds))
    # Files first: conditions on them, such as a folder, are met or not before any region is looked at.
    sql = (
        "SELECT DISTINCT v.id FROM files f CROSS JOIN contents c ON c.sha256 = f.sha256 CROSS JOIN vectors v "
        f"ON v.kind IN ({marks}) AND v.sha256 = f.sha256 {_FINDING} WHERE {condition} LIMIT ?"
    )
    found = [row[0] for row in reading.catalog.stream(sql, [*query.kinds, *values, limit + 1])]
    return None if len(found) > limit else found


def _located(reading: Reading, found: Found, wanted: Wanted) -> list[Place]:
    """The places of regions that meet the conditions; equally similar ones by path and ordinal."""
    condition, values = wanted.condition()
    score = {near[-1]: -near[0] for near in found}
    ids = list(score)
    places = []
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        sql = (
            "SELECT v.id, f.path, v.sha256, v.ordinal FROM vectors v CROSS JOIN contents c ON c.sha256 = v.sha256 "
            f"CROSS JOIN files f ON f.sha256 = v.sha256 {_FINDING} "
            f"WHERE v.id IN ({', '.join('?' * len(some))}) AND {condition}"
        )
        met = reading.catalog.rows(sql, [*some, *values])
        places += [Place(path, sha256, ordinal, score[key]) for key, path, sha256, ordinal in met]
    return _ordered(places)


def region_vector(catalog: Catalog, region: str) -> NDArray[np.float32]:
    """(d,) unit vector of a whole image (by sha256) or a finding (by crop id)."""
    sql = f"SELECT {', '.join(f'v.{name}' for name in rows.COLUMNS['vectors'].split(', '))}, v.checksum FROM "
    if len(region) == 64:
        found = catalog.rows(f"{sql} vectors v WHERE v.kind = 'image' AND v.sha256 = ?", (region,))
    else:
        found = catalog.rows(
            # The finding first, by the index of crop ids: the other way round is a walk through all vectors.
            f"{sql} detections d CROSS JOIN vectors v ON v.kind = 'detection' AND v.sha256 = d.sha256 "
            "AND v.ordinal = d.ordinal WHERE d.crop_id = ? ORDER BY d.ordinal LIMIT 1",
            (region,),
        )
    if not found:
        raise UsageError(
            f"the index has no vector of a region called {region!r}", "give a crop id or a sha256 from `amogus query`"
        )
    return np.asarray(rows.unit_vectors([rows.checked("vectors", found[0])[3]])[0])
