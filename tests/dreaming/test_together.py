"""Objectives that pull together."""

import numpy as np

from amogus_search.dreaming.ascent import Glance
from amogus_search.dreaming.together import Together

GLANCE = Glance(np.asarray([[0, 0, 5, 5]], np.float32))


class Pulls:
    """A constant gradient that grows weaker by the given factor each time."""

    def __init__(self, gradient, fade=1.0):
        self.gradient, self.fade = np.asarray(gradient, np.float32), fade

    def places(self, picture, count, sides):
        return np.full((count, 4), self.gradient[0], np.float32)

    def __call__(self, picture, glance):
        pulled = np.broadcast_to(self.gradient, picture.shape).copy()
        self.gradient = self.gradient * np.float32(self.fade)
        return 1.0, pulled


def test_a_weak_one_pulls_as_strongly_as_a_strong_one():
    picture = np.zeros((5, 5, 3), np.float32)
    score, gradient = Together([Pulls([1000, 0, 0]), Pulls([0, 0.001, 0])])(picture, GLANCE)
    assert score == 2
    np.testing.assert_allclose(gradient[0, 0, 0], gradient[0, 0, 1])
    assert gradient[0, 0, 2] == 0


def test_one_that_is_satisfied_lets_the_other_have_its_way():
    picture, both = np.zeros((5, 5, 3), np.float32), Together([Pulls([1, 0, 0], 0.5), Pulls([0, 1, 0])])
    for _ in range(5):
        _, gradient = both(picture, GLANCE)
    assert gradient[0, 0, 0] < 0.2 * gradient[0, 0, 1]


def test_the_first_one_chooses_the_places():
    assert (
        Together([Pulls([7, 0, 0]), Pulls([3, 0, 0])]).places(np.zeros((5, 5, 3)), 2, (1, 2)).tolist() == [[7] * 4] * 2
    )
