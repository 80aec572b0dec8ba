"""`amogus bench search`, `ranking` and `query`: questions to indexes of made content, as large as wanted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.budget import BudgetOptions
from amogus_search.cli.parameters import FormatOption, QuietOption, with_options

FolderOption = Annotated[
    Path | None,
    typer.Option("--at", metavar="DIR", help="Make the index here and keep it; by default a temporary folder."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("search")(with_options(search))
    app.command("ranking")(ranking)
    app.command("query")(query)


def search(
    budget: BudgetOptions,
    rows: Annotated[int, typer.Option(min=10, metavar="N", help="Regions.")] = 100_000,
    dimension: Annotated[int, typer.Option(min=8, metavar="D", help="Numbers a vector.")] = 512,
    clusters: Annotated[int, typer.Option(min=1, help="Centres that the vectors lie around.")] = 20_000,
    queries: Annotated[int, typer.Option(min=1, help="Questions, none of which is a region.")] = 200,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="hnswlib, usearch, faiss:STRUCTURE or none; may be repeated."),
    ] = None,
    like: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An index whose regions the made vectors shall lie like.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the vectors.")] = 0,
    at: FolderOption = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Fill an index with made vectors, build its search structure, and ask; beside raw FAISS and other libraries.

    The vectors lie as those of real crops do. A row says what was searched with, how long it took to build and what
    memory that needed, which share of the true ten nearest was found, and how long one question took.
    """
    from dataclasses import replace

    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import note, write_rows
    from amogus_search.evaluation.benchmark_search import SearchSettings, run
    from amogus_search.evaluation.made_vectors import Cloud, MadeVectors, measured
    from amogus_search.store.index import Index

    cloud = Cloud(dimension=dimension, clusters=clusters, seed=seed)
    if like is not None:
        with Index.open(like) as index:
            found = measured(index.vectors()[1])
        cloud = replace(cloud, mean=found.mean, spread=found.spread, between=found.between, within=found.within)
    libraries = tuple(name for name in against or ("hnswlib", "usearch") if name != "none")
    settings = SearchSettings(rows, queries, budget.resolved(), libraries)
    note(f"{cloud}", quiet=quiet)
    with _folder(at) as folder, ProgressDisplay(quiet=quiet) as progress:
        found_rows = run(folder, MadeVectors(cloud), settings, progress)
    write_rows(found_rows, format)


def ranking(
    rows: Annotated[int, typer.Option(min=10, metavar="N", help="Findings, nine a picture.")] = 100_000,
    at: FolderOption = None,
    format: FormatOption = "table",  # noqa: A002
) -> None:
    """Fill an index with made findings and ask for the most amogus-like; the steps of the database's plan are shown."""
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_ranking import rank

    with _folder(at) as folder:
        found = rank(folder, rows)
    write_rows(found, format)


def query(
    rows: Annotated[int, typer.Option(min=10, metavar="N", help="Regions.")] = 100_000,
    at: FolderOption = None,
    format: FormatOption = "table",  # noqa: A002
) -> None:
    """Fill an index and run `amogus query` on it as whole processes: the most amogus-like, and a text."""
    from amogus_search import registry
    from amogus_search.cli.records import write_rows
    from amogus_search.evaluation.benchmark_ranking import ask_program

    with _folder(at) as folder:
        found = ask_program(folder, registry.load_embedder(registry.DEFAULT), rows)
    write_rows(found, format)


@contextmanager
def _folder(at: Path | None) -> Iterator[Path]:
    if at is not None:
        yield at
        return
    with tempfile.TemporaryDirectory(prefix="amogus-bench-") as place:
        yield Path(place) / "index"
