"""Answers as text: a table for people; JSON, JSON lines, CSV and TSV for programs.

`json` is one array, `jsonl` one object a line as they come (`exports.json_form` describes both). `csv` and `tsv` have
one row a hit, or one a finding (an image without findings and a skipped file have a row of their own), quoted as in
RFC 4180; CSV lines end in CR LF, TSV lines in LF. Columns, in this order; unknown values are empty:

    hits      rank, path, path_hex, score, by, sha256, width, height, then FINDING
    images    path, path_hex, sha256, width, height, skipped, detail, then FINDING
    FINDING   x1, y1, x2, y2, confidence, amogusness, rarity, rarity_at_least, zoom, evidence_PART...

Spreadsheets run cells that begin with `=`, `+`, `-` or `@`. A relative path that does is written as `./=…`, which is
the same file, and a detail gets an apostrophe; all other columns are numbers or words of ours.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TextIO, TypeAlias

from amogus_search.core.paths import display_path
from amogus_search.core.types import Hit
from amogus_search.errors import UsageError
from amogus_search.exports.json_form import Record, hit_json, to_text
from amogus_search.exports.wording import evidence_words, others_words, rarity_words, score_words

FORMATS = ("table", "json", "jsonl", "csv", "tsv")

HIT_COLUMNS = ("rank", "path", "path_hex", "score", "by", "sha256", "width", "height")
IMAGE_COLUMNS = ("path", "path_hex", "sha256", "width", "height", "skipped", "detail")
FINDING_COLUMNS = ("x1", "y1", "x2", "y2", "confidence", "amogusness", "rarity", "rarity_at_least", "zoom")

WIDE = 10_000
"""Columns of a table that goes to a file or a pipe: nothing is folded there."""


def write_hits(hits: Iterable[Hit], out: TextIO, form: str, *, evidence_names: Sequence[str] | None = None) -> int:
    """Writes an answer, best first as given, and returns the number of hits.

    Args:
        hits: what to write.
        out: text stream; colours and folding are used only if it is a terminal.
        form: one of `FORMATS`.
        evidence_names: the evidence columns of CSV and TSV; without them all rows are held until the last is known.

    Raises:
        UsageError: the form is not known.
    """
    return _write(map(hit_json, hits), out, form, _Layout(HIT_COLUMNS, _hit_row, _hit_table, evidence_names))


def write_images(
    records: Iterable[Record], out: TextIO, form: str, *, evidence_names: Sequence[str] | None = None
) -> int:
    """Writes images and skipped files (`image_json`, `skipped_json`) in the order given; see `write_hits`."""
    return _write(records, out, form, _Layout(IMAGE_COLUMNS, _image_rows, _image_table, evidence_names))


_Cells: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class _Layout:
    """How one kind of record becomes rows of a CSV and rows of a table."""

    columns: Sequence[str]
    rows: Callable[[Record], Iterator[Record]]
    table: Callable[[Sequence[Record]], tuple[_Cells, list[_Cells]]]
    evidence_names: Sequence[str] | None


def _write(records: Iterable[Record], out: TextIO, form: str, layout: _Layout) -> int:
    if form not in FORMATS:
        raise UsageError(f"unknown format {form!r}", f"one of {', '.join(FORMATS)}")
    counter = _Counter(records)
    if form == "json":
        _write_array(counter, out)
    elif form == "jsonl":
        for record in counter:
            out.write(to_text(record) + "\n")
            out.flush()
    elif form == "table":
        _write_table(list(counter), out, layout)
    else:
        _write_separated(counter, out, form, layout)
    return counter.count


class _Counter:
    """Passes records on and counts them."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records, self.count = records, 0

    def __iter__(self) -> Iterator[Record]:
        for record in self.records:
            self.count += 1
            yield record


def _write_array(records: Iterable[Record], out: TextIO) -> None:
    before = "[\n"
    for record in records:
        out.write(before + to_text(record))
        before = ",\n"
    out.write("[]\n" if before == "[\n" else "\n]\n")


def _write_separated(records: Iterable[Record], out: TextIO, form: str, layout: _Layout) -> None:
    rows: Iterable[Record] = chain.from_iterable(map(layout.rows, records))
    if layout.evidence_names is None:
        rows = list(rows)
        parts = list(dict.fromkeys(key for row in rows for key in row if key.startswith("evidence_")))
    else:
        parts = [f"evidence_{name}" for name in layout.evidence_names]
    dialect, end = ("excel", "\r\n") if form == "csv" else ("excel-tab", "\n")
    columns = [*layout.columns, *FINDING_COLUMNS, *parts]
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", dialect=dialect, lineterminator=end)
    writer.writeheader()
    for row in rows:
        writer.writerow(row)


