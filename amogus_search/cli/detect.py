"""`amogus detect`: boxes for these files, without an index."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amogus_search.cli.parameters import (
    DEFAULT_PROFILE_NAME,
    DetectorOption,
    ExcludeOption,
    Format,
    FormatOption,
    ProfileName,
    ProfileOption,
    QuietOption,
    Thresholds,
    with_options,
)
from amogus_search.settings import DETECT, PROFILES

if TYPE_CHECKING:
    from amogus_search.core.types import FileEntry
    from amogus_search.finder import Finder

PARTLY_SKIPPED = 3
"""Exit code: done, but some files could not be read for I/O or permission."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect")(with_options(detect))


def detect(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures and folders of pictures.")],
    thresholds: Thresholds,
    profile: ProfileOption = DEFAULT_PROFILE_NAME,
    detector: DetectorOption = "amogus",
    exclude: ExcludeOption = None,
    format: FormatOption = "table",  # noqa: A002 - the option's own name
    quiet: QuietOption = False,
) -> None:
    """Print the boxes of the amogi in some pictures, without an index.

    Without a threshold, findings of amogusness 0.5 and more are shown. JSON lines come one image a line, in the
    order given, as soon as each is ready.
    """
    from amogus_search.finder import Finder
    from amogus_search.sources.folder import FolderSource

    source = FolderSource(paths, exclude=exclude or ())
    finder = Finder.load(detector)
    if _look(finder, source, paths, profile=profile, thresholds=thresholds, form=format, quiet=quiet):
        raise typer.Exit(PARTLY_SKIPPED)


def _look(
    finder: Finder,
    source: Any,
    given: Sequence[Path],
    *,
    profile: ProfileName,
    thresholds: Thresholds,
    form: Format,
    quiet: bool,
) -> bool:
    """Whether some files were skipped for I/O or permission."""
    from amogus_search.cli.progress import ProgressDisplay
    from amogus_search.core.types import ACCESS_REASONS, SkippedImage
    from amogus_search.exports.json_form import image_json, skipped_json
    from amogus_search.exports.table import write_images
    from amogus_search.pipeline.detect import decode_px
    from amogus_search.sources.workers import DecodePool

    threshold = thresholds.resolved()
    # What is asked for must not fall through the detector's own, higher, floor.
    lowest = min(DETECT.min_confidence, 1.0 if thresholds.min_confidence is None else thresholds.min_confidence)
    settings = DETECT.__class__(**{**vars(DETECT), "min_confidence": lowest})
    inaccessible = False
    side = decode_px(finder.detector, PROFILES[profile])
    with DecodePool(max_side=side) as pool, ProgressDisplay(quiet=quiet or form == "jsonl") as progress:

        def records() -> Iterator[dict[str, Any]]:
            nonlocal inaccessible
            found = finder.find(pool.decode(source.scan()), PROFILES[profile], settings=settings)
            for done, item in enumerate(found, start=1):
                progress("looking", done, None)
                path = path_as_given(item.entry, given)
                if isinstance(item, SkippedImage):
                    inaccessible = inaccessible or item.reason in ACCESS_REASONS
                    yield skipped_json(path, item.reason, item.detail)
                else:
                    kept = item.keep(threshold)
                    yield image_json(path, kept.sha256, kept.full_wh, kept.detections, kept.scores)

        write_images(records(), sys.stdout, form, evidence_names=finder.detector.motif.evidence_names)
    return inaccessible


def path_as_given(entry: FileEntry, given: Sequence[Path]) -> bytes:
    """The entry's path in the words of the command line: `photos/a.jpg` for `photos`, not `/home/me/photos/a.jpg`."""
    for path in map(os.fsencode, given):
        if os.path.abspath(path) != entry.root:
            continue
        inside = os.path.relpath(entry.path, entry.root) if entry.path.startswith(entry.root + b"/") else b""
        return os.path.join(path, inside) if inside else path
    return entry.path
