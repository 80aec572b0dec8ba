"""No detector at all: an index of whole pictures, to be searched by words and by pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections


class NoDetector:
    """Finds nothing, whatever it is shown; `looks_nowhere` says that it need not be shown anything."""

    name = "none"
    fingerprint = "none"
    tile_px = 640
    batch = 1
    motif = Motif("none")
    calibration: str | None = None
    looks_nowhere = True

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        """No findings in each of (b, height, width, 3) uint8 RGB tiles."""
        return [Detections.none() for _ in tiles]