def finding_columns(finding: Record | None) -> Record:
    """A JSON detection as flat columns (FINDING in the module's docstring); empty for none."""
    if finding is None:
        return {}
    flat: Record = dict(zip(("x1", "y1", "x2", "y2"), finding["box"], strict=True))
    flat |= {name: finding.get(name) for name in ("confidence", "amogusness", "rarity", "rarity_at_least", "zoom")}
    flat["rarity_at_least"] = "true" if finding.get("rarity_at_least") else None
    return flat | {f"evidence_{name}": share for name, share in finding["evidence"].items()}


def inert_path(path: str) -> str:
    """The same path, not a formula in any spreadsheet."""
    return f"./{path}" if path[:1] in _FORMULA else path


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _hit_row(record: Record) -> Iterator[Record]:
    image = {name: record["image"][name] for name in ("sha256", "width", "height")}
    yield {**record, **image, "path": inert_path(record["path"]), **finding_columns(record["detection"])}


def _image_rows(record: Record) -> Iterator[Record]:
    detail = record.get("detail", "")
    safe = {"path": inert_path(record["path"]), "detail": f"'{detail}" if detail[:1] in _FORMULA else detail}
    for finding in record.get("detections") or [None]:
        yield {**record, **safe, **finding_columns(finding)}


def _hit_table(records: Sequence[Record]) -> tuple[_Cells, list[_Cells]]:
    score = _score_name(record["detection"] for record in records)
    others = sorted({record["by"] for record in records} - {"amogusness", "confidence"})
    folded = any("duplicates" in record for record in records)
    rows: list[_Cells] = []
    for record in records:
        similarity = [score_words(record["score"]) if record["by"] == other else "" for other in others]
        *numbers, evidence = _cells(record["detection"], score)
        # A hit without a finding may be a whole image that has some.
        words = "whole image" if record["detection"] is None and record["image"]["detections"] else evidence
        also = [others_words(record["duplicates"])] if folded else []
        rows.append((str(record["rank"]), _shown(record["path"]), *similarity, *numbers, words, *also))
    return ("rank", "path", *others, score, "rarity", "evidence", *(["also"] if folded else [])), rows


def _image_table(records: Sequence[Record]) -> tuple[_Cells, list[_Cells]]:
    score = _score_name(finding for record in records for finding in record.get("detections", ()))
    rows: list[_Cells] = []
    for record in records:
        path = _shown(record["path"])
        if "skipped" in record:
            rows.append((path, "", "", _shown(f"skipped, {record['skipped']}: {record['detail']}"), ""))
        elif not record["detections"]:
            rows.append((path, "", "", "nothing found", ""))
        rows += [(path, *_cells(found, score), _box_words(found["box"])) for found in record.get("detections", ())]
    return ("path", score, "rarity", "evidence", "box"), rows


def _score_name(findings: Iterable[Record | None]) -> str:
    """Confidence is shown in the place of amogusness only where no finding has one."""
    known = [finding["amogusness"] is not None for finding in findings if finding is not None]
    return "amogusness" if any(known) or not known else "confidence"


def _cells(finding: Record | None, score: str) -> tuple[str, str, str]:
    if finding is None:
        return "", "", "nothing found"
    rarity = rarity_words(finding["rarity"], finding.get("rarity_at_least", False))
    return score_words(finding[score]), rarity, evidence_words(finding["evidence"])


def _box_words(box: Sequence[float]) -> str:
    x1, y1, x2, y2 = box
    return f"{x2 - x1:.0f}x{y2 - y1:.0f} at {x1:.0f},{y1:.0f}"


def _shown(text: str) -> str:
    """Text that cannot move the cursor, forge a line or break a narrow encoding."""
    return display_path(text.encode("utf-8", "surrogateescape"))


def _write_table(records: Sequence[Record], out: TextIO, layout: _Layout) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names, rows = layout.table(records)
    is_terminal = out.isatty()
    console = Console(file=out, width=None if is_terminal else WIDE, markup=False, emoji=False, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in names:
        justify: Any = "right" if name in _NUMERIC else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in _NUMERIC or not is_terminal)
    for row in rows:
        # Text, not str: a file called [red]x[/red].jpg is a file, not an instruction.
        table.add_row(*(Text(_encodable(cell, out)) for cell in row))
    console.print(table)


_NUMERIC = ("rank", "similarity", "mixed", "amogusness", "confidence", "rarity")


def _encodable(text: str, out: TextIO) -> str:
    encoding = getattr(out, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
