"""Hats as polygons in the crewmate's unit frame: the head's top is at (0, 0), y grows downwards."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_ANGLE = np.linspace(0, 2 * np.pi, 20, endpoint=False)


def _disc(x: float, y: float, rx: float, ry: float) -> Points:
    return np.stack([x + rx * np.cos(_ANGLE), y + ry * np.sin(_ANGLE)], axis=1)


def _poly(*points: tuple[float, float]) -> Points:
    return np.array(points, dtype=np.float64)


def _rect(x0: float, y0: float, x1: float, y1: float) -> Points:
    return _poly((x0, y0), (x1, y0), (x1, y1), (x0, y1))


# Each for a head of width 1; y is scaled with the head's width too.
_SHAPES: dict[str, tuple[Points, ...]] = {
    "top hat": (_rect(-0.3, -0.42, 0.3, 0.08), _rect(-0.5, 0.0, 0.5, 0.1)),
    "sprout": (_disc(-0.17, -0.22, 0.19, 0.09), _disc(0.17, -0.24, 0.19, 0.09), _rect(-0.03, -0.22, 0.03, 0.06)),
    "party hat": (_poly((-0.26, 0.1), (0.0, -0.5), (0.26, 0.1)),),
    "crown": (
        _poly((-0.34, 0.12), (-0.38, -0.2), (-0.17, -0.04), (0, -0.26), (0.17, -0.04), (0.38, -0.2), (0.34, 0.12)),
    ),
    "block": (_rect(-0.24, -0.26, 0.24, 0.08),),
    "antenna": (_rect(-0.025, -0.3, 0.025, 0.05), _disc(0, -0.32, 0.08, 0.08)),
    "ears": (_poly((-0.42, 0.22), (-0.38, -0.2), (-0.1, 0.06)), _poly((0.42, 0.22), (0.38, -0.2), (0.1, 0.06))),
    "horns": (_poly((-0.4, 0.2), (-0.48, -0.16), (-0.2, 0.08)), _poly((0.4, 0.2), (0.48, -0.16), (0.2, 0.08))),
    "cap": (
        _poly((-0.42, 0.16), (-0.34, -0.06), (0, -0.14), (0.34, -0.06), (0.42, 0.16)),
        _disc(0.3, 0.15, 0.36, 0.05),
    ),
    "flower": (
        *tuple(_disc(0.12 * np.cos(a), -0.16 + 0.12 * np.sin(a), 0.09, 0.09) for a in _ANGLE[::4]),
        _rect(-0.025, -0.1, 0.025, 0.08),
    ),
    "halo": (_disc(0, -0.22, 0.3, 0.07),),
    "chef hat": (_rect(-0.26, -0.2, 0.26, 0.1), _disc(-0.2, -0.26, 0.2, 0.16), _disc(0.2, -0.26, 0.2, 0.16)),
    "beanie": (
        _poly((-0.46, 0.24), (-0.38, -0.02), (0, -0.16), (0.38, -0.02), (0.46, 0.24)),
        _disc(0, -0.18, 0.1, 0.09),
    ),
    "mohawk": (
        _poly((-0.3, 0.1), (-0.2, -0.2), (-0.06, -0.1), (0.06, -0.28), (0.16, -0.1), (0.3, -0.18), (0.26, 0.1)),
    ),
}

HATS = tuple(_SHAPES)


def hat_polygons(name: str | None, head_width: float) -> tuple[Points, ...]:
    """The polygons, (k, 2) each, of the hat on a head of this width; none for None."""
    return tuple(shape * head_width for shape in _SHAPES[name]) if name else ()
