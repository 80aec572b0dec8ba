"""From a finding to a back end's job and back: the crop at the size it likes, and its answer laid into the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.core.colours import Colour, nearest_name
from amogus_search.core.conversion import SEEN, Conversion, Job, filled_prompt
from amogus_search.core.cropping import Window, crop_window, cut, to_crop
from amogus_search.core.figure import Figure, Fitter, Points, Pose
from amogus_search.core.persons import beyond_picture, clothes_colour
from amogus_search.core.types import Pixels
from amogus_search.pipeline.masks import Mask, soft_mask
from amogus_search.pipeline.resize import resize

_BORDER = 0.03
"""Share of the window's side over which a change fades out at a border that is not the picture's own."""
_ROOM = 0.1
"""Context beyond where a mask ends, as a share of the box."""
_LEAST_ROOM_PX = 4
"""Context of the smallest boxes, in pixels: there must be room for a mask to end."""


@dataclass(frozen=True, eq=False)
class Target:
    """One thing to convert.

    box_xyxy:   (4,) float32, pixels of the upright picture
    keypoints:  name -> x, y in the same frame, visibility 0..1
    evidence:   part -> 0..1
    occluders:  polygons in the same frame that stand in front and stay
    confidence, amogusness: of the finding; None where nobody said
    """

    box_xyxy: NDArray[np.float32]
    keypoints: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    evidence: Mapping[str, float] = field(default_factory=dict)
    occluders: tuple[Points, ...] = ()
    confidence: float | None = None
    amogusness: float | None = None


@dataclass(frozen=True, eq=False)
class Spot:
    """A target in its window of a picture. Geometry is in pixels of the window.

    crop:   (h, w, 3) uint8, the picture as it is before this spot is converted
    mask:   (h, w) float32 0..1
    colour: that was asked for, or that a person wears; None: what the crop suggests
    """

    target: Target
    window: Window
    crop: Pixels
    mask: Mask
    figure: Figure
    box_xyxy: NDArray[np.float32]
    colour: Colour | None
    colour_name: str
    prompt: str
    negative_prompt: str


def window_of(target: Target, size_wh: tuple[int, int], conversion: Conversion) -> Window:
    """What of the picture a back end sees: the box with its context, and all that the mask may reach."""
    mask = conversion.mask
    x1, y1, x2, y2 = (float(value) for value in target.box_xyxy)
    least = _LEAST_ROOM_PX / max(x2 - x1, y2 - y1, 1.0)
    return crop_window(target.box_xyxy, size_wh, max(conversion.pad, mask.dilate + mask.feather + _ROOM, least))


def spot_of(
    pixels: Pixels, target: Target, conversion: Conversion, fit: Fitter, seed: int, *, original: Pixels | None = None
) -> Spot:
    """The target with its crop, its figure and its mask.

    Args:
        pixels: the picture as it is now.
        target: what is to be converted.
        conversion: how.
        fit: lays the figure into the keypoints.
        seed: decides what the keypoints leave open; the first try's.
        original: the picture before anything in it was converted; None: it is the same.
    """
    height, width = pixels.shape[:2]
    window = window_of(target, (width, height), conversion)
    crop = cut(pixels, window)
    pose = _pose(target, (width, height), conversion)
    figure = fit(pose, seed).moved(1.0, (-window[0], -window[1]))
    box = to_crop(target.box_xyxy, window)
    occluders = [polygon - window[:2] for polygon in target.occluders]
    mask = soft_mask(conversion.mask, box, figure, (crop.shape[1], crop.shape[0]), occluders)
    mask = mask * _within(window, (width, height))
    wish = conversion.wish
    colour = wish.colour
    if colour is None and conversion.target == "person":
        colour = clothes_colour(crop if original is None else cut(original, window), pose.box_xyxy - _corner(window))
    name = _colour_name(colour, crop, figure)
    return Spot(
        target,
        window,
        crop,
        mask,
        figure,
        box,
        colour,
        name,
        filled_prompt(wish.prompt, name, target.evidence),
        filled_prompt(wish.negative_prompt, name, target.evidence),
    )


def _pose(target: Target, size_wh: tuple[int, int], conversion: Conversion) -> Pose:
    """Box and keypoints; a person's box goes on where the picture's border cuts it off."""
    if conversion.target != "person":
        return Pose(target.box_xyxy, target.keypoints)
    ankles = (target.keypoints.get(name, (0.0, 0.0, 0.0))[2] for name in ("left_ankle", "right_ankle"))
    whole = beyond_picture(target.box_xyxy, size_wh, has_feet=any(seen >= SEEN for seen in ankles))
    return Pose(whole, target.keypoints)


def _corner(window: Window) -> NDArray[np.float32]:
    """The window's upper left corner, for both corners of a box."""
    return np.array([window[0], window[1]] * 2, np.float32)


