"""`amogus repair`: drop what is damaged and rebuild what can be."""

from __future__ import annotations

import typer

from amogus_search.cli.parameters import FormatOption, IndexOption, index_folder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("repair")(repair)


def repair(index: IndexOption = None, format: FormatOption = "table") -> None:  # noqa: A002
    """Mend an index: damaged rows are dropped, search files are rebuilt; `amogus index` then fills the gaps."""
    from amogus_search.cli.records import note, write_rows
    from amogus_search.errors import IndexStateError
    from amogus_search.store.index import Index

    folder = index_folder(index)
    if not (folder / "catalog.sqlite").exists():
        raise IndexStateError(f"there is no index in {folder}", "make one: amogus index PATH")
    with Index.open(folder, "w") as opened:
        done = opened.repair()
    write_rows([{"done": step} for step in done], format)
    note("run amogus index again to look at dropped pictures anew" if done else "nothing to mend")
