"""`amogus concept`: names for directions, made of pictures with and without something."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption, index_folder
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.concepts import Examples
    from amogus_search.ports import Embedder
    from amogus_search.store.index import Index

MethodName: TypeAlias = Literal["difference", "probe"]
PARTLY_SKIPPED = 3

app = typer.Typer(
    name="concept",
    help="Make names for what a query should look for: concept:NAME.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called: amogus query concept:NAME.")],
    positive: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Pictures with it: a folder or a file; may be repeated."),
    ] = None,
    negative: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Pictures without it; may be repeated.")
    ] = None,
    positive_hits: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Crop ids of an index' findings with it, one a line; - for stdin."),
    ] = None,
    negative_hits: Annotated[str | None, typer.Option(metavar="FILE", help="Likewise of findings without it.")] = None,
    method: Annotated[
        MethodName | None, typer.Option(help="How; by default whichever is right more often on held-out pictures.")
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="In whose space; by default that of --index, without one the embedded one."),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of the hits, and in whose space; for hits $AMOGUS_INDEX or ./index/default."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is held out.")] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of one of the same name.")] = False,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Make a concept of pictures with and without something.

    At least eight different pictures of each kind. Its accuracy is measured on pictures that it was not made of.
    A concept can be used with indexes made by the same embedder.
    """
    from amogus_search import concept_folders
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import note, write_record
    from amogus_search.concepts import make_concept

    concept_folders.refuse_taken(name, replace=replace)
    if positive_hits == negative_hits == "-":
        raise UsageError("stdin cannot be both --positive-hits and --negative-hits", "put one of them into a file")
    has_hits = positive_hits is not None or negative_hits is not None
    place = index_folder(index) if has_hits else index
    with _Space(embedder, place) as space, ProgressDisplay(quiet=quiet) as progress:
        wanted = space.examples(positive or (), positive_hits, progress)
        unwanted = space.examples(negative or (), negative_hits, progress)
        concept = make_concept(name, wanted, unwanted, space.identity, method=method, seed=seed)
    path = concept_folders.write(concept, replace=replace)
    inaccessible = _tell_skipped((wanted, unwanted), quiet)
    write_record(_record(concept, path), format)
    note(f"use it: amogus query concept:{name}", quiet=quiet)
    if inaccessible:
        raise typer.Exit(PARTLY_SKIPPED)


@app.command("list")
def list_(format: FormatOption = "table") -> None:  # noqa: A002
    """List the concepts there are."""
    from amogus_search import concept_folders
    from amogus_search.cli.records import write_rows
    from amogus_search.errors import AmogusError

    rows: list[dict[str, Any]] = [_row(concept_folders.BUILT_IN, "any", "built in")]
    for name in concept_folders.known():
        try:
            concept = concept_folders.read(name)
        except AmogusError as error:
            rows.append(_row(name, "", f"damaged: {error.problem}"))
        else:
            made, metrics = concept.made, concept.metrics
            rows.append(
                _row(name, concept.embedder, str(made.get("method")), metrics.get("accuracy"), metrics.get("auc"))
            )
    write_rows(rows, format)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, or the path of its file.")],
    format: FormatOption = "table",  # noqa: A002
) -> None:
    """Say how a concept was made, and how good it is."""
    from amogus_search import concept_folders
    from amogus_search.cli.records import write_record

    if name == concept_folders.BUILT_IN:
        record: dict[str, Any] = {"concept": name, "embedder": "any", "method": "built in"}
        record["towards"] = "; ".join(concept_folders.AMOGUS_PROMPTS)
        record["away_from"] = "; ".join(concept_folders.PHOTO_PROMPTS)
        record["note"] = "the embedded embedder takes the directions of its second look instead of these texts"
    else:
        record = _record(concept_folders.read(name), concept_folders.path_of(name))
    write_record(record, format)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which one.")],
    quiet: QuietOption = False,
) -> None:
    """Delete a concept's file; pictures and indexes stay as they are."""
    from amogus_search import concept_folders
    from amogus_search.cli.records import note

    note(f"removed {concept_folders.remove(name)}", quiet=quiet)


