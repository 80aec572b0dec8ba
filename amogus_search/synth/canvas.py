"""A picture that remembers which pixels show which amogus."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.compose import Placed, blend_into, overlap_slices
from amogus_search.synth.crewmate import HIDDEN, VISIBLE
from amogus_search.synth.sprite import Rgb, SpriteAttributes

# An amogus of which less is to be seen is not planted, rather than shown without a label.
LEAST_VISIBLE = 0.45


@dataclass(frozen=True, eq=False)
class Planted:
    """One amogus: keypoints (7, 3) in picture pixels and the size of its whole shape in pixels."""

    keypoints: NDArray[np.float32]
    area_px: int
    attributes: SpriteAttributes


class Canvas:
    """The picture being painted and an owner map: 0 ground, i + 1 the i-th amogus.

    Args:
        image: (h, w, 3) uint8, painted in place.
    """

    def __init__(self, image: Rgb) -> None:
        self.image = image
        self.owner = np.zeros(image.shape[:2], np.int16)
        self.items: list[Planted] = []

    def fits(self, placed: Placed, max_overlap: float) -> bool:
        """Whether the sprite would be visible enough, and would leave all others so."""
        slices = overlap_slices(self.image.shape, placed)
        if slices is None:
            return False
        solid = placed.shape > 127
        inside = solid[slices[1]]
        if inside.sum() < max(4.0, LEAST_VISIBLE * solid.sum()):
            return False
        return self._spares(slices[0], inside, max_overlap)

    def _spares(self, outer: tuple[slice, slice], solid: NDArray[np.bool_], max_overlap: float) -> bool:
        """Whether painting `solid` leaves enough of everything planted there."""
        loss = np.bincount(self.owner[outer][solid], minlength=len(self.items) + 1)
        for index in np.flatnonzero(loss[1:]):
            item = self.items[int(index)]
            seen = int((self.owner == index + 1).sum()) - int(loss[index + 1])
            if seen < LEAST_VISIBLE * item.area_px or loss[index + 1] > max_overlap * item.area_px:
                return False
        return True

    def add(
        self,
        placed: Placed,
        keypoints: NDArray[np.float32] | None = None,
        attributes: SpriteAttributes | None = None,
        least_change: float = 0.0,
    ) -> bool:
        """Paint the sprite, and record it if it has keypoints.

        Returns False, with nothing recorded, if it could not be seen: if the picture under it changed by less than
        `least_change` times what plain noise and the ground's own pattern would hide.
        """
        change = blend_into(self.image, placed)
        if keypoints is None or attributes is None:
            return True
        slices = overlap_slices(self.image.shape, placed)
        if slices is None or change < least_change:
            return False
        solid = placed.shape > 127
        self.items.append(Planted(keypoints, int(solid.sum()), attributes))
        self.owner[slices[0]][solid[slices[1]]] = len(self.items)
        return True

    def cover(self, placed: Placed, max_overlap: float) -> bool:
        """Paint something in front, unless it would hide too much of an amogus."""
        slices = overlap_slices(self.image.shape, placed)
        if slices is None:
            return False
        solid = placed.shape[slices[1]] > 127
        if not self._spares(slices[0], solid, max_overlap):
            return False
        blend_into(self.image, placed)
        self.owner[slices[0]][solid] = 0
        return True

    def box(self, index: int) -> NDArray[np.float32]:
        """(4,) float32 xyxy around the visible pixels of one amogus."""
        x, y, w, h = cv2.boundingRect((self.owner == index + 1).astype(np.uint8))
        return np.array([x, y, x + w, y + h], np.float32)

    def truth(self) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[SpriteAttributes, ...]]:
        """Boxes (n, 4), keypoints (n, 7, 3) and attributes of all amogi."""
        boxes = [self.box(index) for index in range(len(self.items))]
        points = [self._keypoints(index) for index in range(len(self.items))]
        return (
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(points, np.float32).reshape(-1, 7, 3),
            tuple(item.attributes for item in self.items),
        )

    def _keypoints(self, index: int) -> NDArray[np.float32]:
        """Keypoints with visibility as seen: gone outside the picture, hidden where something else is in front."""
        height, width = self.image.shape[:2]
        points = self.items[index].keypoints.copy()
        x1, y1, x2, y2 = (float(edge) for edge in self.box(index))
        for row in points:
            x, y = float(row[0]), float(row[1])
            if row[2] == 0 or not (0 <= x < width and 0 <= y < height):
                row[:] = 0
                continue
            near = self.owner[max(0, int(y) - 1) : int(y) + 2, max(0, int(x) - 1) : int(x) + 2]
            if row[2] == VISIBLE and not (near == index + 1).any():
                # the crotch of wide-legged ones lies on bare ground, which hides nothing
                row[2] = VISIBLE if not near.any() and x1 < x < x2 and y1 < y < y2 and row is points[4] else HIDDEN
        return points
