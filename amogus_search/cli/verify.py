"""`amogus verify`: is everything in an index as it was written?"""

from __future__ import annotations

import typer

from amogus_search.cli.parameters import FormatOption, IndexOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(index: IndexOption = None, format: FormatOption = "table") -> None:  # noqa: A002
    """Check that nothing in an index is damaged.

    Looks at every row, vector and search file; exit code 1 if something is wrong.
    """
    from amogus_search.cli.asking import opened_index
    from amogus_search.cli.records import note, write_rows

    with opened_index(index) as opened:
        problems = opened.verify()
        indexed = opened.counts()["indexed"]
    if not problems:
        note(f"{indexed} pictures, no damage")
        return
    write_rows([{"problem": problem} for problem in problems], format)
    note("mend it: amogus repair, then amogus index again")
    raise typer.Exit(1)
