"""The columns that a `--where` expression may name, and the one query shape that they fit into.

| column | of | is |
|---|---|---|
| path | file | its absolute path; `like` compares it as text |
| folder | file | with =, any folder it lies in, however deep: an absolute path, or the name (or last names) of one |
| extension | file | the end of its name after a dot, in any case, with or without the dot |
| size | file | bytes: 20000, 2MB, 1.5GiB |
| modified | file | when it was last written: 2026, 2026-05, 2026-05-31, '2026-05-31 18:30', each meant as a whole |
| width, height | picture | pixels of the upright picture |
| format | picture | JPEG, PNG, ... in any case |
| findings | picture | how many it has |
| confidence | finding | the raw detector score, 0..1 |
| amogusness | finding | the calibrated score, 0..1 |
| rarity | finding | N of "1 in N ordinary photos" |
| margin | finding | the verifier's margin |
| zoom | finding | how much it was enlarged when it was seen |
| the evidence names | finding | how much of that part is seen, 0..1: `legs > 0.8` |

A number that is not known, and every number of a finding where there is none, meets no comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from amogus_search.core.where import Column

# The aliases that every query of `answers` gives its tables: f files, c contents, d detections, s scores.
_FIXED = MappingProxyType(
    {
        "path": Column("f.path", "path"),
        "folder": Column("f.path", "folder"),
        "extension": Column("CAST(f.path AS TEXT)", "suffix"),
        "size": Column("f.size", "bytes"),
        "modified": Column("f.mtime_ns", "time"),
        "width": Column("c.width", "number"),
        "height": Column("c.height", "number"),
        "format": Column("c.format COLLATE NOCASE", "text"),
        "findings": Column("c.detections", "number"),
        "confidence": Column("d.confidence", "number"),
        "amogusness": Column("s.amogusness", "number"),
        "rarity": Column("s.rarity", "number"),
        "margin": Column("d.margin", "number"),
        "zoom": Column("d.zoom", "number"),
    }
)


def where_columns(evidence_names: Sequence[str]) -> dict[str, Column]:
    """Name (in small letters) -> column; an evidence part that is called like a fixed column is not offered."""
    parts = {name.lower(): Column(f"part(d.evidence, {place})", "number") for place, name in enumerate(evidence_names)}
    return parts | dict(_FIXED)
