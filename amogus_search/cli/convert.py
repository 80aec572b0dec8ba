"""`amogus convert`: findings become amogi, in copies of the pictures."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from amogus_search.cli.conversion_options import HowOptions, WhichOptions, backend_options_of, conversion_of, formats_of
from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    ExcludeOption,
    Format,
    IndexOption,
    ProfileOption,
    QueryOptions,
    QuietOption,
    Thresholds,
    WithDiverse,
    with_options,
)
from amogus_search.errors import UsageError
from amogus_search.settings import PROFILES

if TYPE_CHECKING:
    from amogus_search.converting.inputs import Wanted
    from amogus_search.converting.records import Outcome
    from amogus_search.converting.tools import Output, Tools
    from amogus_search.core.conversion import Conversion
    from amogus_search.ports import Converter

FAILED, PARTLY_SKIPPED, INTERRUPTED = 1, 3, 130


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert", cls=WithDiverse)(with_options(convert))


def convert(
    out: Annotated[Path, typer.Option("--out", metavar="OUT", help="Folder for the pictures, never among the photos.")],
    options: QueryOptions,
    thresholds: Thresholds,
    which: WhichOptions,
    how: HowOptions,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Pictures and folders of pictures; without any, the index is asked."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="Ask the index for this, in words.")
    ] = None,
    index: IndexOption = None,
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Boxes from JSON (as `detect` prints it) or COCO.")
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Who paints: paint[:STYLE], diffusers:MODEL, webui:URL, comfyui:URL, or a plug-in's name.",
        ),
    ] = "paint",
    backend_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Something for the back end; may be repeated.")
    ] = None,
    target: Annotated[
        Literal["box", "person"], typer.Option(help="What was found, or the whole person (see --detector, --boxes).")
    ] = "box",
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    detector: DetectorOption = "amogus",
    exclude: ExcludeOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are in OUT already.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write masks and crops only.")] = False,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Write OUT/before-after.html.")] = True,
    format: Annotated[  # noqa: A002 - the option's own name
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORM",
            help="Of the results on stdout: table, json, jsonl, csv, tsv; of the pictures: png (exact), or same as "
            "the original (JPEG at quality 95). May be given twice.",
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Turn findings into amogi, in copies of the pictures; a JSON sidecar beside each says how.

    The pictures come from PATH..., from --boxes, or from an index (--index, --text and the options of `query`).
    Findings of amogusness 0.5 and more count, unless a threshold is given. A run that was stopped goes on where it was.
    """
    from amogus_search import registry
    from amogus_search.converting.tools import Output

    results, pictures = formats_of(format or ())
    converter = registry.load_converter(backend, backend_options_of(backend_option or (), how.style))
    conversion = conversion_of(which, how, target, converter)
    source = _Source(paths or [], boxes, index, exclude or [], target, detector)
    source.check(options, text)
    wanted, roots = source.wanted(options, thresholds, text, quiet=quiet)
    tools = source.tools(converter, conversion, thresholds, PROFILES[profile], look_again=how.look_again)
    output = Output(out, pictures, overwrite=overwrite, page=page, dry_run=dry_run)
    code = _run(wanted, roots, tools, conversion, output, results, quiet=quiet)
    if code:
        raise typer.Exit(code)


@dataclasses.dataclass(frozen=True)
class _Source:
    """Where pictures and boxes come from."""

    paths: list[Path]
    boxes: Path | None
    index: Path | None
    exclude: list[str]
    target: Literal["box", "person"]
    detector: str

    def check(self, options: QueryOptions, text: Sequence[str] | None) -> None:
        """Refuses what makes no sense together."""
        if (self.paths or self.boxes) and (self.index or text or options != QueryOptions()):
            raise UsageError("pictures are named and an index is asked", "give PATH or --boxes, or --index and a query")
        if self.target == "person" and not self.paths and self.boxes is None:
            raise UsageError("an index knows no persons", "give PATH and --detector yolov8n.pt, or --boxes FILE")

    def wanted(
        self, options: QueryOptions, thresholds: Thresholds, text: Sequence[str] | None, *, quiet: bool
    ) -> tuple[list[Wanted], list[bytes]]:
        """The inputs, and the folders that OUT must stay out of."""
        from amogus_search.converting.inputs import from_boxes, from_hits, from_paths

        named = [os.path.abspath(os.fsencode(path)) for path in self.paths]
        if self.boxes is not None:
            return from_boxes(self.boxes, self.paths, exclude=self.exclude), named
        if self.paths:
            return from_paths(self.paths, exclude=self.exclude), named
        from amogus_search.asking import Asker
        from amogus_search.cli.asking import answer, image_reader, opened_index, question
        from amogus_search.cli.records import note

        with opened_index(self.index) as opened, image_reader() as read:
            asker = Asker(opened, read, literal=options.literal)
            asked = question(asker, text, options, thresholds, limit=None, regions=False)
            hits = answer(asker, asked, lambda words: note(words, quiet=quiet))
            folders = opened.source_folders()
            return from_hits(hits, folders, thresholds.resolved().passes, regions=asked.regions), folders

    def tools(
        self,
        converter: Converter,
        conversion: Conversion,
        thresholds: Thresholds,
        profile: Any,
        *,
        look_again: bool,
    ) -> Tools:
        """Who finds, who converts and who judges."""
        from amogus_search import registry
        from amogus_search.converting.tools import Tools
        from amogus_search.finder import Finder

        finder = None
        if self.paths and self.boxes is None:
            person = self.target == "person"
            finder = Finder(registry.load_person_detector(self.detector)) if person else Finder.load(self.detector)
        judge = None
        if look_again and conversion.accept is not None:
            same = finder is not None and self.target == "box"
            judge = finder if same else Finder.load(self.detector if self.target == "box" else registry.DEFAULT)
        fit = registry.load_fitter(self.target)
        return Tools(converter, fit, finder, judge, thresholds.resolved(), profile)


