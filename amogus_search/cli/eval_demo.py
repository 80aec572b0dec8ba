"""`amogus eval demo`: an index of the demo folder beside its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amogus_search.cli.eval_common import THRESHOLD, ThresholdOption
from amogus_search.cli.parameters import FormatOption, IndexOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="truth.json of `amogus synth demo`.")],
    index: IndexOption = None,
    threshold: ThresholdOption = THRESHOLD,
    overlap: Annotated[float, typer.Option(min=0.05, max=1, help="Least IoU of a finding and an amogus.")] = 0.4,
    format: FormatOption = "table",  # noqa: A002
) -> None:
    """Compare the index of a demo folder with the truth: found, missed and false, by size."""
    from amogus_search.cli.asking import opened_index
    from amogus_search.cli.records import write_rows
    from amogus_search.core.thresholds import Threshold
    from amogus_search.evaluation.demo import compare, read_truth
    from amogus_search.finder import UNCALIBRATED_CONFIDENCE

    hidden = read_truth(truth)
    with opened_index(index) as opened:
        hits = opened.best_images(None)
    counts = Threshold(min_amogusness=threshold, uncalibrated_confidence=UNCALIBRATED_CONFIDENCE)
    write_rows([row.to_dict() for row in compare(hits, hidden, threshold=counts, min_iou=overlap)], format)
