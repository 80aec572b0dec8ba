"""The parametric crewmate laid into what was found: its numbers from keypoints, and from the box where there are none.

A pose gives a frame (head top, direction of the axis, height); in it the keypoints are in the crewmate's own unit
frame, and each number of `Crewmate` is read off and held within what still looks like one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.figure import Figure, Points, Pose
from amogus_search.core.motif import Motif
from amogus_search.synth.crewmate import Crewmate, Facing, crewmate_outline

PERSON = Motif(
    "person",
    keypoint_names=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
        *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
        *("left_ankle", "right_ankle"),
    ),
    flip_idx=(0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15),
)
"""What pose models trained on COCO report of a person."""
SEEN = 0.5
"""Visibility from which a keypoint is believed."""
_LEAST_AXIS, _MOST_AXIS = 0.6, 1.08
"""Head to soles as a share of the box along the axis; keypoints that say otherwise are not believed."""
_ORDER = ("backpack", "legs", "torso", "hat", "visor", "glint")

_Unit = Mapping[str, tuple[float, float]]
"""Keypoint name -> place in the crewmate's unit frame; only those that are seen."""


@dataclass(frozen=True, eq=False)
class _Frame:
    """Where the unit frame lies: head top, unit vector upwards, height in pixels, width of what was found there."""

    origin: NDArray[np.float64]
    up: NDArray[np.float64]
    height: float
    width: float

    @property
    def right(self) -> NDArray[np.float64]:
        return np.array([-self.up[1], self.up[0]])

    def unit(self, xy: NDArray[np.float64]) -> tuple[float, float]:
        """A point of the picture in the unit frame."""
        away = (xy - self.origin) / self.height
        return float(away @ self.right), float(-(away @ self.up))

    def picture(self, points: Points) -> Points:
        """Points of the unit frame in the picture."""
        return self.origin + self.height * (points[:, :1] * self.right - points[:, 1:] * self.up)


def fit_crewmate(pose: Pose, seed: int = 0) -> Figure:
    """The crewmate that stands as the keypoints say; what they leave open, the seed decides."""
    frame = _frame(pose, _seen(pose))
    places = {name: frame.unit(xy) for name, xy in _seen(pose).items()}
    return _laid(_built(places, frame, np.random.default_rng(seed)), frame)


def fit_person(pose: Pose, seed: int = 0) -> Figure:
    """One giant crewmate over a person: wide enough for the arms, its legs where the person's are.

    Keypoints, if any, are those of COCO (`left_hip`, `right_ankle`, ...), left and right being the person's.
    """
    seen = _seen(pose)
    feet = [seen[name] for name in ("left_ankle", "right_ankle") if name in seen]
    hips = [seen[name] for name in ("left_hip", "right_hip") if name in seen]
    frame = _box_frame(pose)
    rng = np.random.default_rng(seed)
    facing: Facing = "left" if rng.random() < 0.5 else "right"
    nose, ears = seen.get("nose"), [seen[name] for name in ("left_ear", "right_ear") if name in seen]
    if nose is not None and ears:
        facing = "left" if nose[0] < np.mean([ear[0] for ear in ears]) else "right"
    aspect = frame.width / frame.height
    base = Crewmate(
        facing=facing,
        body_width=float(np.clip(aspect / 1.1, 0.5, 0.72)),
        leg_length=0.27,
        dome_height=0.3,
        visor_y=0.24,
        visor_x=0.22,
        visor_width=0.6,
    )
    if hips:
        # A crewmate's crotch is at a person's mid-thigh: the body reaches down over the hips.
        hip_y = float(np.mean([frame.unit(hip)[1] for hip in hips]))
        base = replace(base, leg_length=float(np.clip(1 - hip_y - 0.16, 0.2, 0.34)))
    if len(feet) == 2:
        (x0, y0), (x1, y1) = sorted(frame.unit(foot) for foot in feet)
        base = _standing(base, (x1 - x0) / 2, y0 - y1)
    return _laid(base, frame)


def _seen(pose: Pose) -> dict[str, NDArray[np.float64]]:
    return {name: np.array([x, y], np.float64) for name, (x, y, v) in pose.keypoints.items() if v >= SEEN}


def _box_frame(pose: Pose) -> _Frame:
    """Upright, as the box says."""
    x1, y1, x2, y2 = (float(v) for v in pose.box_xyxy)
    width, height = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    return _Frame(np.array([(x1 + x2) / 2, y1]), np.array([0.0, -1.0]), height, width)


