"""Is an index whole? Every row against its checksum, the tables against each other, the search files by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amogus_search.errors import IndexStateError
from amogus_search.store import generations, liveness, log_mark, rows, schema, seal
from amogus_search.store.catalog import CATALOG_NAME, Catalog

_TABLES = ("meta", "contents", "detections", "scores", "vectors", "files", "generations")
_WITHOUT_CONTENT = "SELECT DISTINCT sha256, sha256 FROM {} WHERE sha256 NOT IN (SELECT sha256 FROM contents)"
_OTHER_NUMBER = (
    "SELECT c.sha256, c.sha256 FROM contents c "
    "LEFT JOIN (SELECT sha256, count(*) AS number FROM {0} GROUP BY sha256) t ON t.sha256 = c.sha256 "
    "WHERE c.{0} != coalesce(t.number, 0)"
)

CONTRADICTIONS = (
    ("contents", "{} does not have as many findings as it should", _OTHER_NUMBER.format("detections")),
    ("contents", "{} does not have as many vectors as it should", _OTHER_NUMBER.format("vectors")),
    ("contents", "findings of {}, which is not there", _WITHOUT_CONTENT.format("detections")),
    ("contents", "vectors of {}, which is not there", _WITHOUT_CONTENT.format("vectors")),
    (
        "files",
        "file {} points to content that is not there",
        "SELECT rowid, path FROM files WHERE state = 'indexed' "
        "AND (sha256 IS NULL OR sha256 NOT IN (SELECT sha256 FROM contents))",
    ),
    (
        "scores",
        "finding {} has no score",
        "SELECT id, sha256 || '/' || ordinal FROM detections WHERE id NOT IN (SELECT detection FROM scores)",
    ),
    (
        "scores",
        "score {} is of no finding",
        "SELECT detection, detection FROM scores WHERE detection NOT IN (SELECT id FROM detections)",
    ),
    ("liveness", "{} has no file, and is not known as such", liveness.FORGOTTEN),
    ("liveness", "{} is taken for without a file, and has one", liveness.MISTAKEN),
)
"""How tables can contradict each other: what must be dropped then, what to say, and a query of its key and name."""


@dataclass(frozen=True)
class BadRow:
    """A row that is not as it was written; `content` is the sha256 it claims to belong to, if it has one."""

    table: str
    rowid: int
    name: str
    content: object = None


def bad_rows(catalog: Catalog) -> Iterator[BadRow]:
    """Every row whose checksum does not match, table by table."""
    for table in _TABLES:
        columns = rows.COLUMNS[table].split(", ")
        key = "0" if table == "meta" else "rowid"
        content = columns.index("sha256") if "sha256" in columns and table != "generations" else None
        for *row, rowid in catalog.stream(f"SELECT {', '.join(columns)}, checksum, {key} FROM {table}"):
            if not rows.is_whole(row):
                yield BadRow(table, rowid, rows.row_name(table, row), None if content is None else row[content])


def verify(folder: Path, catalog: Catalog) -> list[str]:
    """What is wrong, a line each; empty if nothing is."""
    with catalog.unquestioned():
        return _all_problems(folder, catalog)


def _all_problems(folder: Path, catalog: Catalog) -> list[str]:
    problems: list[str] = []
    for check in (_structure, _rows, _contradictions):
        try:
            with catalog.snapshot():
                problems += check(catalog)
        except IndexStateError as error:  # so damaged that SQLite gives up: the other checks may still say more
            problems.append(error.problem)
    problems += _files(folder, catalog)
    problems += log_mark.problems(folder / CATALOG_NAME)
    problems += seal.problems(folder / CATALOG_NAME)
    return list(dict.fromkeys(problems))


def signature(catalog: Catalog) -> str:
    """A digest of all rows in canonical order (ids left out) and of the search file, if it is complete."""
    digest = hashlib.sha256()
    with catalog.snapshot():
        for sql in _SIGNED:
            for row in catalog.stream(sql):
                digest.update(repr(row).encode())
        for generation in generations.generations(catalog)[:1]:
            live, outside = liveness.counts(catalog, generation.number, generation.newest)
            digest.update(generation.sha256.encode() if (generation.count, outside) == (live, 0) else b"")
    return digest.hexdigest()


_SIGNED = (
    f"SELECT {rows.COLUMNS['meta']} FROM meta ORDER BY name",
    f"SELECT {rows.COLUMNS['contents']} FROM contents ORDER BY sha256",
    f"SELECT {rows.COLUMNS['detections']} FROM detections ORDER BY sha256, ordinal",
    f"SELECT {rows.COLUMNS['vectors']} FROM vectors ORDER BY kind, sha256, ordinal",
    f"SELECT {rows.COLUMNS['files']} FROM files ORDER BY path",
    "SELECT d.sha256, d.ordinal, s.amogusness, s.rarity, s.rarity_at_least, s.calibration "
    "FROM scores s JOIN detections d ON d.id = s.detection ORDER BY d.sha256, d.ordinal",
)


def _structure(catalog: Catalog) -> list[str]:
    found = catalog.rows("PRAGMA integrity_check")
    problems = [f"SQLite: {line}" for (line,) in found if line != "ok"]
    there, right = set(schema.definitions(catalog.connection)), set(schema.right_definitions())
    # A flipped bit in one of these may still be SQL, of something else.
    problems += [f"{kind} {name!a} is not defined as it should be" for kind, name, _ in sorted(there ^ right, key=str)]
    return problems


def _rows(catalog: Catalog) -> list[str]:
    return [f"row {bad.name} of {bad.table} does not match its checksum" for bad in bad_rows(catalog)]


def _contradictions(catalog: Catalog) -> list[str]:
    return [text.format(ascii(name)) for _, text, sql in CONTRADICTIONS for _, name in catalog.stream(sql)]


def _files(folder: Path, catalog: Catalog) -> list[str]:
    found: dict[int, list[str]] = {}
    with catalog.snapshot():
        known = generations.generations(catalog)
        for generation in known:
            if not generation.is_whole(folder):
                text = "is missing or damaged (it is a cache: `amogus repair` or `amogus index` makes it anew)"
                found[generation.number] = [f"search file {generation.file} {text}"]
        for generation in known[:1]:
            found.setdefault(generation.number, []).extend(_missing_regions(folder, catalog, generation))
    if not any(found.values()):
        return []
    # A snapshot holds rows and no files: a writer that publishes meanwhile takes old ones away, after their row.
    still = {generation.number for generation in generations.generations(catalog)}
    return [line for number, lines in found.items() if number in still for line in lines]


def _missing_regions(folder: Path, catalog: Catalog, generation: generations.Generation) -> list[str]:
    """Live regions that neither the search structure holds nor the tail brings in."""
    opened = generation.opened(folder)
    if opened is None:
        return []
    sql = f"SELECT v.id FROM vectors v WHERE {liveness.IS_LIVE}"
    live = np.fromiter((key for (key,) in catalog.stream(sql)), np.int64)
    tail = [
        row[-1]
        for query, values in liveness.tail_queries(generation.number, generation.newest, -1)
        for row in catalog.stream(query, values)
    ]
    missing = np.setdiff1d(live, np.concatenate([generations.region_ids(opened[1]), np.asarray(tail, np.int64)]))
    return [f"{len(missing)} regions are not in search file {generation.file}"] if len(missing) else []
