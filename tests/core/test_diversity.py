"""Folding copies and spreading an answer: who stays, for how many, and in which order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.diversity import diverse_order, fold_duplicates


def unit(*rows):
    table = np.asarray(rows, np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


A, ALMOST_A, B = (1, 0, 0), (1, 0.02, 0), (0, 1, 0)


def fold(contents, rows, pictures=None, least=0.99):
    folding = fold_duplicates(contents, pictures or contents, [unit(*rows)], least)
    return folding.kept.tolist(), folding.exact.tolist(), folding.near.tolist()


def test_copies_are_folded_into_the_best_and_told_apart_from_what_looks_the_same():
    assert fold(["a", "b", "a", "a2", "b"], [A, B, A, ALMOST_A, B]) == ([0, 1], [1, 1], [1, 0])


def test_a_chain_of_ever_less_similar_pictures_is_not_one_picture():
    """Each is compared with what is kept: what a near duplicate resembles is no reason to vanish."""
    steps = [(np.cos(angle), np.sin(angle), 0) for angle in (0.0, 0.1, 0.2, 0.3)]
    kept, _, near = fold(list("abcd"), steps, least=np.cos(0.15))
    assert (kept, near) == ([0, 2], [1, 1])


def test_two_findings_of_one_picture_are_two_however_alike():
    assert fold(["a:1", "a:2"], [A, A], pictures=["a", "a"])[0] == [0, 1]


def test_near_duplicates_are_alike_in_every_table():
    looks = [unit(A, A), unit(A, B)]
    assert fold_duplicates("ab", "ab", looks, 0.99).kept.tolist() == [0, 1]


def test_nothing_folds_into_nothing():
    assert fold_duplicates([], [], [np.zeros((0, 3), np.float32)], 0.9).kept.tolist() == []


def test_the_next_row_is_good_and_unlike_those_before():
    vectors = unit(A, ALMOST_A, B)
    assert diverse_order([0.9, 0.89, 0.5], vectors, 0.5).tolist() == [0, 2, 1]
    assert diverse_order([0.9, 0.89, 0.5], vectors, 0.5, 2).tolist() == [0, 2]


@given(st.integers(1, 12), st.integers(0, 1000), st.floats(0, 1))
def test_the_best_stays_first_and_every_row_comes_once(n, seed, trade):
    rng = np.random.default_rng(seed)
    vectors = unit(*rng.normal(size=(n, 4)))
    rows = diverse_order(np.sort(rng.random(n))[::-1], vectors, trade).tolist()
    assert rows[0] == 0
    assert sorted(rows) == list(range(n))


@given(st.integers(1, 12), st.integers(0, 1000))
def test_by_relevance_alone_nothing_changes(n, seed):
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.choice(5, n) / 5)[::-1]
    assert diverse_order(scores, unit(*rng.normal(size=(n, 4))), 1.0).tolist() == list(range(n))


def test_without_rows_there_is_no_order():
    assert diverse_order([], np.zeros((0, 3), np.float32), 0.5).tolist() == []


def test_the_first_steps_are_those_of_the_published_rule():
    """Recomputed the slow way: largest of trade * relevance - (1 - trade) * redundancy."""
    rng = np.random.default_rng(7)
    vectors, scores = unit(*rng.normal(size=(30, 5))), np.sort(rng.random(30))[::-1]
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    low = min(float(row @ vectors[0]) for row in vectors)
    taken = [0]
    while len(taken) < 10:

        def worth(row):
            redundancy = max(np.clip((vectors[row] @ vectors[other] - low) / (1 - low), 0, 1) for other in taken)
            return 0.6 * relevance[row] - 0.4 * redundancy

        taken.append(max((row for row in range(30) if row not in taken), key=worth))
    assert diverse_order(scores, vectors, 0.6, 10).tolist() == taken


def test_shapes_that_do_not_match_are_an_error():
    with pytest.raises((ValueError, IndexError)):
        diverse_order([0.5, 0.4], unit(A), 0.5)
