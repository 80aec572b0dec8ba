"""`amogus bench duplicates`: how long copies in a large library take to be found, in how much memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption

if TYPE_CHECKING:
    from amogus_search.duplicates import Duplicates
    from amogus_search.pipeline.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("duplicates")(duplicates)


def duplicates(
    pictures: Annotated[
        int, typer.Option("-n", "--pictures", min=2, metavar="N", help="In the made library.")
    ] = 10_000,
    dimension: Annotated[int, typer.Option(min=8, metavar="D", help="Numbers a vector.")] = 256,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Find the copies among made pictures, one in twenty of which is one, as `amogus duplicates` does.

    Pictures are drawn when they are read, so that reading takes another time than that of files.
    """
    import tempfile

    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import write_rows
    from amogus_search.duplicates import find_duplicates
    from amogus_search.evaluation.made_copies import DrawingDecoder, copy_count, fill
    from amogus_search.evaluation.made_vectors import Cloud, MadeVectors
    from amogus_search.evaluation.processes import peak_bytes, reset_peak
    from amogus_search.store.index import Index

    with tempfile.TemporaryDirectory(prefix="amogus-bench-") as place, ProgressDisplay(quiet=quiet) as progress:
        folder = Path(place) / "index"
        fill(folder, MadeVectors(Cloud(dimension=dimension, clusters=max(1, pictures // 3))), pictures, progress)
        reset_peak()
        stages = _Stages(progress)
        with Index.open(folder) as index:
            found = find_duplicates(index, DrawingDecoder(), kinds=("near",), progress=stages)
        peak = peak_bytes()
    row = {"pictures": pictures, "copies": copy_count(pictures), **_told(found), **stages.seconds()}
    write_rows([{**row, "peak_mb": None if peak is None else round(peak / 1e6)}], format)


class _Stages:
    """When each stage was first and last heard of; hands on what it hears."""

    def __init__(self, then: Progress) -> None:
        self._then = then
        self._started = time.perf_counter()
        self._ended: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int | None, *, skipped: int = 0, message: str = "") -> None:
        self._ended[stage] = time.perf_counter()
        self._then(stage, done, total, skipped=skipped, message=message)

    def seconds(self) -> dict[str, float]:
        """How long each stage took, from the end of the one before it, and all together."""
        before, found = self._started, dict[str, float]()
        for stage, ended in self._ended.items():
            found[f"{stage}_seconds"], before = round(ended - before, 1), ended
        return {**found, "seconds": round(before - self._started, 1)}


def _told(found: Duplicates) -> dict[str, Any]:
    """How many copies were found, each with its original, how many others were called one, and what was compared."""
    from amogus_search.evaluation.made_copies import number_of, original_of

    pairs = [(number_of(group.keep.path), number_of(one.file.path)) for group in found.groups for one in group.others]
    right = sum(original_of(copy) == kept != copy for kept, copy in pairs)
    return {"found": right, "mistaken": len(pairs) - right, "compared": found.compared}
