"""The best findings and files of an index, and how many there are; the order comes from the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from amogus_search.core.ranking import WHOLE_IMAGE
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.store.catalog import Catalog
from amogus_search.store.hits import Place, Reading, Wanted, first_of_each, hits_of, load_contents

_LIVE_FILE = "CROSS JOIN contents c ON c.sha256 = d.sha256 CROSS JOIN files f ON f.sha256 = d.sha256"
_PROBE = 5_000
_PROBE_SHARE = 50
"""So many of the best findings, or one in so many of all, are tried before a condition is taken for a rare one."""


def best_regions(reading: Reading, n: int | None, wanted: Wanted) -> list[Hit]:
    """The n best findings."""
    with reading.catalog.snapshot():
        return hits_of(reading, _best(reading, n, wanted, one_a_file=False), _by(reading))


def best_images(reading: Reading, n: int | None, wanted: Wanted) -> list[Hit]:
    """The n best files by their best finding, then those without findings."""
    with reading.catalog.snapshot():
        places = _best(reading, n, wanted, one_a_file=True)
        if n is None or len(places) < n:
            places += islice(_without_findings(reading, wanted), None if n is None else n - len(places))
        return hits_of(reading, places, _by(reading))


def findings(reading: Reading, sha256s: Iterable[str]) -> dict[str, tuple[Detections, FindingScores]]:
    """Findings, best first, and their scores, of each content that is known."""
    with reading.catalog.snapshot():
        return {key: (c.detections, c.scores) for key, c in load_contents(reading, sha256s).items()}


def count_findings(catalog: Catalog, wanted: Wanted) -> tuple[int, int]:
    """Findings of live files that are wanted, and the files that have any."""
    condition, values = wanted.condition()
    found = catalog.rows(
        "SELECT count(*), count(DISTINCT f.path) FROM scores s CROSS JOIN detections d ON d.id = s.detection "
        f"{_LIVE_FILE} WHERE {condition}",
        values,
    )
    return found[0][0], found[0][1]


def _by(reading: Reading) -> str:
    return "amogusness" if reading.is_calibrated else "confidence"


def _best(reading: Reading, n: int | None, wanted: Wanted, *, one_a_file: bool) -> list[Place]:
    """The n best places, whatever the conditions.

    Walking down the ranking is quick unless hardly anything meets the conditions: then, after a while, whatever
    meets them is collected, and sorted.
    """

    def taken(places: Iterator[Place]) -> list[Place]:
        return list(islice(first_of_each(places) if one_a_file else places, n))

    bound = _key_at_probe(reading) if wanted.where_sql and n is not None else None
    if bound is None:
        return taken(_ranked(reading, wanted))
    places = taken(_ranked(reading, wanted, above=bound))
    return places if len(places) == n else taken(_collected(reading, wanted))


def _key_at_probe(reading: Reading) -> float | None:
    """The score of the finding down to which is tried; None if there are not so many, or it has none."""
    key, table, number = ("amogusness", "scores", "detection")
    if not reading.is_calibrated:
        key, table, number = ("confidence", "detections", "id")
    place = max(_PROBE, reading.catalog.number(f"SELECT max({number}) FROM {table}") // _PROBE_SHARE)
    found = reading.catalog.rows(f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET ?", (place,))
    return found[0][0] if found else None


def _ranked(reading: Reading, wanted: Wanted, *, above: float | None = None) -> Iterator[Place]:
    """Findings of live files, best first, as they are needed: the order comes from an index of the table."""
    condition, values = wanted.condition()
    if reading.is_calibrated:
        key, tables = "s.amogusness", "scores s CROSS JOIN detections d ON d.id = s.detection"
    else:
        key, tables = "d.confidence", "detections d CROSS JOIN scores s ON s.detection = d.id"
    if above is not None:
        condition, values = f"{key} > ? AND {condition}", [above, *values]
    sql = (
        f"SELECT f.path, d.sha256, d.ordinal FROM {tables} {_LIVE_FILE} "
        f"WHERE {condition} ORDER BY {key} DESC, f.path, d.ordinal"
    )
    return (Place(*row) for row in reading.catalog.stream(sql, values))


def _collected(reading: Reading, wanted: Wanted) -> Iterator[Place]:
    """The same findings, by way of the files: conditions on those are met or not before any finding is looked at."""
    condition, values = wanted.condition()
    key = "s.amogusness" if reading.is_calibrated else "d.confidence"
    sql = (
        "SELECT f.path, d.sha256, d.ordinal FROM files f CROSS JOIN contents c ON c.sha256 = f.sha256 "
        "CROSS JOIN detections d ON d.sha256 = f.sha256 CROSS JOIN scores s ON s.detection = d.id "
        f"WHERE {condition} ORDER BY +{key} DESC, f.path, d.ordinal"
    )
    return (Place(*row) for row in reading.catalog.stream(sql, values))


def _without_findings(reading: Reading, wanted: Wanted) -> Iterator[Place]:
    condition, values = wanted.condition()
    sql = (
        "SELECT f.path, c.sha256 FROM files f CROSS JOIN contents c ON c.sha256 = f.sha256 "
        "LEFT JOIN detections d ON d.sha256 = c.sha256 LEFT JOIN scores s ON s.detection = d.id "
        f"WHERE c.detections = 0 AND {condition} ORDER BY f.path"
    )
    return (Place(path, sha256, WHOLE_IMAGE, 0.0) for path, sha256 in reading.catalog.stream(sql, values))
