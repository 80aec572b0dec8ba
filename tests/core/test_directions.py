"""Directions between two sets: what they point at, and that what is held out is held out."""

import numpy as np
import pytest

from amogus_search.core.directions import METHODS, folds, held_out_margins, logistic_probe, mean_difference


def cloud(n=60, dimension=24, seed=0, shift=1.0):
    """Unit rows, every other one moved along the first axis; and which ones those are."""
    rng = np.random.default_rng(seed)
    rows, kinds = rng.normal(size=(n, dimension)), np.arange(n) % 2 == 0
    rows[kinds, 0] += shift
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), kinds


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_a_direction_points_from_the_negatives_to_the_positives(make):
    rows, kinds = cloud(shift=6.0)
    direction = make(rows, kinds)
    assert np.linalg.norm(direction.unit) == pytest.approx(1)
    assert direction.unit[0] > 0.9
    assert ((direction.margins(rows) > 0) == kinds).mean() > 0.97


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_the_same_examples_give_the_same_bits(make):
    rows, kinds = cloud()
    assert make(rows, kinds).unit.tobytes() == make(rows.copy(), kinds.copy()).unit.tobytes()


def test_a_probe_looks_past_what_varies_without_meaning_anything():
    """The mean difference is drawn aside by an axis of large variance; the probe is not."""
    rng = np.random.default_rng(1)
    kinds = np.arange(80) % 2 == 0
    rows = np.column_stack([kinds * 0.4, rng.normal(size=80) * 4, np.full(80, 2.0)])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    right = {name: ((make(rows, kinds).margins(rows) > 0) == kinds).mean() for name, make in METHODS.items()}
    assert right["probe"] > right["difference"]


def test_a_row_has_the_same_margin_in_any_company():
    rows, kinds = cloud()
    direction = mean_difference(rows, kinds)
    assert direction.margins(rows)[7] == direction.margins(rows[7:8])[0]


def test_few_of_one_kind_count_as_much_as_many_of_the_other():
    rows, kinds = cloud(n=200, shift=6.0)
    few = np.flatnonzero(kinds)[:8]
    kept = np.concatenate([few, np.flatnonzero(~kinds)])
    margins = logistic_probe(rows[kept], kinds[kept]).margins(rows)
    assert (margins[kinds] > 0).mean() > 0.9


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_sets_that_cannot_be_told_apart_are_refused(make):
    rows, _kinds = cloud()
    with pytest.raises(ValueError, match="told apart"):
        make(rows, np.ones(len(rows), bool))
    same = np.repeat(rows[:1], 8, axis=0)
    with pytest.raises(ValueError, match="no direction"):
        make(same, np.arange(8) % 2 == 0)


def test_what_belongs_together_is_never_on_both_sides():
    groups = [f"picture {number // 3}" for number in range(90)]
    fold = folds(groups, np.arange(90) < 45, 5, 0)
    assert all(len({int(fold[row]) for row in range(90) if groups[row] == name}) == 1 for name in groups)


def test_every_fold_has_its_share_of_both_kinds():
    kinds = np.arange(40) < 10
    fold = folds([str(number) for number in range(40)], kinds, 5, 0)
    assert np.bincount(fold[kinds]).tolist() == [2] * 5
    assert np.bincount(fold[~kinds]).tolist() == [6] * 5


def test_the_partition_goes_by_name_and_seed_and_not_by_order():
    groups, kinds = [str(number) for number in range(40)], np.arange(40) < 20
    fold = folds(groups, kinds, 5, 0)
    assert folds(groups[::-1], kinds[::-1], 5, 0).tolist() == fold.tolist()[::-1]
    assert folds(groups, kinds, 5, 1).tolist() != fold.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_without_a_difference_held_out_rows_are_guessed(method):
    """A probe can learn anything by heart; what it was not shown, it does not know."""
    rows, kinds = cloud(n=400, dimension=64, shift=0.0)
    margins = held_out_margins(rows, kinds, folds([str(n) for n in range(400)], kinds, 5, 0), method)
    assert ((margins > 0) == kinds).mean() == pytest.approx(0.5, abs=0.08)
