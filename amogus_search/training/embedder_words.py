"""The word list of the embedder, gathered from captions as its training writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from amogus_search.embedders.words import WordList, split_words
from amogus_search.training.embedder_captions import FILLERS, SYNONYMS, Facts, write_caption
from amogus_search.training.embedder_towers import MAX_WORDS

_CAPTIONS_A_CROP = 3
_LEAST_USES = 3


def gather_words(crops: Sequence[Facts], rng: np.random.Generator) -> WordList:
    """The words that occur a few times in a sample of captions, sorted.

    A word that training hardly ever shows must not be listed: its vector would stay what chance made it,
    and the user would not be told that it is unknown.
    """
    uses: Counter[str] = Counter()
    for facts in crops:
        for _ in range(_CAPTIONS_A_CROP):
            uses.update(SYNONYMS.get(word, word) for word in split_words(write_caption(facts, rng).text))
    listed = sorted(word for word, count in uses.items() if count >= _LEAST_USES and word not in FILLERS)
    synonyms = {word: meant for word, meant in SYNONYMS.items() if meant in listed and word not in listed}
    return WordList(tuple(listed), synonyms, FILLERS, MAX_WORDS)
