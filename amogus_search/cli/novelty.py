"""`amogus novelty`: are generated pictures new, or are they those of an index?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amogus_search.cli.parameters import ExcludeOption, Format, FormatOption, QuietOption
from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.core.types import DecodedImage, SkippedImage
    from amogus_search.exports.novelty_page import Entry
    from amogus_search.novelty import Judged, Limits, Neighbour
    from amogus_search.region_pictures import RegionPictures

PARTLY_SKIPPED = 3
SHOWN = 3
_VERDICTS = ("copied", "close", "new")
_PAGE_PX = 224


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("novelty")(novelty)


def novelty(
    generated: Annotated[list[Path], typer.Argument(metavar="GENERATED...", help="Pictures and folders of pictures.")],
    against: Annotated[Path, typer.Option(metavar="INDEX", help="The index of what they may be copies of.")],
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page (.html) or all figures (.json) there.")
    ] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=10, help="So many neighbours of each.")] = SHOWN,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write the report over what is no report.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample that tells what is close.")] = 0,
    exclude: ExcludeOption = None,
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Say of each generated picture whether it is copied, close or new.

    Copied: its pixels are those of an indexed picture or crop, also cropped, resized, saved again or mirrored.
    Close: it is nearer to one than 95 in 100 indexed pictures are to their own nearest other one.
    """
    from amogus_search.cli.asking import opened_index
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.records import note
    from amogus_search.core.types import ACCESS_REASONS, SkippedImage
    from amogus_search.index_embedder import own_embedder
    from amogus_search.novelty import NoveltyCheck
    from amogus_search.sources.folder import FolderSource
    from amogus_search.sources.workers import DecodePool

    source = FolderSource(generated, exclude=exclude or (), index_dir=against)
    with (
        opened_index(against) as index,
        DecodePool() as pool,
        DecodePool() as known,
        ProgressDisplay(quiet=quiet) as bar,
    ):
        _claim(report, [*index.source_folders(), *source.roots], overwrite)
        check = NoveltyCheck(index, own_embedder(index), known, bar, seed=seed)
        page = _Page(check.pictures) if report is not None and _is_page(report) else None
        found = []
        for item in check.judge(_watched(pool.decode(source.scan()), page)):
            found.append(item)
            bar("comparing", len(found), None)
            if page is not None and not isinstance(item, SkippedImage):
                page.add(item, limit)
    _write(found, format, limit)
    counts = _counts(found)
    summary = ", ".join(f"{counts[name]:,} {name}" for name in (*_VERDICTS, "skipped") if name in counts)
    if report is not None:
        _write_report(report, summary, check.limits, page, [_json(item, limit) for item in found])
    note(summary, quiet=quiet)
    if not check.limits.sampled:
        note("the index is too small to say what is close: only pixels were compared", quiet=quiet)
    if any(isinstance(item, SkippedImage) and item.reason in ACCESS_REASONS for item in found):
        raise typer.Exit(PARTLY_SKIPPED)


def _is_page(report: Path) -> bool:
    return report.suffix.lower() in (".html", ".htm")


def _claim(report: Path | None, untouched: Sequence[bytes], overwrite: bool) -> None:
    from amogus_search.exports.novelty_page import claim_page

    if report is None:
        return
    if not _is_page(report) and report.suffix.lower() != ".json":
        raise UsageError(f"{report} is neither a page nor JSON", "give --report a name that ends in .html or .json")
    claim_page(report, untouched, overwrite=overwrite)


def _watched(
    decoded: Iterator[DecodedImage | SkippedImage], page: _Page | None
) -> Iterator[DecodedImage | SkippedImage]:
    """The same, with a thumbnail of each for the page."""
    from amogus_search.core.types import SkippedImage

    for item in decoded:
        if page is not None and not isinstance(item, SkippedImage):
            page.see(item)
        yield item


class _Page:
    """The entries of the page, as they come."""

    def __init__(self, pictures: RegionPictures) -> None:
        self._pictures = pictures
        self._seen: dict[bytes, Any] = {}
        self.entries: list[Entry] = []

    def see(self, image: DecodedImage) -> None:
        """Keep a thumbnail until the verdict is there."""
        from amogus_search.exports.pictures import shrunk

        self._seen[image.entry.path] = shrunk(image.pixels, _PAGE_PX)

    def add(self, judged: Judged, limit: int) -> None:
        """One entry, with the thumbnails that were compared."""
        from amogus_search.core.paths import display_path
        from amogus_search.exports.novelty_page import Entry, Shown

        near = tuple(
            Shown(
                self._pictures.get(one.region),
                (f"similarity {one.similarity:.4f}, {_agreement(one)}", display_path(one.region.path)),
            )
            for one in judged.neighbours[:limit]
        )
        mine = Shown(self._seen.pop(judged.path), (display_path(judged.path),))
        self.entries.append(Entry(judged.verdict, mine, near))


