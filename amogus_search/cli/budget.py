"""What searching by similarity may cost, as options; and `amogus tune`, which builds the search structure for it."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amogus_search.cli.parameters import FormatOption, IndexOption, QuietOption, index_folder, with_options
from amogus_search.errors import AmogusError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from amogus_search.settings import SearchBudget

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """What searching may cost, and how good it must be; an index remembers it."""

    recall: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=1, metavar="R", help="Share of the true ten nearest that must be found (0.95); 1: exact."
        ),
    ] = None
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="How large what is searched with may be, like 500MB (2GB).")
    ] = None
    latency: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Compare with every region while that takes no longer, like 5ms (10ms)."),
    ] = None
    mapped: Annotated[
        bool | None,
        typer.Option("--mapped/--in-memory", help="It may be larger than --memory, and is read from disk as needed."),
    ] = None
    structure: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For experts: FAISS' name of the structure; auto: chosen by the others."),
    ] = None

    def resolved(self, before: SearchBudget | None = None) -> SearchBudget:
        """What was said, and for the rest what was said before.

        Raises:
            UsageError: a size or a time cannot be read.
        """
        from amogus_search.settings import BUDGET

        said: dict[str, Any] = {
            "recall": self.recall,
            "memory_bytes": None if self.memory is None else parse_size(self.memory),
            "latency_ms": None if self.latency is None else parse_milliseconds(self.latency),
            "mapped": self.mapped,
            "structure": self.structure,
        }
        changes = {name: value for name, value in said.items() if value is not None}
        if changes.get("structure") == "auto":
            changes["structure"] = None
        return dataclasses.replace(before or BUDGET, **changes)

    @property
    def is_said(self) -> bool:
        """Whether any of them was."""
        return any(getattr(self, field.name) is not None for field in dataclasses.fields(self))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune")(with_options(tune))


def tune(
    budget: BudgetOptions,
    index: IndexOption = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Choose and build what similarity is searched with, for an index as it is now.

    Says how many of the truly nearest regions it finds and how long one question takes. What is given here is
    remembered, and kept to whenever `amogus index` builds it anew.
    """
    from amogus_search.cli.records import note, write_record
    from amogus_search.store.index import Index

    with Index.open(index_folder(index), "w") as opened:
        opened.set_search_budget(budget.resolved(opened.search_budget))
        built = opened.publish()
        state = opened.search_state()
    if not built:
        note("nothing had to be built", quiet=quiet)
    else:
        note(sentence(state), quiet=quiet)
        if is_too_slow(state):
            note(slow_note(state), quiet=quiet)
    write_record(flat(state), format)


def generation_of(folder: Path) -> object:
    """The number of the search structure in an index; None if there is no index that can be read."""
    from amogus_search.store.index import Index

    try:
        with Index.open(folder) as opened:
            return opened.search_state()["generation"]
    except AmogusError:
        return None


def notes_on_structure(folder: Path, before: object) -> list[str]:
    """What there is to say of a search structure if it is another one than before (`generation_of`)."""
    from amogus_search.store.index import Index

    with Index.open(folder) as opened:
        state = opened.search_state()
    if state["generation"] in (before, 0):
        return []
    return [sentence(state), slow_note(state)] if is_too_slow(state) else [sentence(state)]


def flat(state: Mapping[str, object]) -> dict[str, object]:
    """The state of a search structure as one level of names that begin with `search`."""
    values = {f"search_{name}": value for name, value in state.items() if not isinstance(value, dict)}
    return values | {
        f"search_{group}_{name}": value
        for group, inside in state.items()
        if isinstance(inside, dict)
        for name, value in inside.items()
    }


def sentence(state: Mapping[str, object]) -> str:
    """What a person wants to know of a structure that was built."""
    if state["is_exact"]:
        return f"searching compares with all {state['rows']:,} regions, in {state['ms']} ms"
    return (
        f"searching {state['rows']:,} regions by {state['structure']}: finds {state['recall']} of the true ten nearest "
        f"in {state['ms']} ms, for texts {state['far_recall']} in {state['far_ms']} ms (comparing with all: about "
        f"{state['exact_ms']} ms); built in {state['build_seconds']} s"
    )


def is_too_slow(state: Mapping[str, object]) -> bool:
    """Whether a question takes longer than was asked for."""
    budget, taken = state.get("budget"), state.get("ms")
    return isinstance(budget, dict) and isinstance(taken, float) and taken > budget["latency_ms"]


def slow_note(state: Mapping[str, object]) -> str:
    """Says so, and what can be done."""
    return (
        f"a question takes {state['ms']} ms, longer than was asked for: memory and recall go before time; "
        "more --memory or less --recall makes it quicker"
    )


def parse_size(text: str) -> int:
    """Bytes of 2GB, 500 MB, 1.5GiB or a plain number.

    Raises:
        UsageError: it is none of these.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", text)
    if found is None or found[2].lower() not in _UNITS or not float(found[1]):
        raise UsageError(f"{text!r} is no size", "write it like 500MB or 2GB")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def parse_milliseconds(text: str) -> float:
    """Milliseconds of 10ms, 0.5s or a plain number of milliseconds.

    Raises:
        UsageError: it is none of these.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|)\s*", text.lower())
    if found is None or not float(found[1]):
        raise UsageError(f"{text!r} is no time", "write it like 10ms or 0.5s")
    return float(found[1]) * (1000 if found[2] == "s" else 1)
