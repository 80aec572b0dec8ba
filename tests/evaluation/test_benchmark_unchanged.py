"""The measured run is the real command line over real files, with models that nothing may ask."""

from __future__ import annotations

import io
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest
from PIL import Image

from amogus_search import registry
from amogus_search.errors import AmogusError
from amogus_search.evaluation.benchmark_unchanged import make, run, tiny_png
from amogus_search.evaluation.stage_clock import STAGES
from amogus_search.finder import Finder


def test_a_tiny_picture_is_a_picture_unlike_the_others() -> None:
    assert len({tiny_png(number) for number in range(300)}) == 300
    with Image.open(io.BytesIO(tiny_png(70_000))) as picture:
        picture.load()
        assert picture.getpixel((0, 0)) == (1, 17, 112)


@pytest.mark.parametrize("place", [place for places in STAGES.values() for place in places])
def test_every_function_with_a_clock_exists(place: str) -> None:
    """They are named by text, which nothing else would notice."""
    module, _, name = place.partition(":")
    assert callable(attrgetter(name)(import_module(module)))


@pytest.mark.slow
def test_the_stages_add_up_and_every_file_is_unchanged(tmp_path: Path) -> None:
    made = make(tmp_path, 30, Finder.load(), registry.load_embedder())
    rows = run(made, 30, 1)
    assert [row["stage"] for row in rows] == ["start-up", *STAGES, "rest", "exit", "whole program"]
    assert all(row["seconds"] >= 0 for row in rows)
    assert sum(row["share"] for row in rows[:-1]) == pytest.approx(1, abs=0.02)
    assert rows[0]["seconds"] > 0
    with pytest.raises(AmogusError, match="went wrong"):
        run(made, 31, 1)
