"""`amogus repair`: drop what is damaged and rebuild what can be."""

from __future__ import annotations

import typer

from amogus_search.cli.parameters import FormatOption, IndexOption, index_folder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("repair")(repair)


def repair(index: IndexOption = None, format: FormatOption = "table") -> None:  # noqa: A002
    """Mend a damaged index.

    Damaged rows are dropped and search files rebuilt; `amogus index` then fills the gaps.
    """
    from amogus_search.cli.records import note, write_rows
    from amogus_search.store.index import Index

    with Index.open(index_folder(index), "w") as opened:
        done = opened.repair()
    write_rows([{"done": step} for step in done], format)
    note("run amogus index again to look at dropped pictures anew" if done else "nothing to mend")
