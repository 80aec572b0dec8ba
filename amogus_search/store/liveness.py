"""Which contents have no file any more, and which came back: kept up to date with every change of `files`.

Search structures are built over live regions only, and old ones are asked with the dead masked out. Two small tables
say which those are without a look at every file: `orphans` (contents without a live file) and `revived` (contents that
a generation of search files left out, and that have a file again). Both are derived: `amogus verify` compares them
with the truth, `amogus repair` computes them anew. A number of a generation in them is that of the newest one then.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from amogus_search.store import rows
from amogus_search.store.catalog import Catalog

IS_LIVE = "v.sha256 NOT IN (SELECT sha256 FROM orphans)"
"""Condition on `vectors v`; a look into a small table, where asking `files` would cost more than the rest."""
_HAS_FILE = "EXISTS (SELECT 1 FROM files f WHERE f.sha256 = {} AND f.state = 'indexed')"
_KINDS = "v.kind IN ('detection', 'image')"
"""Always true; lets SQLite find vectors by their content, whose index begins with the kind."""

FORGOTTEN = (
    "SELECT sha256, sha256 FROM contents c WHERE sha256 NOT IN (SELECT sha256 FROM orphans) "
    f"AND NOT {_HAS_FILE.format('c.sha256')}"
)
MISTAKEN = f"SELECT sha256, sha256 FROM orphans o WHERE {_HAS_FILE.format('o.sha256')}"
"""How the tables can contradict the truth."""


def follow(catalog: Catalog, sha256s: Iterable[str | None]) -> None:
    """Bring the tables up to date after these contents got or lost a file, in the caller's transaction."""
    generation = catalog.number("SELECT max(generation) FROM generations")
    for sha256 in set(sha256s) - {None}:
        asked = f"SELECT {_HAS_FILE.format('?1')}, (SELECT generation FROM orphans WHERE sha256 = ?1), "
        is_live, since, known = catalog.rows(
            f"{asked} EXISTS (SELECT 1 FROM contents WHERE sha256 = ?1)",
            (sha256,),
        )[0]
        if is_live and since is not None:
            catalog.run("DELETE FROM orphans WHERE sha256 = ?", (sha256,))
            if since < generation:
                catalog.run("INSERT OR REPLACE INTO revived VALUES (?, ?)", (sha256, generation))
        elif known and not is_live and since is None:
            catalog.run("INSERT INTO orphans VALUES (?, ?)", (sha256, generation))


def compute(catalog: Catalog) -> None:
    """Make the tables anew, in the caller's transaction, which must also forget all generations."""
    catalog.run("DELETE FROM orphans")
    catalog.run("DELETE FROM revived")
    live = _HAS_FILE.format("contents.sha256")
    catalog.run(f"INSERT INTO orphans SELECT sha256, 0 FROM contents WHERE NOT {live}")


def forget_before(catalog: Catalog, generation: int) -> None:
    """Drop what only older generations needed."""
    catalog.run("DELETE FROM revived WHERE generation < ?", (generation,))


def newest_number(catalog: Catalog) -> int:
    """The largest number that any generation has had, as far as anything remembers it."""
    tables = ("generations", "orphans", "revived")
    return max(catalog.number(f"SELECT max(generation) FROM {table}") for table in tables)


def counts(catalog: Catalog, generation: int, newest: int) -> tuple[int, int]:
    """(live vectors, live vectors outside a generation of this number, whose newest id of `vectors` is `newest`)."""
    dead = f"SELECT count(*) FROM orphans o CROSS JOIN vectors v WHERE {_KINDS} AND v.sha256 = o.sha256"
    live = catalog.number("SELECT count(*) FROM vectors") - catalog.number(dead)
    later = catalog.number(f"SELECT count(*) FROM vectors v WHERE v.id > ? AND {IS_LIVE}", (newest,))
    back = catalog.number(f"SELECT count(*) {_BACK} AND v.id <= ? AND {IS_LIVE}", (generation, newest))
    return live, later + back


_BACK = f"FROM revived r CROSS JOIN vectors v WHERE {_KINDS} AND v.sha256 = r.sha256 AND r.generation >= ?"


def tail_queries(generation: int, newest: int, after: int) -> list[tuple[str, tuple[int, ...]]]:
    """Queries of (vector columns, checksum, id) of the regions outside a generation with larger ids than `after`.

    Each is in the order of ids, and so are they together.
    """
    columns = ", ".join(f"v.{name}" for name in (*rows.COLUMNS["vectors"].split(", "), "checksum", "id"))
    back = f"SELECT {columns} {_BACK} AND v.id <= ? AND v.id > ? ORDER BY v.id"
    later = f"SELECT {columns} FROM vectors v WHERE v.id > ? ORDER BY v.id"
    came_back = [(back, (generation, newest, after))] if after < newest else []
    return [*came_back, (later, (max(newest, after),))]


def dead_ids(catalog: Catalog, generation: int) -> NDArray[np.int64]:
    """Ids of vectors that have lost their last file since a generation was built."""
    sql = (
        f"SELECT v.id FROM orphans o CROSS JOIN vectors v WHERE {_KINDS} AND v.sha256 = o.sha256 AND o.generation >= ?"
    )
    return np.fromiter((key for (key,) in catalog.stream(sql, (generation,))), np.int64)


def revived_count(catalog: Catalog, generation: int) -> int:
    """Contents that came back since a generation was built."""
    return catalog.number("SELECT count(*) FROM revived WHERE generation >= ?", (generation,))
