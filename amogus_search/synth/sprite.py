"""The records that styles make: painted layers and finished sprites."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.crewmate import Outline

Mask = NDArray[np.uint8]
Rgb = NDArray[np.uint8]
Rgba = NDArray[np.uint8]
Texture = NDArray[np.uint8]
Blend = Literal["normal", "multiply", "screen", "relief"]

_SHIFT = 4


@dataclass(frozen=True)
class SpriteAttributes:
    """What a caption may say about a sprite."""

    colour: str
    style: str
    backpack: bool
    hat: str | None
    facing: str
    build: str = "normal"


@dataclass(frozen=True, eq=False)
class Sprite:
    """One painted crewmate.

    rgba: (h, w, 4) uint8, not premultiplied
    shape: (h, w) uint8 coverage of the whole figure, also where a line drawing leaves the paper bare
    keypoints: (7, 3) float32 x, y in sprite pixels, visibility 0 absent, 1 hidden, 2 visible
    blend: how the colours meet the ground; in "relief" 128 leaves the ground as it is
    """

    rgba: Rgba
    shape: Mask
    keypoints: NDArray[np.float32]
    attributes: SpriteAttributes
    blend: Blend = "normal"


@dataclass(frozen=True, eq=False)
class Parts:
    """Coverage masks (h, w) uint8 of one outline at one size.

    `body` joins torso and legs, `shape` joins everything; `unit` is the crewmate's height in pixels.
    """

    torso: Mask
    legs: Mask
    visor: Mask
    glint: Mask
    backpack: Mask
    hat: Mask
    body: Mask
    shape: Mask
    keypoints: NDArray[np.float32]
    unit: float
    front: int = 1

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the masks."""
        return int(self.shape.shape[0]), int(self.shape.shape[1])


@dataclass(frozen=True, eq=False)
class Layer:
    """A style's result: rgba (h, w, 4) uint8, shape (h, w) uint8 and the blend mode."""

    rgba: Rgba
    shape: Mask
    blend: Blend = "normal"


def rasterize(outline: Outline, height_px: float, front: int = 1, margin: float = 0.14) -> Parts:
    """Masks of the outline with the crewmate `height_px` tall and a margin for outlines and glow."""
    points = np.concatenate([p for polygons in outline.parts.values() for p in polygons])
    low, high = points.min(0) - margin, points.max(0) + margin
    width, height = (int(v) for v in np.ceil((high - low) * height_px))
    masks: dict[str, Mask] = {}
    for name, polygons in outline.parts.items():
        mask: Mask = np.zeros((height, width), np.uint8)
        for polygon in polygons:
            fixed = np.round((polygon - low) * height_px * 2**_SHIFT).astype(np.int32)
            cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
        masks[name] = mask
    if outline.pack_in_front:  # carved out of the body, so that every style draws its border
        for name in ("torso", "legs"):
            masks[name] = np.minimum(masks[name], 255 - masks["backpack"])
    body = np.maximum(masks["torso"], masks["legs"])
    shape = np.maximum(np.maximum(body, masks["backpack"]), np.maximum(masks["visor"], masks["hat"]))
    keypoints = outline.keypoints.astype(np.float32).copy()
    keypoints[:, :2] = (outline.keypoints[:, :2] - low) * height_px
    return Parts(body=body, shape=shape, keypoints=keypoints, unit=height_px, front=front, **masks)
