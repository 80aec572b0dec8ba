"""`amogus status`: what an index holds, and which files it could not read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from amogus_search.cli.budget import flat
from amogus_search.cli.parameters import FormatOption, IndexOption

if TYPE_CHECKING:
    from amogus_search.store.index import Index


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    index: IndexOption = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="List the files that were skipped, and why.")] = False,
    format: FormatOption = "table",  # noqa: A002
) -> None:
    """Say what an index holds, and what was skipped."""
    from amogus_search.cli.asking import opened_index
    from amogus_search.cli.records import write_record
    from amogus_search.exports.json_form import skipped_json
    from amogus_search.exports.table import write_images
    from amogus_search.finder import UNCALIBRATED_CONFIDENCE
    from amogus_search.settings import DEFAULT_THRESHOLD

    with opened_index(index) as opened:
        if skipped:
            rows = [skipped_json(*row) for row in opened.skipped()]
            if not rows and format == "table":
                print("nothing was skipped")
            else:
                write_images(rows, sys.stdout, format, evidence_names=())
            return
        calibrated = opened.calibration_id is not None
        least = (DEFAULT_THRESHOLD, None) if calibrated else (None, UNCALIBRATED_CONFIDENCE)
        amogi, pictures = opened.count_findings(*least)
        record = {
            "index": str(opened.folder),
            **opened.counts(),
            "amogi": amogi,
            "pictures_with_amogi": pictures,
            **{key: value for key, value in opened.identity.items() if isinstance(value, (str, int, float))},
            "calibration": opened.calibration_id or "none",
            **_exchange(opened),
            **flat(opened.search_state()),
        }
        write_record(record, format)


def _exchange(index: Index) -> dict[str, str]:
    """How far the vectors of another embedder are that were begun and not finished."""
    from amogus_search.store.reembedding import unfinished

    stand = unfinished(index.folder, index.identity)
    return {"reembedding": f"{stand.done} of {stand.total} pictures by {stand.embedder}"} if stand else {}
