"""`amogus bench`: what the parts cost, and what they are worth. One file a command."""

from __future__ import annotations

import typer

from amogus_search.cli import (
    bench_copies,
    bench_detector,
    bench_duplicates,
    bench_engine,
    bench_hostile,
    bench_index,
    bench_profile,
    bench_search,
    bench_slicing,
    bench_tiles,
    bench_unchanged,
    bench_wholes,
)

app = typer.Typer(name="bench", help="Measure the parts: detectors, tiles, search, copies.", no_args_is_help=True)
for command in (
    bench_detector,
    bench_tiles,
    bench_search,
    bench_copies,
    bench_duplicates,
    bench_unchanged,
    bench_engine,
    bench_slicing,
    bench_wholes,
    bench_profile,
    bench_index,
    bench_hostile,
):
    command.register(app)