def _run(
    wanted: Sequence[Wanted],
    roots: Sequence[bytes],
    tools: Tools,
    conversion: Conversion,
    output: Output,
    form: Format,
    *,
    quiet: bool,
) -> int:
    """Convert, print what became of each, and give the exit code."""
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.cli.stopping import StopRequest
    from amogus_search.converting.run import convert_files

    told = _Told(form)
    with StopRequest(quiet=quiet) as stop, ProgressDisplay(quiet=quiet or form == "jsonl") as progress:
        for outcome in convert_files(wanted, tools, conversion, output, roots=roots, stop=stop.wanted):
            told.add(outcome)
            progress("converting", told.done, len(wanted), skipped=told.counts["skipped"] + told.counts["failed"])
        stopped = stop.wanted()
    told.finish(output, quiet=quiet)
    return INTERRUPTED if stopped else told.exit_code


class _Told:
    """What is printed of a run, and what is remembered of it until its end: rows, not pictures' whole records."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.counts: Counter[str] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._notes: list[str] = []
        self._judged = self._accepted = 0
        self._inaccessible = False

    @property
    def done(self) -> int:
        """Pictures so far."""
        return sum(self.counts.values())

    @property
    def exit_code(self) -> int:
        """1 if a back end failed on a picture, 3 if one could not be read for I/O or permission."""
        if self.counts["failed"]:
            return FAILED
        return PARTLY_SKIPPED if self._inaccessible else 0

    def add(self, outcome: Outcome) -> None:
        """One more; JSON lines are printed at once."""
        from amogus_search.cli.records import write_rows
        from amogus_search.core.paths import display_path
        from amogus_search.core.types import ACCESS_REASONS

        self.counts[outcome.status] += 1
        row = outcome.as_json()
        self._judged += sum(change.get("after") is not None for change in outcome.changes)
        self._accepted += sum(
            bool(change.get("accepted") and change["after"] is not None) for change in outcome.changes
        )
        self._inaccessible = self._inaccessible or outcome.reason in ACCESS_REASONS
        if outcome.status in ("failed", "kept"):
            self._notes.append(f"{outcome.status} {display_path(outcome.path)}: {outcome.detail}")
        if self.form == "jsonl":
            write_rows([row], self.form)
        else:
            self._rows.append(row)

    def finish(self, output: Output, *, quiet: bool) -> None:
        """The rows on stdout, and on stderr a line about the whole run and one for each picture that needs a look."""
        from amogus_search.cli.records import note, write_rows
        from amogus_search.exports.conversion_page import NAME

        if self.form != "jsonl":
            write_rows(self._flat() if self.form in ("table", "csv", "tsv") else self._rows, self.form)
        for line in self._notes:
            note(line, quiet=quiet)
        words = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        accepted = f"; {self._accepted} of {self._judged} changes accepted" if self._judged else ""
        shown = f"; see {output.folder / NAME}" if output.page and not output.dry_run and self.counts else ""
        note(f"{words or 'nothing to convert'}{accepted}{shown}", quiet=quiet)

    def _flat(self) -> list[dict[str, Any]]:
        """Rows of equal columns, for people and spreadsheets."""
        return [{name: _cell(value) for name, value in row.items() if not name.endswith("_hex")} for row in self._rows]


def _cell(value: Any) -> Any:
    """Text without line breaks or controls; everything else as it is."""
    from amogus_search.core.paths import display_path

    return display_path(os.fsencode(value)) if isinstance(value, str) else value
