import numpy as np
import pytest

from amogus_search.synth.sprite import SpriteAttributes
from amogus_search.training.embedder_captions import (
    Caption,
    crewmate_facts,
    fits,
    mirrored,
    thing_facts,
    write_caption,
)

RED_TOY = SpriteAttributes("red", "toy", True, "crown", "left")
SKETCH = SpriteAttributes("red", "pencil", False, None, "front")


def test_a_caption_fits_every_crop_that_has_all_it_mentions() -> None:
    """Teaching that "a red crewmate" is wrong for another red crewmate would undo what is learned."""
    crops = [frozenset({"crewmate", "colour:red"}), frozenset({"crewmate"}), frozenset({"other"})]
    captions = [Caption("a crewmate", frozenset({"crewmate"})), Caption("a red crewmate", crops[0])]
    assert fits(captions, crops).tolist() == [[True, True, False], [True, False, False]]


def test_facts_follow_the_attributes() -> None:
    facts = crewmate_facts(RED_TOY)
    assert {"crewmate", "colour:red", "backpack:yes", "hat", "hat:crown", "facing:left", "style:toy"} <= facts
    assert {"backpack:no", "hat:none"} <= crewmate_facts(SKETCH)


def test_a_style_that_does_not_show_the_palette_has_no_colour() -> None:
    """A pencil sketch of a red crewmate is grey, and a caption that calls it red would be a lie."""
    assert not any(fact.startswith("colour:") for fact in crewmate_facts(SKETCH))


def test_a_mirrored_crewmate_looks_the_other_way() -> None:
    assert "facing:right" in mirrored(crewmate_facts(RED_TOY))
    assert mirrored(crewmate_facts(SKETCH)) == crewmate_facts(SKETCH)


@pytest.mark.parametrize(
    "facts",
    [
        crewmate_facts(RED_TOY),
        crewmate_facts(SKETCH),
        thing_facts(("beagle", "dog", "animal"), "photo"),
        thing_facts((), "photo"),
        thing_facts((), ""),
    ],
)
def test_every_caption_is_true_of_its_crop(facts: frozenset[str]) -> None:
    rng = np.random.default_rng(0)
    for caption in (write_caption(facts, rng) for _ in range(60)):
        assert caption.facts
        assert caption.facts <= facts
        assert "  " not in caption.text
        assert "None" not in caption.text


def test_captions_vary_and_mention_everything_sooner_or_later() -> None:
    rng = np.random.default_rng(0)
    captions = [write_caption(crewmate_facts(RED_TOY), rng) for _ in range(400)]
    assert len({caption.text for caption in captions}) > 200
    assert frozenset().union(*(caption.facts for caption in captions)) == crewmate_facts(RED_TOY)
