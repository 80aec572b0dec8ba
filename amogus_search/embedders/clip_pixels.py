"""What CLIP models do to a picture before they see it, on NumPy and Pillow alone.

The same resizing, cutting and scaling as open_clip's own preprocessing for inference, so that a model taken out of
PyTorch sees what it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels

ResizeMode: TypeAlias = Literal["shortest", "longest", "squash"]
MOST_STRETCHED = 32
"""A picture longer than this many times its width keeps only its middle: enlarged until its short side fits, a strip
of one pixel would take all memory, and nothing of it is seen but the middle anyway."""


@dataclass(frozen=True)
class ClipPixels:
    """How a model wants its pictures.

    size_hw:       height and width in pixels
    mean, std:     of each channel of 0..1
    interpolation: "bicubic" or "bilinear"
    resize_mode:   what is fitted into the size: the short side (the rest is cut off), the long side (the rest is
        filled), or both (proportions are lost)
    fill_color:    0..255, with resize_mode "longest"
    """

    size_hw: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    resize_mode: ResizeMode = "shortest"
    fill_color: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ClipPixels:
        """From open_clip's description of a model's preprocessing, or from `as_json`.

        Raises:
            ValueError: it describes something else.
        """
        size = config.get("size_hw", config.get("size", 224))
        height, width = (size, size) if isinstance(size, int) else (size[0], size[-1])
        mode = config.get("resize_mode", "shortest")
        if mode not in get_args(ResizeMode) or config.get("mode", "RGB") != "RGB":
            raise ValueError(f"pictures are wanted in an unknown way: {dict(config)}")
        mean, std = (_three(config[name]) for name in ("mean", "std"))
        # As open_clip does: whatever is not bilinear is bicubic, and so is all that is fitted into no square.
        is_square_fit = mode != "shortest" or height == width
        linear = config.get("interpolation") == "bilinear" and is_square_fit
        fill = int(config.get("fill_color", 0))
        return cls((int(height), int(width)), mean, std, "bilinear" if linear else "bicubic", mode, fill)

    def as_json(self) -> dict[str, Any]:
        """Plain values for `of`."""
        return asdict(self)

    def __call__(self, image: Pixels) -> NDArray[np.float32]:
        """(3, height, width) float32 of an RGB uint8 picture of any size."""
        fitted = self._cut(self._resized(middle(image)))
        scaled = fitted.astype(np.float32) / np.float32(255)
        normal = (scaled - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))

    def _resized(self, image: Pixels) -> Pixels:
        from PIL import Image

        height, width = self._target_hw(*image.shape[:2])
        method = Image.Resampling.BILINEAR if self.interpolation == "bilinear" else Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((width, height), method))

    def _target_hw(self, height: int, width: int) -> tuple[int, int]:
        if self.resize_mode == "squash":
            return self.size_hw
        side = self.size_hw[0]
        if self.resize_mode == "shortest" and self.size_hw == (side, side):
            # The long side is rounded down, the short one is exact.
            return (side, int(side * width / height)) if height <= width else (int(side * height / width), side)
        ratios = height / self.size_hw[0], width / self.size_hw[1]
        ratio = max(ratios) if self.resize_mode == "longest" else min(ratios)
        return max(1, round(height / ratio)), max(1, round(width / ratio))

    def _cut(self, image: Pixels) -> Pixels:
        """The middle of the wanted size, filled up where the picture is smaller."""
        missing = [max(0, want - have) for want, have in zip(self.size_hw, image.shape[:2], strict=True)]
        if any(missing):
            fill = self.fill_color if self.resize_mode == "longest" else 0
            sides = [(gap // 2, (gap + 1) // 2) for gap in missing]
            image = np.pad(image, (*sides, (0, 0)), constant_values=fill)
        top, left = (round((have - want) / 2.0) for have, want in zip(image.shape[:2], self.size_hw, strict=True))
        return image[top : top + self.size_hw[0], left : left + self.size_hw[1]]


def middle(image: Pixels) -> Pixels:
    """The picture, or its middle if it is stretched beyond `MOST_STRETCHED`."""
    height, width = image.shape[:2]
    for axis, (long, short) in enumerate(((height, width), (width, height))):
        kept = MOST_STRETCHED * short
        if long > kept:
            start = (long - kept) // 2
            return image[start : start + kept] if axis == 0 else image[:, start : start + kept]
    return image


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (values,) * 3 if isinstance(values, (int, float)) else values
    return float(red), float(green), float(blue)
