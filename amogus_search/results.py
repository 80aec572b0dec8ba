"""Answers for Python programs and notebooks: sequences of typed rows that print well and become pandas tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

from amogus_search.core.paths import display_path
from amogus_search.core.types import Hit
from amogus_search.exports.json_form import hit_json
from amogus_search.exports.pictures import ReadPixels
from amogus_search.exports.table import FINDING_COLUMNS, finding_columns
from amogus_search.exports.wording import evidence_words, others_words, score_words
from amogus_search.pipeline.search import Query
from amogus_search.pipeline.terms import Direction, Region, Term, Text, weighted

if TYPE_CHECKING:
    import pandas as pd

Reader = Callable[[], AbstractContextManager[ReadPixels]]
"""Opens what decodes pictures, for as long as they are shown."""
SHOWN = 10
"""Rows of a printed answer."""
_COLUMNS = ("rank", "path", "score", "by", "sha256", "width", "height", "crop_id")


@dataclass(frozen=True, eq=False, repr=False)
class QueryResult(Sequence[Hit]):
    """The hits of one question, best first; never changes.

    hits:           what was found
    query:          what was asked; `question` says it in words
    evidence_names: the parts that findings of this index may show
    reader:         how notebooks get at the pictures
    """

    hits: tuple[Hit, ...]
    query: Query
    evidence_names: tuple[str, ...]
    reader: Reader

    @property
    def question(self) -> str:
        """What was asked, in words."""
        return in_words(self.query)

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...

    @overload
    def __getitem__(self, place: slice) -> QueryResult: ...

    def __getitem__(self, place: int | slice) -> Hit | QueryResult:
        """One hit, or a shorter result whose hits keep their ranks."""
        return replace(self, hits=self.hits[place]) if isinstance(place, slice) else self.hits[place]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __repr__(self) -> str:
        rows = [_row(hit) for hit in self.hits[:SHOWN]]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        more = [f"... and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return "\n".join([self._heading(), *lines, *more])

    def records(self) -> list[dict[str, Any]]:
        """The hits as JSON values, in the form that `amogus query --format json` prints."""
        return [hit_json(hit) for hit in self.hits]

    def to_pandas(self) -> pd.DataFrame:
        """One row a hit, best first, also if there are none.

        Columns: rank, path (text; bytes that are not UTF-8 as surrogates, `os.fsencode` is the way back), score, by,
        sha256, width, height, crop_id, x1, y1, x2, y2, confidence, amogusness, rarity, rarity_at_least, zoom,
        one evidence_PART a part, and duplicates_exact, duplicates_near where copies were folded. Numbers of a finding
        are NaN where none was hit.
        """
        import pandas as pd

        parts = [f"evidence_{name}" for name in self.evidence_names]
        folded = ["duplicates_exact", "duplicates_near"] if any(hit.others for hit in self.hits) else []
        numbers = [name for name in (*FINDING_COLUMNS, *parts) if name != "rarity_at_least"]
        names = [*_COLUMNS, *FINDING_COLUMNS, *parts, *folded]
        table = pd.DataFrame([_flat(hit) for hit in self.hits], columns=names)
        kinds = {"rank": "int64", "score": "float64", "width": "int64", "height": "int64", "rarity_at_least": "bool"}
        for name in ("path", "by", "sha256", "crop_id"):
            table[name] = pd.Series(table[name].tolist(), dtype=object)
        return table.astype(kinds | dict.fromkeys(numbers, "float64"))

    def _repr_html_(self) -> str:
        """Cards with thumbnails, for notebooks."""
        from amogus_search.exports.cards import cards

        with self.reader() as read:
            return cards(self.hits, read, self._heading())

    def _heading(self) -> str:
        count = "1 hit" if len(self) == 1 else f"{len(self) or 'no'} hits"
        return f"{self.question}: {count}"


def in_words(query: Query) -> str:
    """The question, as a heading."""
    parts = [f"{_times(one.weight)}{_called(one.term)}" for one in weighted(query.plus)]
    parts += [f"minus {_times(one.weight)}{_called(one.term)}" for one in weighted(query.minus)]
    if not parts:
        parts = ["the most amogus-like"]
    elif query.by in ("amogusness", "mixed"):
        parts.append(f"by {query.by}")
    if query.where:
        parts.append(f"where {query.where}")
    return ", ".join(parts)


def _times(weight: float) -> str:
    return "" if weight == 1 else f"{weight:g} x "


def _called(term: Term) -> str:
    if isinstance(term, Text):
        return term.text
    if isinstance(term, Direction):
        return term.name
    return f"like {term.id}" if isinstance(term, Region) else "like a picture"


def _row(hit: Hit) -> tuple[str, ...]:
    words = "whole image" if len(hit.detections) else "nothing found"
    box = ""
    if hit.detection is not None:
        row = hit.detection
        parts = zip(hit.detections.evidence_names, map(float, hit.detections.evidence[row]), strict=True)
        words = evidence_words(dict(parts))
        x1, y1, x2, y2 = hit.detections.xyxy[row]
        box = f"{x2 - x1:.0f}x{y2 - y1:.0f} at {x1:.0f},{y1:.0f}"
    others = "" if hit.others is None else others_words({"exact": hit.others.exact, "near": hit.others.near})
    return str(hit.rank), f"{hit.by} {score_words(hit.score)}", display_path(hit.path), box, words, others


def _flat(hit: Hit) -> dict[str, Any]:
    record = hit_json(hit)
    finding = finding_columns(record["detection"])
    folded = {} if hit.others is None else {"duplicates_exact": hit.others.exact, "duplicates_near": hit.others.near}
    return {
        **{name: record[name] for name in ("rank", "by")},
        **{name: record["image"][name] for name in ("sha256", "width", "height")},
        **finding,
        **folded,
        "path": os.fsdecode(hit.path),
        "score": hit.score,
        "crop_id": hit.crop_id,
        "rarity_at_least": finding.get("rarity_at_least") == "true",
    }
