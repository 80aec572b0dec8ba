"""RECORDS PAGE: put what `fault_record` wrote into the table of docs/RELIABILITY.md, between its markers."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

BEGIN, END = "<!-- faults: begin (make faults) -->", "<!-- faults: end -->"


def table(lines: list[dict]) -> str:
    """A row for each kind of fault, its tests together; of a test that ran twice, the last record.

    Tests run several at a time, and end in any order: theirs is that of their names.
    """
    last = {(line["fault"], line["test"], line["what"]): line for line in lines}
    last = {key: last[key] for key in sorted(last)}
    rows = ["| id | what | tried | survived |", "|---|---|---:|---:|"]
    bugs = [line for line in last.values() if line["fault"] == "seeded bugs"]
    ids = sorted({line["fault"] for line in last.values()} - {"seeded bugs"}, key=_order)
    for fault in ids:
        mine = [line for line in last.values() if line["fault"] == fault]
        what = "; ".join(dict.fromkeys(line["what"] for line in mine if line["what"]))
        rows.append(f"| {fault} | {what} | {_sum(mine, 'tried')} | {_sum(mine, 'survived')} |")
    others = [line for line in last.values() if line["fault"] != "seeded bugs"]
    rows.append(f"| all | | {_sum(others, 'tried')} | {_sum(others, 'survived')} |")
    if bugs:
        found = [line["what"] for line in bugs if line["survived"]]
        rows += ["", f"Seeded bugs found by these tests: {len(found)} of {len(bugs)} ({', '.join(sorted(found))})."]
        missed = sorted({line["what"] for line in bugs} - set(found))
        rows += [f"Not found: {', '.join(missed)}."] if missed else []
    if any(line["soak"] for line in lines):
        rows.append("\nThese are the large numbers of `make soak`.")
    return "\n".join(rows)


def _order(fault: str) -> tuple[int, str]:
    number = re.search(r"\d+", fault)
    return (int(number[0]) if number else 999, fault)


def _sum(lines: list[dict], name: str) -> int:
    return sum(line[name] for line in lines)


def main(records: str, page: str) -> None:
    """See above."""
    lines = [json.loads(line) for line in Path(records).read_text(encoding="utf-8").splitlines()]
    text = Path(page).read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    Path(page).write_text(f"{before}{BEGIN}\n{table(lines)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