def _frame(pose: Pose, seen: Mapping[str, NDArray[np.float64]]) -> _Frame:
    box = _box_frame(pose)
    feet = [seen[name] for name in ("foot_left", "foot_right") if name in seen]
    low = np.mean(feet, axis=0) if feet else seen.get("crotch")
    if "head" not in seen or low is None:
        return box
    axis = seen["head"] - low
    length = float(np.hypot(*axis))
    if length < 1e-6:
        return box
    up = axis / length
    across, along = abs(up[0]), abs(up[1])
    reach = across * box.width + along * box.height
    if not feet:  # from the crotch up it is four fifths of the height
        length *= 1.25
    # A box around a slanted figure is larger than the figure.
    reach = min(reach, float(np.hypot(box.width, box.height)))
    if not _LEAST_AXIS * reach <= length <= _MOST_AXIS * reach:
        return box
    height = length * 1.02  # keypoints lie a hundredth within the outline
    origin = seen["head"] + up * 0.01 * height
    return _Frame(origin, up, height, _width(box, height, across, along))


def _width(box: _Frame, height: float, across: float, along: float) -> float:
    """Width of a slanted figure in an upright box."""
    if along >= across:
        return max((box.width - across * height) / max(along, 0.7), 0.35 * height)
    return max((box.height - along * height) / max(across, 0.7), 0.35 * height)


def _built(places: _Unit, frame: _Frame, rng: np.random.Generator) -> Crewmate:
    facing = _facing(places, rng)
    width = frame.width / frame.height
    has_pack = facing != "front"
    body_width = float(np.clip(width / (1.2 if has_pack else 1.0), 0.46, 0.86))
    crewmate = Crewmate(facing=facing, body_width=body_width, backpack_width=0.24 if has_pack else 0.0)
    if facing == "front":
        crewmate = replace(crewmate, visor_x=0.0, visor_width=0.66)
    crewmate = _with_visor(crewmate, places)
    if "crotch" in places:
        crewmate = replace(crewmate, leg_length=float(np.clip(1 - places["crotch"][1], 0.15, 0.34)))
    if "foot_left" in places and "foot_right" in places:
        (x0, y0), (x1, y1) = places["foot_left"], places["foot_right"]
        crewmate = _standing(crewmate, (x1 - x0) / 2, y0 - y1)
    return crewmate


def _facing(places: _Unit, rng: np.random.Generator) -> Facing:
    """To the visor's side; else away from the backpack; else as the seed has it."""
    lean = 0.0
    if "visor_left" in places and "visor_right" in places:
        lean = (places["visor_left"][0] + places["visor_right"][0]) / 2
    if abs(lean) < 0.035 and "backpack" in places:
        lean = -places["backpack"][0]
    if abs(lean) < 0.035:
        lean = float(rng.choice((-1.0, 1.0)))
    return "right" if lean > 0 else "left"


def _with_visor(crewmate: Crewmate, places: _Unit) -> Crewmate:
    if "visor_left" not in places or "visor_right" not in places:
        return crewmate
    (x0, y0), (x1, y1) = places["visor_left"], places["visor_right"]
    width = float(np.clip(abs(x1 - x0) / crewmate.body_width, 0.5, 0.78))
    x = abs(x0 + x1) / 2 / crewmate.body_width
    # A visor that sticks out of the front is a beak.
    x = float(np.clip(x, 0.08, 0.56 - width / 2)) if crewmate.facing != "front" else 0.0
    y = float(np.clip((y0 + y1) / 2, 0.2, 0.38))
    return replace(crewmate, visor_x=x, visor_y=y, visor_width=width)


def _standing(crewmate: Crewmate, half_distance: float, step: float) -> Crewmate:
    """With legs apart as far as the feet are, and one higher than the other where it is."""
    half = crewmate.body_width / 2
    spread = half_distance - half * (1 + crewmate.leg_gap) / 2
    most = min(1.0, crewmate.leg_length / 0.2)
    step = float(np.clip(step, -0.1, 0.1)) * most
    return replace(crewmate, leg_spread=float(np.clip(spread, -0.04, 0.1)), leg_step=step)


def _laid(crewmate: Crewmate, frame: _Frame) -> Figure:
    outline = crewmate_outline(crewmate)
    parts = {
        name: tuple(frame.picture(polygon) for polygon in outline.parts[name])
        for name in _ORDER
        if outline.parts.get(name)
    }
    front = {"left": -1, "right": 1}.get(crewmate.facing, 0)
    return Figure(MappingProxyType(parts), frame.height, frame.up, front)
