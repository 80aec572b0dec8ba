"""Several objectives as one: a detector for the shape and a text for the looks, say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amogus_search.core.types import Boxes
from amogus_search.dreaming.ascent import FORGETTING, Glance, Objective
from amogus_search.dreaming.shaping import Field


class Together:
    """The sum of objectives, each pulling as strongly as the others when it pulls most; an `ascent.Objective`.

    Args:
        objectives: the first one chooses the places.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = tuple(objectives)
        self._strongest = [0.0] * len(self._objectives)

    def places(self, picture: Field, count: int, sides: tuple[float, float]) -> Boxes:
        """Those of the first objective."""
        return self._objectives[0].places(picture, count, sides)

    def __call__(self, picture: Field, glance: Glance) -> tuple[float, Field]:
        """The sum of the scores, and that of the gradients after each was scaled."""
        score, gradient = 0.0, np.zeros_like(picture)
        for number, objective in enumerate(self._objectives):
            own_score, own = objective(picture, glance)
            pull = float(np.sqrt(np.square(own, dtype=np.float64).mean()))
            self._strongest[number] = max(pull, FORGETTING * self._strongest[number])
            score += own_score
            gradient += own / np.float32(self._strongest[number] or 1.0)
        return score, gradient
