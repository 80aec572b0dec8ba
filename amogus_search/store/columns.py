"""The columns that a `--where` expression may name, and the one query shape that they fit into.

| column | of | is |
|---|---|---|
| path | file | its absolute path as text |
| size | file | bytes |
| width, height | picture | pixels of the upright picture |
| format | picture | JPEG, PNG, ... in any case |
| confidence | finding | the raw detector score, 0..1 |
| amogusness | finding | the calibrated score, 0..1 |
| rarity | finding | N of "1 in N ordinary photos" |
| margin | finding | the verifier's margin |
| zoom | finding | how much it was enlarged when it was seen |
| the evidence names | finding | how much of that part is seen, 0..1 |

A number that is not known, and every number of a finding where there is none, meets no comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from amogus_search.core.where import Column

# The aliases that every query of `answers` gives its tables: f files, c contents, d detections, s scores.
_FIXED = MappingProxyType(
    {
        "path": Column("CAST(f.path AS TEXT)", "text"),
        "size": Column("f.size", "number"),
        "width": Column("c.width", "number"),
        "height": Column("c.height", "number"),
        "format": Column("c.format COLLATE NOCASE", "text"),
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
