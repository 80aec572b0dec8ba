"""Nearest earlier rows by blocks are those of the whole product."""

import numpy as np
import pytest

from amogus_search.core import neighbours
from amogus_search.core.neighbours import Spread, nearest, nearest_before


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("blocks", [(1024, 8192), (7, 5), (16, 3), (1, 1)])
def test_blocks_of_any_size_find_what_the_whole_product_finds(blocks, monkeypatch):
    rows = unit(np.random.default_rng(0).normal(size=(90, 12)))
    monkeypatch.setattr(neighbours, "_ROWS", blocks[0])
    monkeypatch.setattr(neighbours, "_COLUMNS", blocks[1])
    found = nearest_before(rows, 4)
    for row in range(90):
        expected = np.argsort(-(rows[:row] @ rows[row]), kind="stable")[:4].tolist()
        assert found[row].tolist() == expected + [-1] * (4 - len(expected))


def test_none_and_one_have_no_neighbours():
    assert nearest_before(np.zeros((0, 4), np.float32), 3).shape == (0, 3)
    assert nearest_before(unit(np.ones((1, 4))), 3).tolist() == [[-1, -1, -1]]


def test_it_says_how_far_it_is():
    told = []
    nearest_before(unit(np.ones((5, 4))), 2, lambda done, total: told.append((done, total)))
    assert told == [(5, 5)]


def test_copies_stand_out_of_a_narrow_cone():
    """Pictures differ most along one axis, along which copies differ too; who they are stands on small ones."""
    rng = np.random.default_rng(0)
    scales = np.asarray([0.0, 1.0, *[0.05] * 30])
    pictures = rng.normal(size=(300, 32)) * scales + 4 * np.eye(32)[0]
    copies = pictures[:40] + rng.normal(size=(40, 32)) * scales * 0.3
    raw = unit(np.concatenate([pictures, copies]))
    spread = Spread.of(raw).apply(raw)

    def first_is_the_original(rows):
        return np.mean([int(np.argmax(rows[:300] @ rows[300 + row])) == row for row in range(40)])

    assert first_is_the_original(spread) > first_is_the_original(raw)
    assert first_is_the_original(spread) > 0.9
    assert np.linalg.norm(spread, axis=1) == pytest.approx(np.ones(340), abs=1e-4)


@pytest.mark.parametrize("rows", [np.zeros((0, 4)), np.ones((1, 4)) / 2, np.ones((6, 4)) / 2])
def test_what_does_not_differ_stays_as_it_is(rows):
    assert Spread.of(rows.astype(np.float16)).apply(rows.astype(np.float16)).tolist() == rows.tolist()


def test_queries_find_what_the_whole_product_finds(monkeypatch):
    monkeypatch.setattr(neighbours, "_COLUMNS", 7)
    rng = np.random.default_rng(1)
    rows, queries = unit(rng.normal(size=(50, 8))), unit(rng.normal(size=(9, 8)))
    found, products = nearest(queries, rows, 3)
    assert found.tolist() == np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :3].tolist()
    assert products[:, 0] == pytest.approx((queries @ rows.T).max(axis=1))
    assert nearest(queries, rows[:2], 3)[0][:, 2].tolist() == [-1] * 9
    assert nearest(queries[:0], rows, 3)[0].shape == (0, 3)
