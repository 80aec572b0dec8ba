"""`amogus query`: the most amogus-like, or what is most like a text or a picture."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from amogus_search.cli.parameters import (
    FormatOption,
    IndexOption,
    QueryOptions,
    QuietOption,
    Thresholds,
    WithDiverse,
    with_options,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("query", cls=WithDiverse)(with_options(query))


def query(
    options: QueryOptions,
    thresholds: Thresholds,
    text: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="What to look for, in words; several are added up.")
    ] = None,
    index: IndexOption = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Rank what is in an index; by default the most amogus-like.

    With TEXT or --image: what is most like those.

    --where compares these columns: path, folder, extension, size, modified, width, height, format, findings,
    confidence, amogusness, rarity, zoom and the parts of the evidence (visor, legs, ...), with = != < <= > >= like,
    joined by and, or, not and parentheses: --where "folder = holiday and modified >= 2026-05 and legs > 0.8".
    """
    from amogus_search.asking import Asker
    from amogus_search.cli.asking import answer, image_reader, opened_index, question
    from amogus_search.cli.records import note
    from amogus_search.exports.table import write_hits

    with opened_index(index) as opened, image_reader() as read:
        asker = Asker(opened, read, literal=options.literal)
        hits = answer(asker, question(asker, text, options, thresholds), lambda words: note(words, quiet=quiet))
        if hits or format != "table":
            write_hits(hits, sys.stdout, format, evidence_names=opened.evidence_names)