def job_of(spot: Spot, conversion: Conversion, side_px: int | None, seed: int) -> Job:
    """What a back end gets: the crop at the size it likes, all geometry with it.

    Args:
        spot: see there.
        conversion: strength, steps and the like, and a working size of the user's choice.
        side_px: of the square crops that the back end likes; None: any.
        seed: of this try.
    """
    work = _Work.of(spot.crop.shape[1], spot.crop.shape[0], conversion.size_px or side_px, square=side_px is not None)
    keypoints = {
        name: (
            (x - spot.window[0]) * work.factor + work.left,
            (y - spot.window[1]) * work.factor + work.top,
            visibility,
        )
        for name, (x, y, visibility) in spot.target.keypoints.items()
    }
    shift = np.array([work.left, work.top] * 2, np.float32)
    wish = conversion.wish
    return Job(
        crop=work.enter(spot.crop),
        mask=np.clip(work.enter(spot.mask), 0, 1),
        box_xyxy=np.asarray(spot.box_xyxy * work.factor + shift, np.float32),
        figure=spot.figure.moved(work.factor, (work.left, work.top)),
        keypoints=keypoints,
        evidence=spot.target.evidence,
        colour=spot.colour,
        strength=wish.strength,
        seed=seed,
        prompt=spot.prompt,
        negative_prompt=spot.negative_prompt,
        steps=wish.steps,
        guidance=wish.guidance,
    )


def laid_in(spot: Spot, answer: Pixels, conversion: Conversion, side_px: int | None) -> Pixels:
    """The spot's crop, at its own size, with the answer where the mask lets it through; elsewhere not a bit differs."""
    work = _Work.of(spot.crop.shape[1], spot.crop.shape[0], conversion.size_px or side_px, square=side_px is not None)
    new = work.leave(answer).astype(np.float32)
    mixed = spot.crop + spot.mask[..., None] * (new - spot.crop)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


@dataclass(frozen=True)
class _Work:
    """How a crop becomes a working crop: scaled by `factor`, then padded by mirroring where it is no square."""

    width: int
    height: int
    factor: float = 1.0
    left: int = 0
    top: int = 0
    side: int | None = None

    @classmethod
    def of(cls, width: int, height: int, size_px: int | None, *, square: bool) -> _Work:
        one = cls(width, height)
        if size_px is None:
            return one
        one = replace(one, factor=size_px / max(width, height))
        if not square:
            return one
        inner_w, inner_h = one.inner
        return replace(one, left=(size_px - inner_w) // 2, top=(size_px - inner_h) // 2, side=size_px)

    @property
    def inner(self) -> tuple[int, int]:
        return max(1, round(self.width * self.factor)), max(1, round(self.height * self.factor))

    def enter(self, layer: Any) -> Any:
        """A crop or mask at working size."""
        if self.factor != 1.0:
            layer = _scaled(layer, self.inner)
        if self.side is None or self.inner == (self.side, self.side):
            return layer
        right, bottom = self.side - self.left - self.inner[0], self.side - self.top - self.inner[1]
        # Nothing may change in what is only there to make a square.
        mode: Literal["edge", "reflect"] = (
            "edge" if min(self.inner) < max(self.left, self.top, right, bottom) + 1 else "reflect"
        )
        pads = ((self.top, bottom), (self.left, right), (0, 0))
        if layer.ndim == 2:
            return np.pad(layer, pads[:2])
        return np.pad(layer, pads, mode=mode)

    def leave(self, answer: Pixels) -> Pixels:
        """A back end's answer at the crop's own size."""
        inner_w, inner_h = self.inner
        inside = answer[self.top : self.top + inner_h, self.left : self.left + inner_w]
        return inside if self.factor == 1.0 else np.asarray(_scaled(inside, (self.width, self.height)), np.uint8)


def _scaled(layer: Any, size_wh: tuple[int, int]) -> Any:
    if layer.dtype == np.uint8 and size_wh[0] < layer.shape[1]:
        return resize(np.asarray(layer, np.uint8), size_wh)
    method = cv2.INTER_AREA if size_wh[0] < layer.shape[1] else cv2.INTER_CUBIC
    if layer.ndim == 2 and method == cv2.INTER_CUBIC:
        method = cv2.INTER_LINEAR  # a mask must not overshoot
    return np.asarray(cv2.resize(np.ascontiguousarray(layer), size_wh, interpolation=method), layer.dtype)


def _within(window: Window, size_wh: tuple[int, int]) -> Mask:
    """1, falling to 0 at those borders of the window that lie within the picture: no mask may end in a cut."""
    left, top, right, bottom = window
    ramp_px = max(1.0, _BORDER * max(right - left, bottom - top))
    across = _ramp(right - left, ramp_px, at_start=left > 0, at_end=right < size_wh[0])
    down = _ramp(bottom - top, ramp_px, at_start=top > 0, at_end=bottom < size_wh[1])
    return np.asarray(np.minimum(across[None, :], down[:, None]), np.float32)


def _ramp(length: int, ramp_px: float, *, at_start: bool, at_end: bool) -> NDArray[np.float32]:
    place = np.arange(length, dtype=np.float32)
    rising = np.clip(place / ramp_px, 0, 1) if at_start else np.ones(length, np.float32)
    falling = np.clip((length - 1 - place) / ramp_px, 0, 1) if at_end else np.ones(length, np.float32)
    return np.asarray(np.minimum(rising, falling), np.float32)


def _colour_name(colour: Colour | None, crop: Pixels, figure: Figure) -> str:
    """Of the colour that it shall have, else the everyday name of what is there."""
    if colour is not None:
        return nearest_name(colour)
    inside = figure.silhouette((crop.shape[1], crop.shape[0])) > 0.5
    seen = crop[inside] if inside.any() else crop.reshape(-1, 3)
    red, green, blue = (int(value) for value in np.median(seen, axis=0))
    return nearest_name((red, green, blue))
