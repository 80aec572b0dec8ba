"""Which embedders want short texts in sentences."""

from amogus_search.embedders.open_clip import OpenClipEmbedder
from amogus_search.embedders.openvino import OpenVinoEmbedder
from amogus_search.embedders.templates import CAPTIONS


def test_models_of_captions_want_sentences_and_the_one_with_a_word_list_does_not():
    assert OpenClipEmbedder.templates
    assert not hasattr(OpenVinoEmbedder, "templates")


def test_every_sentence_has_one_place_for_the_text():
    assert all(caption.count("{}") == 1 for caption in CAPTIONS)
