import math

import pytest

from amogus_search.exports.wording import evidence_words, rarity_words, score_words, slug


@pytest.mark.parametrize(
    ("rarity", "at_least", "words"),
    [
        (3104.0, False, "1 in 3,100"),
        (5000.0, True, "> 1 in 5,000"),
        (1.0, False, "1 in 1"),
        (2.54, False, "1 in 2.5"),
        (45.4, False, "1 in 45"),
        (99.7, False, "1 in 100"),
        (1_234_567.0, False, "1 in 1,200,000"),
        (None, False, ""),
        (math.nan, True, ""),
    ],
)
def test_rarity_is_said_with_two_digits(rarity, at_least, words):
    assert rarity_words(rarity, at_least) == words


def test_only_parts_that_were_seen_are_named_in_the_motifs_order():
    assert evidence_words({"visor": 0.9, "legs": 0.49, "red": 0.5, "hat": None}) == "visor red"


def test_an_unknown_score_is_empty():
    assert (score_words(0.974), score_words(None), score_words(math.nan)) == ("0.97", "", "")


@pytest.mark.parametrize(
    ("name", "safe"),
    [("garden bin (2)", "garden-bin-2"), ("Café", "Cafe"), ("../../etc", "etc"), ("雪", "image"), ("-rf", "rf")],
)
def test_a_slug_is_harmless(name, safe):
    assert slug(name) == safe


def test_a_slug_is_not_endless():
    assert len(slug("a" * 300)) == 40
