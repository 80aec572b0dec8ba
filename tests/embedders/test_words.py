import numpy as np
import pytest

from amogus_search.embedders.words import UNKNOWN, Verifier, WordList, check_texts, from_json, split_words, to_json
from amogus_search.errors import UsageError, WeightsError

WORDS = WordList(("red", "crewmate", "impostor", "without", "hat"), {"imposter": "impostor"}, frozenset({"a"}), 4)
VERIFIER = Verifier(np.eye(2, 8, dtype=np.float32), np.eye(3, 8, 4, dtype=np.float32), 12.0)


def test_words_are_lower_case_pieces_without_punctuation() -> None:
    assert split_words("A RED, crewmate! (3-D)") == ["a", "red", "crewmate", "3", "d"]


def test_numbers_begin_at_two_and_rows_are_padded_with_zeros() -> None:
    assert WORDS.numbers(["a red crewmate"]).tolist() == [[2, 3, 0, 0]]


def test_synonyms_and_plurals_count_as_the_listed_word() -> None:
    assert WORDS.numbers(["imposter", "impostors"]).tolist() == [[4, 0, 0, 0]] * 2


def test_a_text_that_is_too_long_loses_its_end() -> None:
    assert WORDS.numbers(["red red red red hat hat"]).tolist() == [[2, 2, 2, 2]]


def test_a_text_of_fillers_alone_is_one_unknown_word() -> None:
    """The text tower needs at least one word in every row, or its mean would be 0 / 0."""
    assert WORDS.numbers(["a"]).tolist() == [[UNKNOWN, 0, 0, 0]]


def test_unknown_words_are_named_once_and_in_order() -> None:
    assert WORDS.unknown("a blurple crewmate, very blurple") == ("blurple", "very")


def test_a_synonym_of_an_unlisted_word_is_refused() -> None:
    with pytest.raises(ValueError, match="hatt"):
        WordList(("hat",), {"cap": "hatt"})


def test_words_and_verifier_survive_the_file() -> None:
    words, verifier = from_json(to_json(WORDS, VERIFIER))
    assert words == WORDS
    assert np.array_equal(verifier.motif, VERIFIER.motif)
    assert np.array_equal(verifier.other, VERIFIER.other)
    assert verifier.sharpness == VERIFIER.sharpness


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9}', "null"])
def test_a_damaged_word_list_is_reported_as_such(text: str) -> None:
    with pytest.raises(WeightsError, match="word list"):
        from_json(text)


def test_the_margin_is_positive_near_the_motif_and_negative_near_the_rest() -> None:
    margin = VERIFIER.margin(np.eye(8, dtype=np.float32))
    assert margin.dtype == np.float32
    assert (margin[:2] > 0.5).all()
    assert (margin[4:7] < -0.5).all()


def test_a_margin_has_the_same_bits_alone_and_in_company() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(33, 8)).astype(np.float32)
    alone = np.concatenate([VERIFIER.margin(vectors[i : i + 1]) for i in range(len(vectors))])
    assert np.array_equal(alone, VERIFIER.margin(vectors))


def test_no_vectors_have_no_margins() -> None:
    assert VERIFIER.margin(np.zeros((0, 8), np.float32)).shape == (0,)


def test_a_text_without_words_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no words"):
        check_texts(["red", "?!"])
