"""The word list of the embedder, gathered from every caption that its training can write."""

from __future__ import annotations

from collections.abc import Iterable

from amogus_search.embedders.words import WordList, split_words
from amogus_search.synth.captions import VOCABULARY
from amogus_search.training.embedder_captions import FILLERS, SHORT_STYLES, SYNONYMS, Facts
from amogus_search.training.embedder_towers import MAX_WORDS

_TEMPLATES = "with without backpack hat wearing looking left right front behind photo drawing pattern background"


def gather_words(crops: Iterable[Facts]) -> WordList:
    """All words of the caption templates and of the names of these crops, sorted."""
    names = {fact.split(":", 1)[1] for facts in crops for fact in facts if ":" in fact}
    styles = (phrase for phrases in SHORT_STYLES.values() for phrase in phrases)
    texts = (_TEMPLATES, *VOCABULARY, *styles, *sorted(names))
    words = {word for text in texts for word in split_words(text)} - FILLERS
    words = {SYNONYMS.get(word, word) for word in words}
    synonyms = {word: meant for word, meant in SYNONYMS.items() if meant in words}
    return WordList(tuple(sorted(words)), synonyms, FILLERS, MAX_WORDS)
