"""Climbing an embedder: the crop of each place is to lie nearer to a direction, such as that of a text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from amogus_search.core.types import Boxes
from amogus_search.dreaming.ascent import Glance
from amogus_search.dreaming.looking import as_tensor, crops, seen
from amogus_search.dreaming.places import best_apart
from amogus_search.dreaming.shaping import Field

_SIDES = (0.0, 0.5, 1.0)
"""Windows that are tried as places have these sides, from the smallest allowed (0) to the largest (1)."""
_STRIDE = 0.5
"""Of neighbouring windows, as a share of their side."""
_BATCH = 16


class DirectionObjective:
    """An image tower as an `ascent.Objective`.

    Args:
        tower: (n, 3, side, side) crops in 0..1 -> (n, d) unit vectors.
        side_px: of its crops.
        direction: (d,) unit vector to go to.
    """

    def __init__(
        self, tower: Callable[[torch.Tensor], torch.Tensor], side_px: int, direction: NDArray[np.float32]
    ) -> None:
        self._tower, self._side_px = tower, side_px
        self._direction = torch.from_numpy(np.ascontiguousarray(direction, np.float32))

    def places(self, picture: Field, count: int, sides: tuple[float, float]) -> Boxes:
        """Square windows that lie apart and nearest to the direction."""
        height, width = picture.shape[:2]
        windows = square_windows((width, height), sides)
        view = as_tensor(picture)
        with torch.no_grad():
            parts = [
                self._similarity(view, windows[start : start + _BATCH]).numpy()
                for start in range(0, len(windows), _BATCH)
            ]
        return best_apart(windows, np.concatenate(parts), count, (0.0, float("inf")))

    def __call__(self, picture: Field, glance: Glance) -> tuple[float, Field]:
        """The sum of the places' similarities."""
        if not len(glance.boxes):
            return 0.0, np.zeros_like(picture)
        leaf = as_tensor(picture).requires_grad_(True)
        view, places = seen(leaf, glance)
        similarity = self._similarity(view, places).sum()
        similarity.backward()
        assert leaf.grad is not None
        return float(similarity.detach()), np.asarray(leaf.grad[0].numpy().transpose(1, 2, 0), np.float32)

    def _similarity(self, view: torch.Tensor, places: Boxes) -> torch.Tensor:
        return self._tower(crops(view, places, self._side_px)) @ self._direction


def square_windows(size_wh: tuple[int, int], sides: tuple[float, float]) -> Boxes:
    """(n, 4) windows of three sizes in a grid; one at least."""
    found = []
    for share in _SIDES:
        side = min(sides[0] + share * (sides[1] - sides[0]), *size_wh)
        across, down = (_starts(length, side) for length in size_wh)
        found += [(x, y, x + side, y + side) for y in down for x in across]
    return np.asarray(found, np.float32)


def _starts(length: int, side: float) -> NDArray[np.float64]:
    count = int(np.ceil((length - side) / (side * _STRIDE))) + 1
    return np.linspace(0, length - side, max(1, count))
