import numpy as np

from amogus_search.detectors.nothing import NoDetector
from amogus_search.registry import load_detector


def test_it_finds_nothing_in_any_number_of_tiles():
    assert [len(found) for found in NoDetector().detect_tiles(np.zeros((2, 64, 64, 3), np.uint8))] == [0, 0]
    assert load_detector("none").name == "none"
