"""The parametric crewmate: outline polygons and keypoints from a few named numbers.

Unit frame of everything here: x to the right with 0 in the body's middle, y down, head top at 0 and
soles at 1 (hats rise above 0). One unit is therefore the height of the crewmate without its hat.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.builds import BUILDS
from amogus_search.synth.hats import HATS, hat_polygons

KEYPOINT_NAMES = ("head", "visor_left", "visor_right", "backpack", "crotch", "foot_left", "foot_right")
FLIP_IDX = (0, 2, 1, 3, 4, 6, 5)
ABSENT, HIDDEN, VISIBLE = 0.0, 1.0, 2.0

Facing = Literal["left", "right", "front", "back"]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Crewmate:
    """One crewmate's proportions; lengths in units of its height unless said otherwise.

    Args:
        body_width: width of the hips.
        taper: head width / hip width.
        dome_height: height of the rounded head.
        head_power: superellipse exponent of the head; 2 is round, 6 is boxy.
        leg_length: from the crotch to the soles.
        leg_gap: distance between the legs / body_width.
        leg_spread: how far each foot stands out sideways.
        leg_step: how much higher the picture-right (positive) or picture-left foot stands.
        foot_power: superellipse exponent of the legs; 2 is round, 8 is square.
        feet_visible: False if the ground swallows the feet and most of the legs.
        visor_x: visor centre from the middle towards the front / body_width; the backpack's centre in a back view.
        visor_y: visor centre.
        visor_width: visor width / body_width.
        visor_height: visor height.
        visor_power: superellipse exponent of the visor.
        facing: the picture's left or right, to the viewer or away from it.
        backpack_width: depth of the backpack / body_width; 0 for none.
        backpack_y: top of the backpack.
        backpack_height: height of the backpack.
        hat: a name of `hats.HATS`, or None.
        lean: sideways shear, x per y.
        wobble: amplitude of a smooth hand-drawn distortion.
        wobble_phase: which distortion, in radians.
    """

    body_width: float = 0.62
    taper: float = 0.92
    dome_height: float = 0.34
    head_power: float = 2.4
    leg_length: float = 0.22
    leg_gap: float = 0.22
    leg_spread: float = 0.0
    leg_step: float = 0.0
    foot_power: float = 4.0
    feet_visible: bool = True
    visor_x: float = 0.2
    visor_y: float = 0.28
    visor_width: float = 0.62
    visor_height: float = 0.19
    visor_power: float = 2.6
    facing: Facing = "right"
    backpack_width: float = 0.22
    backpack_y: float = 0.28
    backpack_height: float = 0.4
    hat: str | None = None
    lean: float = 0.0
    wobble: float = 0.0
    wobble_phase: float = 0.0

    @property
    def front(self) -> int:
        """+1 if the front is the picture's right, else -1."""
        return -1 if self.facing == "left" else 1


@dataclass(frozen=True)
class Outline:
    """Polygons by part and keypoints, in the unit frame.

    parts: part name -> polygons, each (k, 2); parts are torso, legs, visor, glint, backpack, hat
    keypoints: (7, 3) x, y, visibility in the order of KEYPOINT_NAMES
    pack_in_front: whether the backpack covers the body instead of standing behind it
    """

    parts: Mapping[str, tuple[Points, ...]]
    keypoints: Points
    pack_in_front: bool = False


def superellipse(cx: float, cy: float, rx: float, ry: float, power: float, points: int = 40) -> Points:
    """A closed rounded shape, (points, 2)."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    x = np.sign(cos) * np.abs(cos) ** (2 / power)
    y = np.sign(sin) * np.abs(sin) ** (2 / power)
    return np.stack([cx + rx * x, cy + ry * y], axis=1)


def crewmate_outline(crewmate: Crewmate) -> Outline:
    """The crewmate's polygons and keypoints."""
    c = crewmate
    parts: dict[str, tuple[Points, ...]] = {
        "backpack": _backpack(c),
        "legs": tuple(_leg(c, side) for side in (-1, 1)),
        "torso": (_torso(c),),
        "visor": () if c.facing == "back" else (_visor(c),),
        "glint": () if c.facing == "back" else (_glint(c),),
        "hat": hat_polygons(c.hat, c.body_width * c.taper),
    }
    bent = {name: tuple(_bend(c, p) for p in polygons) for name, polygons in parts.items()}
    keypoints = _keypoints(c)
    keypoints[:, :2] = _bend(c, keypoints[:, :2])
    return Outline(bent, keypoints, pack_in_front=c.facing == "back")


def _torso(c: Crewmate) -> Points:
    top = superellipse(0, c.dome_height, c.body_width * c.taper / 2, c.dome_height, c.head_power, 48)[24:]
    hip_y = 1 - c.leg_length
    bottom = superellipse(0, hip_y - 0.1, c.body_width / 2, 0.1, 4.0, 48)[:24]
    return np.concatenate([top, bottom])


def _leg_x(c: Crewmate, side: int) -> tuple[float, float]:
    """Centre and half width of one leg."""
    half = c.body_width / 2
    inner = half * c.leg_gap
    return side * (inner + half) / 2, (half - inner) / 2


def _foot_y(c: Crewmate, side: int) -> float:
    sunk = 0.0 if c.feet_visible else 0.7 * c.leg_length
    return 1.0 - max(sunk, c.leg_step * side)


def _leg(c: Crewmate, side: int) -> Points:
    x, rx = _leg_x(c, side)
    top, foot = 1 - c.leg_length - 0.16, _foot_y(c, side)
    leg = superellipse(x, (top + foot) / 2, rx, (foot - top) / 2, max(c.foot_power, 2.5))
    leg[:, 0] += side * c.leg_spread * np.clip((leg[:, 1] - top) / (foot - top), 0, 1)
    return leg