def _agreement(one: Neighbour) -> str:
    """What the pixels say, in words."""
    found = one.comparison
    what = "crop" if one.region.kind == "detection" else "picture"
    if found is None:
        return f"{what}, not compared"
    if found.is_copy:
        return f"the same {what}, mirrored" if found.mirrored else f"the same {what}"
    return f"another {what}"


def _write(found: Sequence[Judged | SkippedImage], form: Format, limit: int) -> None:
    from amogus_search.cli.records import write_rows

    if form == "json":
        print(json.dumps([_json(item, limit) for item in found]))
    elif form == "jsonl":
        for item in found:
            print(json.dumps(_json(item, limit)))
    else:
        write_rows([_row(item) for item in found], form)


def _row(item: Judged | SkippedImage) -> dict[str, Any]:
    from amogus_search.core.paths import display_path
    from amogus_search.core.types import SkippedImage

    if isinstance(item, SkippedImage):
        path, verdict, one, pixels = item.entry.path, "skipped", None, f"{item.reason}: {item.detail}"
    else:
        one = item.neighbours[0] if item.neighbours else None
        path, verdict, pixels = item.path, item.verdict, _agreement(one) if one else ""
    return {
        "verdict": verdict,
        "similarity": round(one.similarity, 4) if one else None,
        "path": display_path(path),
        "nearest": display_path(one.region.path) if one else "",
        "pixels": pixels,
    }


def _json(item: Judged | SkippedImage, limit: int) -> dict[str, Any]:
    from amogus_search.core.paths import path_fields
    from amogus_search.core.types import SkippedImage
    from amogus_search.exports.json_form import skipped_image_json

    if isinstance(item, SkippedImage):
        return skipped_image_json(item)
    return {
        **path_fields(item.path),
        "sha256": item.sha256,
        "width": item.full_wh[0],
        "height": item.full_wh[1],
        "verdict": item.verdict,
        "nearest": [_neighbour_json(one) for one in item.neighbours[:limit]],
    }


def _neighbour_json(one: Neighbour) -> dict[str, Any]:
    from amogus_search.core.paths import path_fields

    region, found = one.region, one.comparison
    return {
        **path_fields(region.path),
        "sha256": region.sha256,
        "kind": region.kind,
        "crop_id": region.crop_id,
        "box": None if region.box is None else [round(value, 2) for value in region.box],
        "similarity": round(one.similarity, 4),
        "same_pixels": None if found is None else found.is_copy,
        "mirrored": None if found is None else found.mirrored,
        "correlation": None if found is None else round(found.correlation, 4),
    }


def _counts(found: Sequence[Judged | SkippedImage]) -> dict[str, int]:
    from amogus_search.core.types import SkippedImage

    names = ["skipped" if isinstance(item, SkippedImage) else item.verdict for item in found]
    counts = {name: names.count(name) for name in _VERDICTS}
    return counts | ({"skipped": names.count("skipped")} if "skipped" in names else {})


def _limits_json(limits: Limits) -> dict[str, Any]:
    def finite(values: Any) -> dict[str, float | None]:
        return {kind: round(value, 4) if math.isfinite(value) else None for kind, value in values.items()}

    return {"sampled": limits.sampled, "close": finite(limits.close), "strong": finite(limits.strong)}


def _write_report(
    out: Path, summary: str, limits: Limits, page: _Page | None, records: Sequence[dict[str, Any]]
) -> None:
    from amogus_search.exports.folders import write_whole
    from amogus_search.exports.novelty_page import write_page

    figures = _limits_json(limits)
    if page is None:
        out.parent.mkdir(parents=True, exist_ok=True)
        content = {"report": "novelty", "summary": summary, "limits": figures, "pictures": list(records)}
        write_whole(out, json.dumps(content).encode() + b"\n")
        return
    order = {name: place for place, name in enumerate(_VERDICTS)}
    rows = [["near to a", "close from", "copied from, if the pixels roughly agree"]]
    rows += [
        [what, *(str(figures[name][kind] or "unknown") for name in ("close", "strong"))]
        for kind, what in (("image", "picture"), ("detection", "crop"))
    ]
    write_page(out, summary, rows, sorted(page.entries, key=lambda entry: order[entry.verdict]))
