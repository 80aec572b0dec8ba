"""What all embedders promise of their vectors, checked in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors
from amogus_search.errors import AmogusError


def unit_rows(raw: NDArray[np.floating], name: str) -> Vectors:
    """The rows at length one, (n, d) float32.

    Raises:
        AmogusError: a row is not finite or has no direction; such a vector would match everything or nothing.
    """
    rows = np.asarray(raw, np.float32)
    lengths = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1, keepdims=True))
    usable = np.isfinite(lengths) & (lengths > 1e-6)
    if not usable.all():
        raise AmogusError(
            f"the embedder {name} gave {int((~usable).sum())} of {len(rows)} vectors without a direction (NaN or zero)",
            "check its weights file; a half-precision checkpoint may need full precision",
        )
    return np.asarray(rows / lengths, np.float32)