def _visor(c: Crewmate) -> Points:
    x = c.front * c.visor_x * c.body_width
    return superellipse(x, c.visor_y, c.visor_width * c.body_width / 2, c.visor_height / 2, c.visor_power)


def _glint(c: Crewmate) -> Points:
    rx, ry = c.visor_width * c.body_width / 2, c.visor_height / 2
    x = c.front * c.visor_x * c.body_width + c.front * rx * 0.22
    return superellipse(x, c.visor_y - ry * 0.36, rx * 0.48, ry * 0.3, c.visor_power, 20)


def _backpack(c: Crewmate) -> tuple[Points, ...]:
    if c.backpack_width <= 0:
        return ()
    x, rx = _backpack_x(c)
    return (superellipse(x, c.backpack_y + c.backpack_height / 2, rx, c.backpack_height / 2, 3.5),)


def _backpack_x(c: Crewmate) -> tuple[float, float]:
    """Centre and half width; it sticks out behind, and lies on the middle of a back view."""
    if c.facing == "back":
        return c.visor_x * c.body_width, c.body_width * (0.22 + 0.6 * c.backpack_width)
    depth = c.backpack_width * c.body_width
    # the inner part lies behind the body, so that no gap opens at round heads
    return -c.front * (c.body_width / 2 + depth / 2 - 0.06), depth / 2 + 0.06


def _keypoints(c: Crewmate) -> Points:
    visor_x = c.front * c.visor_x * c.body_width
    rx = c.visor_width * c.body_width / 2
    visor = ABSENT if c.facing == "back" else VISIBLE
    pack = VISIBLE if c.backpack_width > 0 else ABSENT
    pack_x = -c.front * c.body_width * (1 + c.backpack_width) / 2 if c.facing != "back" else c.visor_x * c.body_width
    feet = VISIBLE if c.feet_visible else HIDDEN
    rows = [
        (0.0, 0.01, VISIBLE),
        (visor_x - rx, c.visor_y, visor),
        (visor_x + rx, c.visor_y, visor),
        (pack_x, c.backpack_y + c.backpack_height / 2, pack),
        (0.0, 1 - c.leg_length, VISIBLE),
        (_leg_x(c, -1)[0] - c.leg_spread, _foot_y(c, -1) - 0.01, feet),
        (_leg_x(c, 1)[0] + c.leg_spread, _foot_y(c, 1) - 0.01, feet),
    ]
    return np.array(rows, dtype=np.float64)


def _bend(c: Crewmate, points: Points) -> Points:
    """Leaning and wobbling, the same for all parts so that they stay together."""
    x, y = points[:, 0], points[:, 1]
    phase, a = c.wobble_phase, c.wobble
    bent_x = x + c.lean * (0.6 - y) + a * (np.sin(5 * y + phase) + 0.6 * np.sin(9 * x + 11 * y + 2 * phase))
    bent_y = y + a * (np.sin(6 * x + 3 * phase) + 0.6 * np.sin(12 * x - 8 * y + phase))
    return np.stack([bent_x, bent_y], axis=1)


def random_crewmate(rng: np.random.Generator, kind: str | None = None) -> Crewmate:
    """A crewmate of random build.

    Args:
        rng: the source of randomness.
        kind: "game", "squat", "tall", "boxy" or "any"; None draws one.
    """
    kind = kind or str(rng.choice(["game", "squat", "tall", "boxy", "any"], p=[0.5, 0.14, 0.08, 0.08, 0.2]))
    base = dict(BUILDS[kind])
    values = {name: float(rng.uniform(low, high)) for name, (low, high) in base.items()}
    facing: Facing = _FACINGS[int(rng.choice(4, p=[0.37, 0.36, 0.14, 0.13]))]
    values["visor_y"] = max(values["visor_y"], values["visor_height"] / 2 + 0.05)
    if facing in ("left", "right") and rng.random() < 0.22:
        _turn_to_profile(values, rng)
    if facing == "back":
        turned = 0.32 if rng.random() < 0.5 else 0.16
        values["visor_x"] = float(rng.uniform(-turned, turned))
    if facing == "front":
        values["visor_x"] = float(rng.uniform(-0.06, 0.06))
        values["visor_width"] = float(rng.uniform(0.5, 0.85))
    bare = rng.random() < (0.65 if facing == "front" else 0.25)
    values["backpack_width"] = 0.0 if bare and facing != "back" else values["backpack_width"]
    values["leg_step"] = float(rng.uniform(-0.14, 0.14)) if rng.random() < 0.4 else 0.0
    values["leg_step"] *= min(1.0, values["leg_length"] / 0.2)
    if rng.random() < 0.12:  # walking: the legs apart
        values["leg_spread"] = float(rng.uniform(0.03, 0.13))
    values["lean"] = float(rng.normal(0, 0.05))
    values["wobble"] = float(abs(rng.normal(0, 0.006)))
    values["wobble_phase"] = float(rng.uniform(0, 6.28))
    hat = str(rng.choice(HATS)) if rng.random() < 0.22 else None
    return Crewmate(facing=facing, hat=hat, feet_visible=bool(rng.random() > 0.06), **values)


def _turn_to_profile(values: dict[str, float], rng: np.random.Generator) -> None:
    """A full side view: the body narrows, the visor moves to its edge, the backpack shows its depth."""
    values["body_width"] *= float(rng.uniform(0.75, 1.0))
    values["visor_width"] = float(rng.uniform(0.18, 0.48))
    values["visor_x"] = float(rng.uniform(0.3, 0.46))
    values["backpack_width"] = float(rng.uniform(0.2, 0.5))
    values["leg_gap"] *= float(rng.uniform(0.3, 1.0))


_FACINGS: tuple[Facing, ...] = ("left", "right", "front", "back")
