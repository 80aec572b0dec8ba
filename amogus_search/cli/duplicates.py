"""`amogus duplicates`: copies in an index, and what could be freed. It deletes nothing, and has no option to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from amogus_search.cli.parameters import Format, FormatOption, IndexOption, QuietOption

if TYPE_CHECKING:
    from amogus_search.duplicates import Duplicates, Group
    from amogus_search.store.wholes import PictureFile

KindName: TypeAlias = Literal["all", "exact", "near"]
DEFAULT_NEAR = 0.9
PARTLY_SKIPPED = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("duplicates")(duplicates)


def duplicates(
    index: IndexOption = None,
    near: Annotated[
        float, typer.Option(min=0, max=1, metavar="S", help="Lowest similarity of near copies; their pixels decide.")
    ] = DEFAULT_NEAR,
    kind: Annotated[KindName, typer.Option(help="Equal files, equal pictures saved otherwise, or both.")] = "all",
    limit: Annotated[int | None, typer.Option("-n", "--limit", min=1, metavar="N", help="So many groups.")] = None,
    skip: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out the first so many groups.")] = 0,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """List copies of the same picture, the best one first, and what they take up.

    Exact copies are files of equal content; near copies are the same picture saved again, at another size or slightly
    cropped. Nothing is deleted. Groups come exact ones first, then by the bytes that they would free.
    """
    from amogus_search.cli.asking import opened_index
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.duplicates import Kind, find_duplicates
    from amogus_search.pipeline.copies import READ_PX
    from amogus_search.sources.workers import DecodePool

    kinds: tuple[Kind, ...] = ("exact", "near") if kind == "all" else (kind,)
    with opened_index(index) as opened, DecodePool(max_side=READ_PX) as pool, ProgressDisplay(quiet=quiet) as progress:
        found = find_duplicates(opened, pool, near=near, kinds=kinds, progress=progress)
    shown = list(islice(enumerate(found.groups, start=1), skip, None if limit is None else skip + limit))
    _write(shown, format)
    if _tell(found, shown, quiet):
        raise typer.Exit(PARTLY_SKIPPED)


def _write(shown: Sequence[tuple[int, Group]], form: Format) -> None:
    from amogus_search.cli.records import write_rows

    if form == "json":
        print(json.dumps([_group_json(number, group) for number, group in shown]))
    elif form == "jsonl":
        for number, group in shown:
            print(json.dumps(_group_json(number, group)))
    else:
        write_rows([row for number, group in shown for row in _rows(number, group)], form)


def _tell(found: Duplicates, shown: Sequence[tuple[int, Group]], quiet: bool) -> bool:
    """Say how much there is in all; whether some files could not be read for I/O or permission."""
    from amogus_search.cli.records import note
    from amogus_search.core.paths import display_path
    from amogus_search.core.types import ACCESS_REASONS

    for one in found.unread:
        note(f"not compared: {display_path(one.path)}: {one.reason}: {one.detail}", quiet=quiet)
    for kind in ("exact", "near"):
        groups = [group for group in found.groups if group.kind == kind]
        if groups:
            copies, frees = sum(len(group.others) for group in groups), sum(group.frees for group in groups)
            note(f"{kind}: {len(groups):,} groups, {copies:,} copies, {frees:,} bytes could be freed", quiet=quiet)
    if not found.groups:
        note(f"no copies among {found.pictures:,} pictures", quiet=quiet)
    elif len(shown) < len(found.groups):
        last = shown[-1][0] if shown else 0
        note(f"shown: {len(shown):,} of {len(found.groups):,} groups; go on with --skip {last}", quiet=quiet)
    return any(one.reason in ACCESS_REASONS for one in found.unread)


def _file_json(file: PictureFile) -> dict[str, Any]:
    from amogus_search.core.paths import path_fields

    return {
        **path_fields(file.path),
        "sha256": file.sha256,
        "width": file.full_wh[0],
        "height": file.full_wh[1],
        "bytes": file.size,
        "modified": _when(file.modified),
    }


def _when(nanoseconds: int) -> str | None:
    """The time in UTC; None for one that no calendar has."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(nanoseconds // 10**9, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def _group_json(number: int, group: Group) -> dict[str, Any]:
    return {
        "group": number,
        "kind": group.kind,
        "frees": group.frees,
        "keep": _file_json(group.keep),
        "copies": [
            {**_file_json(copy.file), "similarity": _rounded(copy.similarity), "frees": copy.frees}
            for copy in group.others
        ],
    }


def _rows(number: int, group: Group) -> list[dict[str, Any]]:
    """The group as rows of equal keys, the one to keep first."""
    members = [("keep", group.keep, None), *(("copy", copy.file, copy.similarity) for copy in group.others)]
    return [
        {
            "group": number,
            "kind": group.kind,
            "what": what,
            "similarity": _rounded(similarity),
            **{key: value for key, value in _file_json(file).items() if key not in ("path", "path_hex", "sha256")},
            "path": _shown_path(file),
        }
        for what, file, similarity in members
    ]


def _shown_path(file: PictureFile) -> str:
    from amogus_search.core.paths import display_path

    return display_path(file.path)


def _rounded(similarity: float | None) -> float | None:
    return None if similarity is None else round(similarity, 4)
