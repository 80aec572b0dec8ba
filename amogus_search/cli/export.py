"""`amogus export`: an answer as crops, tables, labels or a gallery."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from amogus_search.asking import Asker, ReadImage
    from amogus_search.core.figure import Fitter
    from amogus_search.core.types import Hit
    from amogus_search.store.index import Index

PARTLY_SKIPPED = 3
SHOWN = 100
"""Hits of a gallery or a folder of crops, unless -n says otherwise: as many as a person looks through."""
_TO_LOOK_AT = ("crops", "cutouts", "dreambooth", "gallery")
_OF_FINDINGS = ("crops", "cutouts", "dreambooth")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", cls=WithDiverse)(with_options(export))


def export(
    form: Annotated[
        str, typer.Argument(metavar="FORM", help="crops, cutouts, dreambooth, csv, parquet, coco, yolo or gallery.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to: a file or a folder, never among the photos.")],
    options: QueryOptions,
    thresholds: Thresholds,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="What to look for, in words.")
    ] = None,
    index: IndexOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write among, or over, what is no export of ours.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="yolo: copy the photos instead of linking to them.")] = False,
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="cutouts: move the border to where the colours change.")
    ] = True,
    words: Annotated[
        str, typer.Option("--token", metavar="WORDS", help="dreambooth: what the model is to know it by.")
    ] = "sks amogus",
    resolution: Annotated[
        int, typer.Option(min=64, max=4096, metavar="PX", help="dreambooth: largest side of the pictures.")
    ] = 1024,
    class_images: Annotated[
        int, typer.Option("--class-images", min=0, metavar="N", help="dreambooth: so many pictures without a finding.")
    ] = 200,
    title: Annotated[str, typer.Option(help="gallery: the heading.")] = "Amogus search",
    format: FormatOption = "table",  # noqa: A002
    quiet: QuietOption = False,
) -> None:
    """Write hits as crops, tables, labels or a gallery.

    Takes the options of `query`. Crops, cutouts and dreambooth are of findings, the others have images by their
    best finding (--images and --regions choose). Those and galleries hold 100 hits, the others all, unless -n says
    otherwise.
    """
    from amogus_search import registry
    from amogus_search.asking import Asker
    from amogus_search.cli.asking import answer, image_reader, opened_index, question
    from amogus_search.cli.records import note, write_record
    from amogus_search.exports.dreambooth_command import Training

    exporter, _ = registry.resolve("exporter", form)
    limit = SHOWN if form in _TO_LOOK_AT else None
    with opened_index(index) as opened, image_reader() as read:
        asker = Asker(opened, read, literal=options.literal)
        asked = question(asker, text, options, thresholds, limit=limit, regions=form in _OF_FINDINGS)
        hits = answer(asker, asked, lambda words: note(words, quiet=quiet))
        call = _Call(opened, hits, out, read, overwrite=overwrite)
        if form == "gallery":
            report = call.gallery(exporter, title, _in_words(text, options))
        elif form in ("csv", "parquet", "coco", "yolo"):
            report = call.annotations(exporter, form, thresholds, only_hits=asked.regions, copy=copy)
        elif form == "cutouts":
            report = call.files(exporter, fit=_fitter(opened), refine=refine)
        elif form == "dreambooth":
            training = Training(words, resolution)
            plain = _without_findings(asker, class_images)
            report = call.files(exporter, training=training, class_hits=plain, class_images=class_images)
        else:
            report = call.files(exporter)
    write_record(_record(report), format)
    if _tell_problems(getattr(report, "problems", ()), quiet):
        raise typer.Exit(PARTLY_SKIPPED)


@dataclasses.dataclass(frozen=True)
class _Call:
    """What every exporter gets."""

    index: Index
    hits: Sequence[Hit]
    out: Path
    read: ReadImage
    overwrite: bool

    def files(self, exporter: Callable[..., Any], **more: Any) -> Any:
        """Crops and cutouts, and exporters of other packages."""
        return exporter(
            self.hits,
            out=self.out,
            read_pixels=self.read,
            overwrite=self.overwrite,
            source_folders=self.index.source_folders(),
            **more,
        )

    def gallery(self, exporter: Callable[..., Any], title: str, subtitle: str) -> Any:
        """One page."""
        return exporter(
            self.hits,
            self.read,
            self.out,
            title,
            subtitle,
            overwrite=self.overwrite,
            source_folders=self.index.source_folders(),
        )

    def annotations(
        self, exporter: Callable[..., Any], form: str, thresholds: Thresholds, *, only_hits: bool, copy: bool
    ) -> Any:
        """Tables and labels."""
        from amogus_search.core.thresholds import Threshold
        from amogus_search.exports.annotations import Selection

        least = thresholds.resolved(Threshold())
        more: dict[str, Any] = {"overwrite": self.overwrite}
        if form in ("coco", "yolo"):
            more["category"] = self.index.motif_name
        if form == "yolo":
            more |= {"copy": copy, "flip_idx": _flip_idx(self.index)}
        selection = Selection(min_amogusness=least.min_amogusness, only_hits=only_hits)
        folders = self.index.source_folders()
        return exporter(self.hits, self.out, selection=selection, source_folders=folders, **more)


def _fitter(index: Index) -> Fitter | None:
    """What lays the figure of this index' motif into keypoints: only of the crewmate it is known."""
    from amogus_search import registry

    return registry.load_fitter() if index.motif_name == registry.DEFAULT else None


