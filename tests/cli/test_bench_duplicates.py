import json

import numpy as np
import pytest

from amogus_search import duplicates
from amogus_search.evaluation.made_copies import copy_count, drawn, number_of, original_of


@pytest.mark.parametrize("all_pairs", [10**6, 120], ids=["all pairs", "pairs in lists"])
def test_copies_of_made_pictures_are_found_and_nothing_else(amogus, monkeypatch, all_pairs):
    monkeypatch.setattr(duplicates, "ALL_PAIRS", all_pairs)
    done = amogus("bench", "duplicates", "-n", 400, "--dimension", 32, "--format", "json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["pictures"], row["copies"], row["mistaken"]) == (400, 20, 0)
    assert row["found"] >= 18
    assert row["compared"] >= 20
    assert row["seconds"] >= row["reading_seconds"]


def test_copies_are_smaller_or_cut_and_others_are_themselves():
    assert [original_of(number) for number in (0, 1, 2, 20, 21)] == [0, 0, 2, 20, 20]
    assert copy_count(22) == 2
    assert drawn(0).shape == (120, 160, 3)
    assert drawn(1).shape == (90, 120, 3)
    np.testing.assert_array_equal(drawn(21), drawn(20)[:, 4:])
    np.testing.assert_array_equal(drawn(5), drawn(5))
    assert number_of(b"/made/0000021.png") == 21
