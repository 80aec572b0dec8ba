import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.ranking import (
    WHOLE_IMAGE,
    combine,
    fold,
    fold_hits,
    mixed_scores,
    order,
    order_hits,
    rank_images,
)
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import UsageError


def make_hit(path: bytes, score: float, detection: int | None = 0) -> Hit:
    found = Detections.make(np.zeros((3, 4)), np.ones(3))
    scores = FindingScores(np.ones(3), np.ones(3), np.zeros(3, bool))
    return Hit(0, path, score, "amogusness", "ab", (10, 10), found, scores, detection)


def test_better_scores_come_first_and_ties_go_by_path_bytes_then_ordinal():
    paths = [b"b", b"a\xff", b"a", b"a", b"z"]
    assert order([0.5, 0.5, 0.5, 0.5, 0.9], paths, [0, 0, 1, 0, 0]).tolist() == [4, 3, 2, 1, 0]


def test_a_score_that_is_not_a_number_comes_last():
    assert order([np.nan, -3.0, 0.0], [b"a", b"b", b"c"], [0, 0, 0]).tolist() == [2, 1, 0]


def test_a_whole_image_comes_before_its_findings_of_the_same_score():
    assert order([0.5, 0.5], [b"a", b"a"], [0, WHOLE_IMAGE]).tolist() == [1, 0]


def test_no_rows_have_an_order_too():
    assert order([], [], []).tolist() == []


def test_rows_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="do not match"):
        order([0.1], [b"a", b"b"], [0, 0])


def test_fold_keeps_the_first_of_each_group():
    assert fold([b"x", b"y", b"x", b"z", b"y"]).tolist() == [0, 1, 3]


def test_images_are_ranked_by_their_best_finding():
    rows = rank_images([0.2, 0.9, 0.8, 0.85], [b"a", b"a", b"b", b"b"], [0, 1, 0, 1], limit=2)
    assert rows.tolist() == [1, 3]


def test_hits_are_numbered_from_one_in_their_order():
    ordered = order_hits([make_hit(b"b", 0.1), make_hit(b"a", 0.7, 2), make_hit(b"a", 0.7, 1)], limit=2)
    assert [(hit.rank, hit.path, hit.detection) for hit in ordered] == [(1, b"a", 1), (2, b"a", 2)]


def test_folded_hits_have_one_hit_a_path():
    folded = fold_hits([make_hit(b"b", 0.1, None), make_hit(b"a", 0.7, 2), make_hit(b"b", 0.8, 1)])
    assert [(hit.rank, hit.path, hit.score) for hit in folded] == [(1, b"b", 0.8), (2, b"a", 0.7)]


def test_a_query_of_several_terms_is_a_unit_vector():
    combined = combine(np.float32([[1, 0, 0], [0, 1, 0]]), [1.0, -1.0])
    assert combined.dtype == np.float32
    assert np.allclose(combined, np.float32([1, -1, 0]) / np.sqrt(2))


def test_terms_count_by_weight_and_not_by_length():
    assert np.allclose(combine(np.float32([[5, 0], [0, 0.1]]), [1.0, 1.0]), np.float32([1, 1]) / np.sqrt(2))


def test_terms_that_cancel_out_say_so():
    with pytest.raises(UsageError, match="cancel"):
        combine(np.float32([[1, 0], [1, 0]]), [1.0, -1.0])


@pytest.mark.parametrize(
    ("vectors", "weights"),
    [
        (np.zeros((0, 3)), []),
        (np.ones((2, 3)), [1.0]),
        (np.zeros((1, 3)), [1.0]),
        (np.full((1, 3), np.nan), [1.0]),
        (np.ones((1, 3)), [np.inf]),
    ],
)
def test_terms_that_cannot_be_added_are_refused(vectors, weights):
    with pytest.raises(ValueError, match="term"):
        combine(np.float32(vectors), weights)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), min_size=1, max_size=30))
def test_a_mixed_score_never_falls_when_either_part_rises(pairs):
    amogusness, similarities = np.asarray(pairs).T
    scores = mixed_scores(amogusness, similarities)
    assert ((scores >= 0) & (scores <= 1)).all()
    for one in range(len(pairs)):
        for other in range(len(pairs)):
            if amogusness[one] >= amogusness[other] and similarities[one] >= similarities[other]:
                assert scores[one] >= scores[other] - 1e-12  # the exponential is exact to a rounding


def test_a_mixed_score_needs_both():
    """The middle one is neither the most amogus-like nor the most similar."""
    best = np.argmax(mixed_scores([0.99, 0.9, 0.05], [0.20, 0.29, 0.30]))
    assert best == 1


def test_where_all_are_equally_similar_amogusness_decides_and_what_is_unknown_is_none():
    assert mixed_scores([0.4, np.nan], [0.25, 0.25]).tolist() == [0.2, 0.0]
    assert mixed_scores([], []).tolist() == []


def test_the_mixed_score_does_not_depend_on_the_scale_of_the_cosines():
    amogusness, similarities = np.asarray([0.5, 0.6, 0.7]), np.asarray([0.9, 0.7, 0.2])
    shifted = mixed_scores(amogusness, 0.2 + 0.1 * similarities)
    np.testing.assert_allclose(mixed_scores(amogusness, similarities), shifted, atol=1e-12)