def _without_findings(asker: Asker, number: int) -> Iterator[Hit]:
    """Photos for class pictures: first those without any finding, then those whose findings are all doubtful."""
    from amogus_search.exports.dreambooth import CLEAN_BELOW
    from amogus_search.pipeline.search import Query

    for condition in ("findings = 0", f"amogusness < {CLEAN_BELOW}"):
        if number:  # more than are needed: copies and unreadable ones fall away
            yield from asker.ask(Query(limit=10 * number, where=condition))


def _flip_idx(index: Index) -> tuple[int, ...]:
    from amogus_search import weights

    motif = weights.motifs().get(index.motif_name)
    return motif.flip_idx if motif is not None and motif.keypoint_names == index.keypoint_names else ()


def _in_words(texts: Sequence[str] | None, options: QueryOptions) -> str:
    """The question, for the heading of a gallery."""
    parts = [*(texts or ()), f"like {options.image}" if options.image else ""]
    parts += [f"plus {word}" for word in options.plus or ()]
    parts += [f"minus {word}" for word in options.minus or ()]
    parts.append(f"where {options.where}" if options.where else "")
    return ", ".join(part for part in parts if part) or "the most amogus-like"


def _record(report: Any) -> dict[str, Any]:
    """What was done, as values that can be printed: a path, or a command with one in it, need not be text."""
    from amogus_search.core.paths import display_path, path_fields, path_from_text

    record: dict[str, Any] = {}
    for field in dataclasses.fields(report):
        value = getattr(report, field.name)
        if isinstance(value, Path):
            record |= {field.name + name.removeprefix("path"): v for name, v in path_fields(bytes(value)).items()}
        elif isinstance(value, str):
            record[field.name] = display_path(path_from_text(value))
        elif field.name != "problems":
            record[field.name] = value
    return record


def _tell_problems(problems: Sequence[Any], quiet: bool) -> bool:
    """Say what could not be shown; whether I/O or permission is among the reasons."""
    from amogus_search.cli.records import note
    from amogus_search.core.paths import display_path
    from amogus_search.core.types import ACCESS_REASONS

    for problem in problems:
        note(f"left out {display_path(problem.path)}: {problem.reason}: {problem.detail}", quiet=quiet)
    return any(problem.reason in ACCESS_REASONS for problem in problems)