class _Space:
    """The embedder that a concept is made for, and the index that hits are of; a context manager.

    The embedder is loaded when the first picture needs it: hits have their vectors already.
    """

    def __init__(self, embedder: str | None, index: Path | None) -> None:
        from amogus_search.store.index import Index

        if embedder is not None and index is not None:
            raise UsageError(
                "--embedder and the index both say in whose space", "give --embedder, or --index, or hits of an index"
            )
        self._name = embedder
        self._index: Index | None = Index.open(index) if index is not None else None
        self._embedder: Embedder | None = None

    def __enter__(self) -> _Space:
        return self

    def __exit__(self, *error: object) -> None:
        if self._index is not None:
            self._index.close()

    @property
    def identity(self) -> tuple[str, str]:
        """The embedder's name and fingerprint."""
        if self._index is not None:
            known = self._index.identity
            return str(known.get("embedder")), str(known.get("embedder_fingerprint"))
        return self.embedder.name, self.embedder.fingerprint

    @property
    def embedder(self) -> Embedder:
        """The embedder itself."""
        from amogus_search import registry
        from amogus_search.index_embedder import own_embedder

        if self._embedder is None:
            index = self._index
            self._embedder = own_embedder(index) if index else registry.load_embedder(self._name or registry.DEFAULT)
        return self._embedder

    def examples(self, paths: Sequence[Path], hits: str | None, progress: ProgressDisplay) -> Examples:
        """All examples of one kind."""
        from amogus_search.concepts import examples_in, examples_of_hits
        from amogus_search.sources.workers import DecodePool

        if not paths and hits is None:
            raise UsageError(
                "a concept needs pictures with it and pictures without it", "give --positive DIR and --negative DIR"
            )
        found: list[Examples] = []
        if hits is not None:
            assert self._index is not None
            found.append(examples_of_hits(self._index, _ids(hits)))
        if paths:
            with DecodePool() as pool:
                found.append(examples_in(paths, self.embedder, pool, progress))
        return found[0] if len(found) == 1 else found[0].joined(found[1])


def _ids(file: str) -> list[str]:
    """The ids in a file or on stdin: the first word of every line that has any."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "give a text file with one crop id a line") from error
    words = [line.split() for line in text.splitlines()]
    return [line[0] for line in words if line]


def _tell_skipped(sides: Sequence[Examples], quiet: bool) -> bool:
    """Name what could not be read; whether I/O or permission is among the reasons."""
    from amogus_search.cli.records import note
    from amogus_search.core.paths import display_path
    from amogus_search.core.types import ACCESS_REASONS

    skipped = [one for side in sides for one in side.skipped]
    for one in skipped:
        note(f"left out {display_path(one.entry.path)}: {one.reason}: {one.detail}", quiet=quiet)
    return any(one.reason in ACCESS_REASONS for one in skipped)


def _row(name: str, embedder: str, method: str, accuracy: Any = None, auc: Any = None) -> dict[str, Any]:
    return {"concept": name, "embedder": embedder, "method": method, "accuracy": accuracy, "auc": auc}


def _record(concept: Any, path: Path) -> dict[str, Any]:
    metrics = dict(concept.metrics)
    tried = metrics.pop("tried", {})
    record = {
        "concept": concept.name,
        "file": str(path),
        "embedder": concept.embedder,
        "embedder_fingerprint": concept.fingerprint,
        "dimension": len(concept.vector),
        **concept.made,
        **metrics,
        **{f"accuracy_of_{one}": figures.get("accuracy") for one, figures in tried.items()},
    }
    return {key: " to ".join(map(str, value)) if isinstance(value, list) else value for key, value in record.items()}
