"""Mending an index: what is damaged is dropped whole, so that the next run does it again; the rest is rebuilt."""

from __future__ import annotations

from pathlib import Path

from amogus_search.core.paths import display_path
from amogus_search.errors import AmogusError, IndexStateError
from amogus_search.store import checks, generations, publishing, scoring
from amogus_search.store.catalog import Catalog


def repair(folder: Path, catalog: Catalog) -> list[str]:
    """Drop damaged contents, files and scores in one transaction, and build the search file anew.

    Returns:
        What was done, a line each; empty if nothing had to be.

    Raises:
        IndexStateError: SQLite itself cannot read the file any more, or what the index is of is lost.
    """
    with catalog.unquestioned():
        done = _mended(folder, catalog)
    catalog.trust()
    return done


def _mended(folder: Path, catalog: Catalog) -> list[str]:
    if not checks.verify(folder, catalog):
        publishing.publish(folder, catalog)
        return []
    try:
        with catalog.transaction():
            catalog.run("REINDEX")
            done = _drop_damaged(catalog)
            generations.forget_all(catalog)
    except IndexStateError as error:
        raise IndexStateError(
            f"the index {folder} cannot be mended: {error.problem}",
            "delete the folder and run `amogus index` again; your pictures are not concerned",
        ) from error
    generations.remove_unused_files(folder, catalog)
    if publishing.publish(folder, catalog):
        done.append("the search file was built anew")
    left = checks.verify(folder, catalog)
    if left:
        raise AmogusError(
            f"the index {folder} is still damaged: {left[0]}", "delete the folder and run `amogus index` again"
        )
    return done


def _drop_damaged(catalog: Catalog) -> list[str]:
    bad = list(checks.bad_rows(catalog))
    if any(row.table == "meta" for row in bad):
        raise IndexStateError("the rows that say which models it is of are damaged", "")
    for row in bad:
        if row.table != "generations":
            catalog.run(f"DELETE FROM {row.table} WHERE rowid = ?", (row.rowid,))
    contents = {row.content for row in bad if row.table in ("contents", "detections", "vectors")}
    done = [f"forgot {row.name} of {row.table}" for row in bad if row.table == "files"]
    done += _drop_contents(catalog, contents | _contradicting(catalog, "contents"))
    done += _drop_files(catalog)
    done += _drop_scores(catalog, len([row for row in bad if row.table == "scores"]))
    return done


def _contradicting(catalog: Catalog, what: str) -> set[object]:
    return {key for kind, _, sql in checks.CONTRADICTIONS if kind == what for key, _ in catalog.rows(sql)}


def _drop_contents(catalog: Catalog, sha256s: set[object]) -> list[str]:
    for sha256 in sha256s:
        catalog.run("DELETE FROM scores WHERE detection IN (SELECT id FROM detections WHERE sha256 = ?)", (sha256,))
        for table in ("detections", "vectors", "contents"):
            catalog.run(f"DELETE FROM {table} WHERE sha256 = ?", (sha256,))
    return [f"dropped all answers for content {sha256!a}" for sha256 in sorted(sha256s, key=str)]


def _drop_files(catalog: Catalog) -> list[str]:
    """Files without content become unknown, and so new to the next run."""
    rowids = _contradicting(catalog, "files")
    paths = []
    for rowid in rowids:
        paths += [path for (path,) in catalog.rows("SELECT path FROM files WHERE rowid = ?", (rowid,))]
        catalog.run("DELETE FROM files WHERE rowid = ?", (rowid,))
    return [f"to be indexed again: {display_path(path)}" for path in sorted(paths)]


def _drop_scores(catalog: Catalog, damaged: int) -> list[str]:
    """Empty the scores if any is missing; they are derived, and the next calibration computes all of them."""
    catalog.run("DELETE FROM scores WHERE detection NOT IN (SELECT id FROM detections)")
    missing = catalog.number("SELECT count(*) FROM detections WHERE id NOT IN (SELECT detection FROM scores)")
    if not damaged and not missing:
        return []
    catalog.run("DELETE FROM scores")
    catalog.set_meta("calibration_id", None)
    count = scoring.score_missing(catalog, scoring.scorer(catalog, None), catalog.read_motif()[1:])
    return [f"{count} scores were reset; the next `amogus index` computes them anew"]
