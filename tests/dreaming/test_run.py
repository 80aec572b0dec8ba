"""A whole dream with an objective that needs no network."""

import numpy as np

from amogus_search.dreaming.ascent import Dream
from amogus_search.dreaming.film import Film
from amogus_search.dreaming.regions import regions_of
from amogus_search.dreaming.run import dreamt, judged
from amogus_search.finder import Finder
from amogus_search.testing import FakeDetector

QUICK = Dream(steps=3, octaves=2, size_px=60)


class Redder:
    """Wants the places red."""

    def places(self, picture, count, sides):
        return np.asarray([[2, 2, 2 + sides[1], 2 + sides[1]]], np.float32)

    def __call__(self, picture, glance):
        return 0.0, np.broadcast_to(np.asarray([1, -1, -1], np.float32), picture.shape).copy()


def test_regions_dream_one_after_the_other_and_the_film_shows_all_steps(tmp_path):
    pixels = np.random.default_rng(0).integers(60, 180, (120, 900, 3), np.uint8)
    regions = regions_of((900, 120), [[100, 20, 160, 100], [600, 20, 680, 100]])
    told = []
    with Film(tmp_path / "frames", None) as film:
        result, places = dreamt(pixels, regions, Redder(), QUICK, film, lambda done, of: told.append((done, of)))
    assert told == [(number, 12) for number in range(1, 13)]
    assert places.shape == (2, 4)
    for x1, x2 in ((100, 160), (600, 680)):
        inside = result[40:80, x1 + 20 : x2 - 20].astype(int) - pixels[40:80, x1 + 20 : x2 - 20]
        assert inside[..., 0].mean() > 1 > inside[..., 2].mean()
    np.testing.assert_array_equal(result[:, 170:590], pixels[:, 170:590])
    frames = sorted((tmp_path / "frames").iterdir())
    assert len(frames) == 12


def test_a_judge_says_the_best_and_how_many_count():
    finder = Finder(FakeDetector())
    nothing = judged(finder, np.zeros((64, 64, 3), np.uint8))
    assert (nothing.best, nothing.count, nothing.boxes.shape) == (0.0, 0, (0, 4))
    red = np.zeros((64, 64, 3), np.uint8)
    red[10:40, 10:40, 0] = 255
    found = judged(finder, red)
    assert found.count >= 1
    assert found.best > 0.5
