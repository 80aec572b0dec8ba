import gzip
import random
import sys
import unicodedata

import numpy as np
import pytest

from amogus_search.embedders.clip_tokens import CLEANINGS, ClipTokens
from amogus_search.errors import MissingExtraError, WeightsError

SMALL = gzip.compress(b"heading\nr e\nre d</w>\na m\n", mtime=0)
FIRST_MERGE = 512
START, END = FIRST_MERGE + 3, FIRST_MERGE + 4


def test_pairs_are_merged_best_first_and_marks_are_put_around() -> None:
    tokens = ClipTokens(SMALL, 8)
    # "red" is one piece, and "am" is merged only where it does not end a word
    assert tokens(["Red"]).tolist() == [[START, FIRST_MERGE + 1, END, 0, 0, 0, 0, 0]]
    assert tokens.encode("amo")[0] == FIRST_MERGE + 2
    assert len(tokens.encode("am")) == 2


def test_a_long_text_is_cut_and_still_ends() -> None:
    row = ClipTokens(SMALL, 5)(["red red red red red red"])[0]
    assert row.tolist() == [START, *[FIRST_MERGE + 1] * 3, END]


def test_ways_of_tidying() -> None:
    lower, canonical, spaced = (ClipTokens(SMALL, 9, cleaning) for cleaning in CLEANINGS)
    assert canonical.encode("RED_red, &amp; red!") == lower.encode("red red red")
    assert lower.encode("RED  red") == lower.encode("red red") != spaced.encode("RED red")


def test_a_text_that_takes_mending_asks_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    tokens = ClipTokens(SMALL, 9)
    assert tokens.encode("plain\ttext")
    with pytest.raises(MissingExtraError, match="pip install ftfy"):
        tokens.encode("na\u00efve")


@pytest.mark.parametrize("table", [b"", b"no gzip", gzip.compress(b"heading\none two three", mtime=0)])
def test_a_table_that_is_none_is_refused(table: bytes) -> None:
    with pytest.raises(WeightsError):
        ClipTokens(table, 9)


def test_a_strange_way_of_tidying_is_refused() -> None:
    with pytest.raises(WeightsError, match="unknown way"):
        ClipTokens(SMALL, 9, "shout")


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_it_gives_the_numbers_that_open_clip_gives(cleaning: str) -> None:
    """On sentences, marks, contractions, control characters, many scripts, and random letters."""
    tokenizer = pytest.importorskip("open_clip.tokenizer")
    with open(tokenizer.default_bpe(), "rb") as file:
        ours = ClipTokens(file.read(), 24, cleaning)
    theirs = tokenizer.SimpleTokenizer(context_length=24, clean=cleaning)
    texts = [
        "a red amogus",
        "it's 3 O'Clock, don't & can't!!! :-) x_y I'D WE'VE",
        "<start_of_text> hi <end_of_text> <END_OF_TEXT>x !!!'s",
        "Größe №5 ²½ Ⅷ 一二三 🎉 naïve “quotes” ﬁne ÇA\u0301 e\u0301 ＡＢＣ 日本語 한국어 العربية हिन्दी",
        "",
        "   ",
        "a" * 500 + " b",
        "&amp;lt; AT&T &#39;s",
        "\x1b[31m red \x07 tab\there\nnew\x85line\u2028x",
    ]
    draw = random.Random(3)
    for _ in range(600):
        length = draw.randint(0, 40)
        points = [draw.choice([draw.randint(32, 126), draw.randint(0, 0x2FFF), 39, 32]) for _ in range(length)]
        text = "".join(map(chr, points))
        if all(unicodedata.category(letter) != "Cn" for letter in text):  # newer tables know more letters
            texts.append(text)
    for text in texts:
        assert np.array_equal(ours([text])[0], theirs([text]).numpy()[0]), ascii(text)
