"""The embedder's word list: texts to word numbers, on the standard library and NumPy alone.

It travels as one JSON file beside the towers, together with the prompt vectors of the verifier, so
that neither a tokeniser library nor the text tower is needed to judge a detection.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Scores, Vectors
from amogus_search.errors import UsageError, WeightsError

PADDING, UNKNOWN = 0, 1
FIRST_WORD = 2
_FORMAT = 1
_PIECE = re.compile(r"[^\W_]+")


def split_words(text: str) -> list[str]:
    """Lower-case words of a text, punctuation dropped: "3-D Amogus!" -> ["3", "d", "amogus"]."""
    return _PIECE.findall(unicodedata.normalize("NFKC", text).lower())


@dataclass(frozen=True)
class WordList:
    """The words a text tower knows.

    words:    in the order of their numbers, which begin at 2 (0 is padding, 1 stands for any other word)
    synonyms: words that count as another one ("imposter" as "impostor")
    fillers:  words that are skipped because they carry no meaning ("a", "the")
    length:   how many word numbers the text tower takes
    """

    words: tuple[str, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    fillers: frozenset[str] = frozenset()
    length: int = 24

    def __post_init__(self) -> None:
        if len(self._numbers) != len(self.words):
            raise ValueError("a word occurs twice in the word list")
        strangers = {meant for meant in self.synonyms.values() if meant not in self._numbers}
        if strangers:
            raise ValueError(f"synonyms stand for unknown words {sorted(strangers)}")

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {word: number for number, word in enumerate(self.words, FIRST_WORD)}

    def number(self, word: str) -> int:
        """The number of one lower-case word; UNKNOWN if neither it nor its singular is listed."""
        for form in (word, word.removesuffix("s"), word.removesuffix("es")):
            found = self._numbers.get(self.synonyms.get(form, form))
            if found is not None:
                return found
        return UNKNOWN

    def numbers(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(n, length) int64: each text's word numbers, padded with 0; longer texts lose their end."""
        table = np.full((len(texts), self.length), PADDING, np.int64)
        for row, text in zip(table, texts, strict=True):
            found = [self.number(word) for word in self._meaningful(text)][: self.length] or [UNKNOWN]
            row[: len(found)] = found
        return table

    def unknown(self, text: str) -> tuple[str, ...]:
        """The text's words that the model never saw, each once, in order."""
        return tuple(dict.fromkeys(word for word in self._meaningful(text) if self.number(word) == UNKNOWN))

    def _meaningful(self, text: str) -> list[str]:
        return [word for word in split_words(text) if word not in self.fillers]


@dataclass(frozen=True, eq=False)
class Verifier:
    """Prompt vectors that tell a motif from everything else.

    motif: (m, d) float32 unit vectors of texts that describe the motif
    other: (k, d) float32 unit vectors of texts that describe anything else
    sharpness: how strongly the nearest prompt of a side outweighs its others
    """

    motif: Vectors
    other: Vectors
    sharpness: float = 20.0

    def margin(self, vectors: Vectors) -> Scores:
        """(n,) float32: soft maximum of the motif's similarities minus that of the others', in -2..2."""
        return (self._near(vectors, self.motif) - self._near(vectors, self.other)).astype(np.float32)

    def _near(self, vectors: Vectors, prompts: Vectors) -> NDArray[np.float64]:
        # one row at a time, so that a row's bits do not depend on its company (BLAS blocks by shape)
        scaled = np.array([prompts @ row for row in vectors], np.float64).reshape(-1, len(prompts)) * self.sharpness
        top = scaled.max(axis=1, keepdims=True)
        sums = np.exp(scaled - top).mean(axis=1)
        return np.asarray((top[:, 0] + np.log(sums)) / self.sharpness)


def to_json(words: WordList, verifier: Verifier) -> str:
    """Both as one JSON text; equal content gives equal text."""
    record = {
        "format": _FORMAT,
        "length": words.length,
        "words": list(words.words),
        "synonyms": dict(sorted(words.synonyms.items())),
        "fillers": sorted(words.fillers),
        "verifier": {
            "dimension": int(verifier.motif.shape[1]),
            "sharpness": verifier.sharpness,
            "motif": _pack(verifier.motif),
            "other": _pack(verifier.other),
        },
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[WordList, Verifier]:
    """The inverse of `to_json`.

    Raises:
        WeightsError: the text is not such a record.
    """
    try:
        record = json.loads(text)
        if record["format"] != _FORMAT:
            raise ValueError(f"format {record['format']}, expected {_FORMAT}")
        words = WordList(
            tuple(record["words"]), dict(record["synonyms"]), frozenset(record["fillers"]), int(record["length"])
        )
        part = record["verifier"]
        motif, other = (_unpack(part[side], int(part["dimension"])) for side in ("motif", "other"))
        return words, Verifier(motif, other, float(part["sharpness"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"this is no word list of an embedder: {error}", "reinstall the package") from error


def check_texts(texts: Iterable[str]) -> None:
    """Refuse texts without a single word.

    Raises:
        UsageError: a text holds no letter or digit.
    """
    for text in texts:
        if not split_words(text):
            raise UsageError(f"the text {text!r} has no words in it", "describe what to look for, like: red amogus")


def _pack(vectors: Vectors) -> str:
    return base64.b64encode(np.ascontiguousarray(vectors, "<f4").tobytes()).decode()


def _unpack(text: str, dimension: int) -> Vectors:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32).reshape(-1, dimension)
