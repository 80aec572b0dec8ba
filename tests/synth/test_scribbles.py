"""Scribbles can be drawn again, differ from each other, and can be cut out."""

import numpy as np
import pytest

from amogus_search.errors import UsageError
from amogus_search.synth.drawings import read_drawings
from amogus_search.synth.scribbles import SYMBOLS, scribble, write_scribbles


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_scribble_can_be_cut_out_and_is_not_the_paper(symbol, tmp_path):
    write_scribbles(tmp_path, symbol, 4, seed=0)
    for one in read_drawings(tmp_path).cutouts:
        height, width = one.shape.shape
        assert 120 < max(height, width) < 600
        assert (one.shape > 127).mean() < 0.9


def test_the_same_seed_gives_the_same_scribble():
    first, again, other = (scribble(np.random.default_rng(seed), "star") for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_unknown_symbol_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="no symbol called 'heart'") as caught:
        scribble(np.random.default_rng(0), "heart")
    assert "cactus" in caught.value.hint
