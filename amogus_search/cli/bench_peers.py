"""What the benchmarks against other programs share: the same weights in their form, and pictures to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from amogus_search.errors import MissingExtraError

if TYPE_CHECKING:
    from amogus_search.evaluation.labelled import LabelledImage

PhotosArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of photos.")]
SeedOption: TypeAlias = Annotated[int, typer.Option(min=0, help="What is drawn where.")]
ThreadsOption: TypeAlias = Annotated[
    int, typer.Option(min=0, metavar="N", help="Threads of each program; 0: as many as it takes by itself.")
]


@contextmanager
def ultralytics_weights() -> Iterator[Path]:
    """The embedded detector as a `.pt` file of ultralytics, as `amogus models export --to ultralytics` writes it.

    Raises:
        MissingExtraError: ultralytics is not installed.
    """
    from importlib.util import find_spec

    if find_spec("ultralytics") is None or find_spec("torch") is None:
        raise MissingExtraError(
            "ultralytics, which this compares with, is not installed", 'pip install "amogus_search[train]"'
        )
    from amogus_search import weights
    from amogus_search.training.pt_file import write_pt

    entry = weights.entry("detector", "amogus")
    with TemporaryDirectory(prefix="amogus-bench-") as folder:
        path = Path(folder) / "amogus.pt"
        motif = weights.motif(entry.about["motif"])
        write_pt(weights.read(entry.files["model"]), entry.about["architecture"], motif, path)
        yield path


def chosen(folder: Path, limit: int) -> list[LabelledImage]:
    """At most so many pictures of a folder, evenly chosen."""
    from amogus_search.evaluation.labelled import read_dataset

    there = read_dataset(folder)
    count = min(limit, len(there))
    return [there[place * len(there) // count] for place in range(count)]


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
