"""The back end without a model: a crewmate painted into the pose, in the light, blur and grain of its patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.blending import blend, blurred
from amogus_search.converters.layers import between_legs, layers_of
from amogus_search.converters.patch import Surroundings, cleared, grain, look, luminance
from amogus_search.converters.pixels import paint_cells
from amogus_search.converters.styles import STYLES, Painted, Scene
from amogus_search.core.conversion import Job
from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels
from amogus_search.errors import UsageError

VERSION = 1
"""Raised whenever the same job would be painted otherwise."""
AUTO, PIXEL = "auto", "pixel"
NAMES = (AUTO, *STYLES, PIXEL)
_PAINTED_PX = 200
"""Height at which a smaller figure is painted before it is reduced: details and soft edges for nothing."""
_MOST_PX = 640
"""Height at which a larger one is painted before it is enlarged."""
_MOST_BLUR = 0.02
"""Standard deviation of the blur of edges, as a share of the figure's height, that is believed beyond one pixel."""
_OPAQUE_FROM = 0.6
"""Strength from which the figure covers what was there; below, it fades in."""


class PaintConverter:
    """Paints crewmates; speaks `ports.Converter`.

    Args:
        style: one of `NAMES`; `auto` takes `pixel` in pixel art, `pencil` on paper, and else `shaded`.
    """

    side_px: int | None = None
    batch = 8
    parallel = 1

    def __init__(self, style: str = AUTO) -> None:
        if style not in NAMES:
            near = get_close_matches(style, NAMES, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"there is no style {style!r}", f"{meant}there are: {', '.join(NAMES)}")
        self.style = style
        self.name = "paint" if style == AUTO else f"paint:{style}"
        self.fingerprint = fingerprint({"paint": VERSION, "style": style})

    def convert(self, jobs: Sequence[Job]) -> list[Pixels]:
        """One picture a job, as large as its crop; never fails."""
        return [self._painted(job) for job in jobs]

    def _painted(self, job: Job) -> Pixels:
        height, width = job.crop.shape[:2]
        inside = job.figure.silhouette((width, height))
        patch = look(job.crop, inside, between_legs(job.figure, (width, height), inside))
        colour = body_colour(job, patch)
        style = self._chosen(patch)
        if style == PIXEL:
            return paint_cells(job, colour)
        return _set_in(job, patch, *_at_painting_size(job, inside, patch, colour, style))

    def _chosen(self, patch: Surroundings) -> str:
        if self.style != AUTO:
            return self.style
        return PIXEL if patch.pixel_art else "pencil" if patch.paper else "shaded"


def paint(argument: str, options: Mapping[str, str]) -> PaintConverter:
    """The converter for what the command line gives; `argument` is its style, and so may be an option.

    Raises:
        UsageError: there is no such option or style.
    """
    strangers = sorted(set(options) - {"style"})
    if strangers:
        raise UsageError(f"the back end paint has no option {strangers[0]!r}", "it has: style")
    return PaintConverter(options.get("style") or argument or AUTO)


def body_colour(job: Job, patch: Surroundings) -> NDArray[np.float32]:
    """(3,) RGB: what was asked for, else the region's own colour, a little more of it."""
    if job.colour is not None:
        return np.asarray(job.colour, np.float32)
    own = patch.colour
    grey = float(luminance(own[None])[0])
    if not patch.coloured:
        return np.asarray(own + (grey - own) * 0.3, np.float32).clip(24, 236)
    vivid = grey + (own - grey) * 1.2
    return np.asarray(vivid, np.float32).clip(8, 248)


def _at_painting_size(
    job: Job, inside: NDArray[np.float32], patch: Surroundings, colour: NDArray[np.float32], style: str
) -> tuple[Painted, NDArray[np.float32], float]:
    """The painted layers, the crop at their size, and that size's factor."""
    height, width = job.crop.shape[:2]
    unit = max(job.figure.height_px, 1.0)
    scale = max(1.0, _PAINTED_PX / unit) if unit < _MOST_PX else _MOST_PX / unit
    scale = min(scale, 2048 / max(height, width), 48.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # One factor for both directions would leave the figure off by the rounding of the size.
    scale = size[0] / width
    before = _picture(job.crop, size)
    if scale >= 1:
        ground = _picture(cleared(job.crop, inside, unit), size)
    else:
        reduced = np.asarray(np.rint(before), np.uint8)
        ground = cleared(reduced, _resized(inside, size), unit * scale).astype(np.float32)
    layers = layers_of(job.figure.moved(scale), size)
    scene = Scene(ground, layers, patch, colour, job.strength, np.random.default_rng(job.seed))
    return STYLES[style](scene), before, scale


def _picture(crop: Pixels, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    method = cv2.INTER_AREA if size_wh[0] < crop.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, size_wh, interpolation=method), np.float32)


def _set_in(job: Job, patch: Surroundings, painted: Painted, before: NDArray[np.float32], scale: float) -> Pixels:
    """The paint at the crop's own size, as blurred and as grainy as the crop, blended in."""
    height, width = job.crop.shape[:2]
    crop = job.crop.astype(np.float32)
    opacity = float(np.clip(job.strength / _OPAQUE_FROM, 0, 1))
    # A patch without a sharp edge in it need not be blurred.
    blur = min(patch.blur_px, 1 + _MOST_BLUR * job.figure.height_px) * scale
    change = _resized(blurred(painted.ground - before, blur), (width, height))
    alpha = _resized(blurred(painted.alpha, blur), (width, height))
    # Blurred with its coverage, so that what lies beyond the edge does not bleed in.
    paint = _resized(blurred(painted.paint * painted.alpha[..., None], blur), (width, height))
    paint = np.where(alpha[..., None] > 0.02, paint / np.maximum(alpha[..., None], 0.02), crop)
    paint = paint + _noise(job, patch, paint)
    levels = painted.levels if job.figure.height_px >= 48 else 0
    mixed = blend(crop + change, paint.astype(np.float32), np.clip(alpha, 0, 1), levels)
    result = crop + opacity * (mixed - crop)
    return np.asarray(np.clip(np.rint(result), 0, 255), np.uint8)


def _resized(picture: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    method = cv2.INTER_AREA if picture.shape[1] > size_wh[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size_wh, interpolation=method), np.float32)


def _noise(job: Job, patch: Surroundings, paint: NDArray[np.float32]) -> NDArray[np.float32]:
    """As much as the patch has more than the paint, mostly in brightness."""
    missing = np.sqrt(max(patch.grain**2 - grain(luminance(paint.astype(np.float32))) ** 2, 0.0))
    if missing < 0.3:
        return np.zeros_like(paint)
    rng = np.random.default_rng([job.seed, 1])
    grey = rng.standard_normal((*paint.shape[:2], 1)).astype(np.float32)
    colour = rng.standard_normal(paint.shape).astype(np.float32)
    return np.asarray(missing * (0.92 * grey + 0.4 * colour), np.float32)
