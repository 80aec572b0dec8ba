"""CLIP's own tokeniser: byte pairs merged by rank, on the standard library alone.

Gives the numbers that open_clip's default tokeniser gives, from the same table of merges, so that a text query needs
no PyTorch. Text beyond printable ASCII is first mended by ftfy, as it was for the models' training.
"""

from __future__ import annotations

import gzip
import html
import importlib
import io
import itertools
import re
import string
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from amogus_search.errors import MissingExtraError, WeightsError

CLEANINGS = ("lower", "canonicalize", "whitespace")
"""Ways of tidying a text: lower case; lower case without punctuation; white space only."""
_MERGES = 49152 - 256 - 2
"""So many merges of the table are used: with the bytes, and two marks, they make the vocabulary."""
_MARKS = ("<start_of_text>", "<end_of_text>")
_CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)", re.IGNORECASE)
_END = "</w>"
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class ClipTokens:
    """Texts to token numbers.

    Args:
        table: the gzipped text of merges, one pair a line, best first, after one line of heading.
        length: how many numbers a text becomes: a longer one is cut, a shorter one filled up with zeros.
        cleaning: one of `CLEANINGS`.

    Raises:
        WeightsError: the table is not one.
    """

    def __init__(self, table: bytes, length: int, cleaning: str = "lower") -> None:
        if cleaning not in CLEANINGS:
            raise WeightsError(f"a tokeniser tidies texts in an unknown way: {cleaning!r}", "export the model again")
        self.length = length
        self._clean = _CLEANERS[cleaning]
        self._letters = _letters_of_bytes()
        merges = _merges(table)
        self._ranks = dict(zip(merges, range(len(merges)), strict=True))
        single = list(self._letters.values())
        pieces = [
            *single,
            *(letter + _END for letter in single),
            *"\n".join(merges).replace(" ", "").split("\n"),
            *_MARKS,
        ]
        self._numbers = dict(zip(pieces, range(len(pieces)), strict=True))
        self._merged = lru_cache(4096)(self._merge)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(n, length) int64 token numbers."""
        numbers = np.zeros((len(texts), self.length), np.int64)
        for row, text in zip(numbers, texts, strict=True):
            start, end = (self._numbers[mark] for mark in _MARKS)
            tokens = [start, *self.encode(text), end][: self.length]
            tokens[-1] = end
            row[: len(tokens)] = tokens
        return numbers

    def encode(self, text: str) -> list[int]:
        """The numbers of a text, however many, without marks."""
        tokens: list[int] = []
        for word in _words(self._clean(text)):
            if word in _MARKS:
                tokens.append(self._numbers[word])
                continue
            letters = "".join(self._letters[byte] for byte in word.encode("utf-8"))
            tokens += [self._numbers[piece] for piece in self._merged(letters)]
        return tokens

    def _merge(self, word: str) -> tuple[str, ...]:
        """A word as the pieces that are left when no listed pair of neighbours is."""
        pieces = [*word[:-1], word[-1] + _END]
        while len(pieces) > 1:
            pairs = set(itertools.pairwise(pieces))
            best = min(pairs, key=lambda pair: self._ranks.get(" ".join(pair), len(self._ranks)))
            if " ".join(best) not in self._ranks:
                break
            pieces = _joined(pieces, best)
        return tuple(pieces)


def _joined(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """The pieces with every occurrence of the pair made one, from the left."""
    result: list[str] = []
    place = 0
    while place < len(pieces):
        is_pair = tuple(pieces[place : place + 2]) == pair
        result.append("".join(pair) if is_pair else pieces[place])
        place += 2 if is_pair else 1
    return result


def _merges(table: bytes) -> list[str]:
    """Pairs with a space in between. Tables are longer than what is used of them: the rest is not even unpacked."""
    try:
        with gzip.open(io.BytesIO(table), "rt", encoding="utf-8", newline="\n") as file:
            lines = "".join(itertools.islice(file, 1 + _MERGES)).rstrip("\n").split("\n")[1:]
        if lines and all(line.count(" ") == 1 and line.strip() == line for line in lines):
            return lines
        raise ValueError("it is empty" if not lines else "a line is no pair")
    except (OSError, EOFError, ValueError) as error:
        raise WeightsError(f"a tokeniser's table of merges cannot be read: {error}", "export the model again") from None


def _letters_of_bytes() -> dict[int, str]:
    """A printable letter for every byte, in the order of their numbers: its own, or else one from beyond Latin-1."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printing)]
    return {byte: chr(byte) for byte in printing} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def _words(text: str) -> Iterator[str]:
    """Marks, contractions, runs of letters, single digits, and runs of whatever else is no space."""
    place = 0
    while place < len(text):
        end = _word_end(text, place)
        if _kind(text[place]) != "space":
            yield text[place:end]
        place = end


def _word_end(text: str, place: int) -> int:
    for mark in _MARKS:
        if text[place : place + len(mark)].lower() == mark:
            return place + len(mark)
    contraction = _CONTRACTION.match(text, place)
    if contraction:
        return contraction.end()
    kind = _kind(text[place])
    end = place + 1
    while kind in ("letter", "other") and end < len(text) and _kind(text[end]) == kind:
        end += 1
    return end


def _kind(letter: str) -> str:
    # One mark is neither letter nor sign for the tokeniser that the models were trained with: its case is a letter's.
    if letter.isspace() or letter == "\u0345":
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(letter)[0], "other")


def _mended(text: str) -> str:
    if not all(letter in string.printable for letter in text):
        try:
            text = importlib.import_module("ftfy").fix_text(text)
        except ImportError as error:
            raise MissingExtraError(
                f"the text {text!a} is not plain ASCII, and reading it takes ftfy, which is not installed",
                "pip install ftfy",
            ) from error
    return html.unescape(html.unescape(text)).strip()


def _spaced(text: str) -> str:
    return " ".join(_mended(text).split())


def _lower(text: str) -> str:
    return _spaced(text).lower()


def _canonical(text: str) -> str:
    return " ".join(_mended(text).replace("_", " ").translate(_NO_PUNCTUATION).lower().split())


_CLEANERS: dict[str, Callable[[str], str]] = dict(zip(CLEANINGS, (_lower, _canonical, _spaced), strict=True))
