"""Nearest earlier rows by blocks are those of the whole product."""

import numpy as np
import pytest

from amogus_search.core import neighbours
from amogus_search.core.neighbours import Lists, Spread, nearest, nearest_before, nearest_before_in_lists


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


@pytest.mark.parametrize(("first", "few"), [(1, 8), (5, 10**6), (3, 1)])
def test_it_does_not_matter_how_the_best_of_a_block_are_found(first, few, monkeypatch):
    """Sorted, or picked one by one: rows that are equal to the bit come in the order of their numbers either way."""
    monkeypatch.setattr(neighbours, "_FIRST", first)
    monkeypatch.setattr(neighbours, "_FEW", few)
    monkeypatch.setattr(neighbours, "_ROWS", 32)
    rows = np.eye(8, dtype=np.float32)[np.random.default_rng(2).integers(0, 8, 150)]
    found = nearest_before(rows, 4)
    for row in range(150):
        expected = np.argsort(-(rows[:row] @ rows[row]), kind="stable")[:4].tolist()
        assert found[row].tolist() == expected + [-1] * (4 - len(expected))


def test_in_all_lists_are_found_the_same_as_without():
    rows = unit(np.random.default_rng(3).normal(size=(200, 6)))
    lists = Lists.around(rows[:7], rows)
    assert sorted(np.unique(lists.of_row)) == list(range(7))
    assert lists.of_row[:7].tolist() == lists.order[:, 0].tolist() == list(range(7))
    told = []
    found = nearest_before_in_lists(rows, lists, 200, 5, lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(found, nearest_before(rows, 5))
    assert told[-1] == (200, 200)


def test_in_a_few_lists_what_lies_close_together_is_found():
    rng = np.random.default_rng(4)
    pictures = unit(rng.normal(size=(400, 6)))
    rows = np.concatenate([pictures, unit(pictures + rng.normal(size=pictures.shape) * 0.001)])
    lists = Lists.around(pictures[:20], rows)
    found = nearest_before_in_lists(rows.astype(np.float16), lists, 160, 5)
    before = np.arange(len(rows))[:, None]
    assert ((found == -1) | (found < before)).all()
    assert np.mean(found[400:, 0] == np.arange(400)) > 0.99
    assert not np.array_equal(found, nearest_before(rows, 5))


def test_an_empty_list_is_passed_over():
    rows = unit(np.asarray([[1, 0], [0.9, 0.1], [1, 0.1]]))
    lists = Lists.around(np.asarray([[1, 0], [-1, 0]], np.float32), rows)
    assert lists.of_row.tolist() == [0, 0, 0]
    assert nearest_before_in_lists(rows, lists, 1, 2).tolist() == [[-1, -1], [0, -1], [1, 0]]


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
