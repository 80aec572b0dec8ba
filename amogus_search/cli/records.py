"""Small results (status, weights, checks) in every `--format`; findings and hits are written by `exports.table`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from amogus_search.cli.parameters import Format

Row: TypeAlias = Mapping[str, Any]


def note(text: str, *, quiet: bool = False) -> None:
    """A message to the person at the terminal: stderr, nothing when quiet."""
    if not quiet:
        print(text, file=sys.stderr)


def write_rows(rows: Sequence[Row], form: Format) -> None:
    """Rows of equal keys on stdout; values are text, numbers, booleans or None."""
    if form == "json":
        print(json.dumps(list(rows)))
    elif form == "jsonl":
        for row in rows:
            print(json.dumps(row))
    elif form == "table":
        _write_table(rows)
    elif rows:
        dialect = "excel" if form == "csv" else "excel-tab"
        writer = csv.DictWriter(sys.stdout, list(rows[0]), dialect=dialect, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_record(record: Row, form: Format) -> None:
    """One record on stdout: a line a value in a table, one object in JSON."""
    if form == "table":
        width = max(map(len, record), default=0)
        for name, value in record.items():
            print(f"{name.replace('_', ' '):<{width}}  {_cell(value)}")
    elif form == "json":
        print(json.dumps(record))
    else:
        write_rows([record], form)


def _write_table(rows: Sequence[Row]) -> None:
    if not rows:
        return
    names = list(rows[0])
    cells = [[name.replace("_", " ") for name in names], *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
