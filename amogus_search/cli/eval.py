"""`amogus eval`: how good it is, on pictures whose truth is known; and fitting a calibration to such pictures."""

from __future__ import annotations

import typer

from amogus_search.cli import eval_calibrate, eval_demo, eval_detect, eval_embedder, eval_places, eval_tiers

app = typer.Typer(name="eval", help="Measure on labelled pictures; fit a calibration.", no_args_is_help=True)

for commands in (eval_detect, eval_tiers, eval_calibrate, eval_demo, eval_places, eval_embedder):
    commands.register(app)
