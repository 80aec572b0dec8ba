from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from amogus_search.evaluation.made_vectors import CHUNK, Cloud, MadeVectors, measured

SMALL = Cloud(dimension=48, clusters=150, sizes=0.0, between=1.5)


def test_the_cloud_is_the_same_each_time_and_queries_are_none_of_its_vectors():
    made, again = MadeVectors(SMALL), MadeVectors(SMALL)
    first = np.vstack(list(made.chunks(300)))
    np.testing.assert_array_equal(first, next(again.chunks(300)))
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    assert (made.queries(50) @ first.T).max() < 1 - 1e-6
    assert not np.array_equal(first, next(MadeVectors(replace(SMALL, seed=1)).chunks(300)))


def test_the_last_chunk_is_what_is_left():
    sizes = [len(chunk) for chunk in MadeVectors(replace(SMALL, dimension=8)).chunks(CHUNK + 5)]
    assert sizes == [CHUNK, 5]


def test_what_is_measured_of_a_cloud_is_what_it_was_made_with():
    found = measured(np.vstack(list(MadeVectors(SMALL).chunks(1800))))
    assert found.mean == pytest.approx(SMALL.mean, abs=0.05)
    assert found.spread == pytest.approx(SMALL.spread, abs=0.05)
    assert found.between == pytest.approx(SMALL.between, abs=0.4)
    with pytest.raises(ValueError, match="too few"):
        measured(np.ones((5, 8), np.float32))


def test_sizes_fall_by_their_power():
    made = MadeVectors(replace(SMALL, sizes=1.0, spread=0.01))
    vectors = next(made.chunks(4000))
    _, sizes = np.unique((vectors @ vectors[:200].T > 0.995), axis=0, return_counts=True)
    assert sizes.max() > 10 * np.median(sizes)
    assert asdict(SMALL)["sizes"] == 0
