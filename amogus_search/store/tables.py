"""The index as pandas tables, for whoever wants to ask more than the command line can."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from amogus_search.core.types import Vectors
from amogus_search.store import rows
from amogus_search.store.catalog import Catalog

if TYPE_CHECKING:
    import pandas as pd

_LIVE = "sha256 IN (SELECT sha256 FROM files WHERE state = 'indexed')"


def images(catalog: Catalog) -> pd.DataFrame:
    """One row a live file, by path.

    Columns: path and root (text; bytes that are not UTF-8 as surrogates, `os.fsencode` is the way back), sha256,
    width, height (pixels), format, size (bytes), modified (nanoseconds), detections, and the best amogusness and
    confidence (NaN without findings).
    """
    import pandas as pd

    sql = (
        "SELECT f.path, f.root, f.sha256, c.width, c.height, c.format, f.size, f.mtime_ns, c.detections, "
        "max(s.amogusness), max(d.confidence) FROM files f JOIN contents c ON c.sha256 = f.sha256 "
        "LEFT JOIN detections d ON d.sha256 = f.sha256 LEFT JOIN scores s ON s.detection = d.id "
        "WHERE f.state = 'indexed' GROUP BY f.path ORDER BY f.path"
    )
    names = ["path", "root", "sha256", "width", "height", "format", "size", "modified", "detections"]
    with catalog.snapshot():
        _check(catalog, ("files", "contents", "detections", "scores"))
        found = catalog.rows(sql)
    table = pd.DataFrame(found, columns=[*names, "amogusness", "confidence"])
    for name in ("path", "root"):
        table[name] = pd.Series([os.fsdecode(path) for path in table[name]], dtype=object)
    for name in ("amogusness", "confidence"):
        table[name] = table[name].astype(np.float64)
    return table


def detections(catalog: Catalog, keypoint_names: tuple[str, ...], evidence_names: tuple[str, ...]) -> pd.DataFrame:
    """One row a finding of a live file, by path and ordinal.

    Columns: path, sha256, ordinal, crop_id, x1, y1, x2, y2 (pixels), confidence, amogusness, rarity,
    rarity_at_least, margin, zoom, one column an evidence part, and NAME_x, NAME_y, NAME_v a keypoint.
    """
    import pandas as pd

    scalars = ["sha256", "ordinal", "crop_id", "x1", "y1", "x2", "y2", "confidence", "margin", "zoom"]
    scores = ["amogusness", "rarity", "rarity_at_least"]
    picked = ", ".join([*(f"d.{name}" for name in scalars), *(f"s.{name}" for name in scores)])
    sql = (
        f"SELECT f.path, {picked}, d.keypoints, d.evidence FROM files f JOIN detections d ON d.sha256 = f.sha256 "
        "JOIN scores s ON s.detection = d.id WHERE f.state = 'indexed' ORDER BY f.path, d.ordinal"
    )
    with catalog.snapshot():
        _check(catalog, ("files", "detections", "scores"))
        found = catalog.rows(sql)
    table = pd.DataFrame([row[:-2] for row in found], columns=["path", *scalars, *scores])
    table["path"] = pd.Series([os.fsdecode(path) for path in table["path"]], dtype=object)
    for name in ("confidence", "margin", "zoom", "amogusness", "rarity"):
        table[name] = table[name].astype(np.float64)
    table["rarity_at_least"] = table["rarity_at_least"].astype(bool)
    parts = np.frombuffer(b"".join(row[-1] for row in found), "<f4").reshape(len(found), len(evidence_names))
    points = np.frombuffer(b"".join(row[-2] for row in found), "<f4").reshape(len(found), len(keypoint_names), 3)
    extra = {name: parts[:, place] for place, name in enumerate(evidence_names)}
    for place, name in enumerate(keypoint_names):
        extra |= {f"{name}_{axis}": points[:, place, at] for at, axis in enumerate("xyv")}
    return pd.concat([table, pd.DataFrame(extra, index=table.index)], axis=1)


def vectors(catalog: Catalog) -> tuple[pd.DataFrame, Vectors]:
    """One row a region of live content, by kind, sha256 and ordinal (-1: the whole image), and (n, d) unit vectors."""
    import pandas as pd

    sql = f"SELECT {rows.COLUMNS['vectors']}, checksum FROM vectors WHERE {_LIVE} ORDER BY kind, sha256, ordinal"
    found = [rows.checked("vectors", row) for row in catalog.stream(sql)]
    table = pd.DataFrame([row[:3] for row in found], columns=["kind", "sha256", "ordinal"])
    if not found:
        return table, np.zeros((0, int(catalog.get_meta("dimension") or 0)), np.float32)
    return table, rows.unit_vectors([row[3] for row in found])


def _check(catalog: Catalog, names: tuple[str, ...]) -> None:
    """A table shows everything, so everything in it is checked."""
    for name in names:
        for row in catalog.stream(f"SELECT {rows.COLUMNS[name]}, checksum FROM {name}"):
            rows.checked(name, row)
