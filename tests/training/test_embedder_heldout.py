from pathlib import Path

import numpy as np

from amogus_search.training.embedder_crops import CropCounts
from amogus_search.training.embedder_heldout import attribute_captions, held_out_crops

COUNTS = CropCounts(crewmates=5, scenes=0, photos=0, distractors=2, grounds=1)


def test_held_out_crops_are_drawn_once_and_opened_afterwards(tmp_path: Path) -> None:
    first = held_out_crops(tmp_path, None, COUNTS)
    again = held_out_crops(tmp_path, None, CropCounts(1, 0, 0, 0, 0))
    assert len(again) == len(first) == 8
    assert np.array_equal(first.pixels, again.pixels)


def test_captions_mention_more_than_that_it_is_a_crewmate(tmp_path: Path) -> None:
    facts = held_out_crops(tmp_path, None, COUNTS).facts
    captions = attribute_captions(facts, 4, np.random.default_rng(0))
    assert 0 < len(captions) <= 4
    assert all(len(caption.facts) > 1 for caption in captions)
