"""Flying into a picture: it comes nearer, and the places with it."""

import numpy as np

from amogus_search.dreaming.ascent import Dream
from amogus_search.dreaming.film import Film
from amogus_search.dreaming.flight import fly, nearer

QUICK = Dream(places=2, size_px=48)


class Redder:
    """Wants the places red; knows two."""

    def __init__(self):
        self.asked = 0

    def places(self, picture, count, sides):
        self.asked += 1
        return np.asarray([[10, 10, 30, 30], [60, 20, 80, 40]], np.float32)

    def __call__(self, picture, glance):
        return 0.0, np.broadcast_to(np.asarray([1, -1, -1], np.float32), picture.shape).copy()


def test_nearer_keeps_the_middle_and_enlarges_the_rest():
    pixels = np.zeros((61, 101, 3), np.uint8)
    pixels[30, 50] = 255
    pixels[:, 70] = 255
    enlarged, places = nearer(pixels, np.asarray([[40, 20, 60, 40], [0, 0, 20, 20]], np.float32))
    assert enlarged.shape == pixels.shape
    assert np.unravel_index(enlarged[:, :60, 0].argmax(), (61, 60)) == (30, 50)
    np.testing.assert_allclose(places, [[39.7375, 19.7375, 60.2375, 40.2375]], atol=0.01)


def test_a_flight_gives_its_frames_and_fills_up_its_places(tmp_path):
    pixels = np.full((60, 100, 3), 100, np.uint8)
    objective, told = Redder(), []
    with Film(tmp_path / "frames", None) as film:
        last = fly(pixels, objective, QUICK, film, 5, told=lambda done, of: told.append((done, of)))
    assert told == [(number, 5) for number in range(1, 6)]
    assert len(list((tmp_path / "frames").iterdir())) == 5
    assert 1 <= objective.asked < 5
    assert last[25:35, 66:76, 0].mean() > 110 > 90 > last[25:35, 66:76, 2].mean()
    assert (pixels == 100).all()
