"""How a network is shown a picture in a dream: turned, zoomed, noisy, and differentiable all the way. In PyTorch."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from amogus_search.core.types import Boxes
from amogus_search.dreaming.ascent import Glance
from amogus_search.dreaming.shaping import Field

_GREY = 114 / 255
_CONTEXT = 0.15
"""Around a box, as a share of its longer side: what `settings.CropSettings` gives the second look."""


def as_tensor(picture: Field) -> torch.Tensor:
    """(1, 3, h, w) of (h, w, 3)."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32))


def seen(picture: torch.Tensor, glance: Glance) -> tuple[torch.Tensor, Boxes]:
    """The picture as a glance has it, and the places in its pixels.

    Args:
        picture: (1, 3, h, w) in 0..1.
        glance: see `ascent.Glance`.

    Returns:
        (1, 3, h * zoom, w * zoom), mirrored at the borders; boxes keep upright sides when the picture is turned.
    """
    height, width = picture.shape[2:]
    new_wh = max(1, round(width * glance.zoom)), max(1, round(height * glance.zoom))
    cos, sin = math.cos(glance.turn), math.sin(glance.turn)
    # grid_sample asks where each new pixel comes from, in units of half sides
    back = torch.tensor([[[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]]])
    grid = F.affine_grid(back, [1, 3, new_wh[1], new_wh[0]], align_corners=False)
    view = F.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)
    if glance.noise:
        generator = torch.Generator().manual_seed(glance.seed)
        view = view + torch.randn(view.shape, generator=generator) * glance.noise
    return view.clamp(0, 1), _turned(glance.boxes, (width, height), new_wh, glance.turn)


def _turned(boxes: Boxes, size_wh: tuple[int, int], new_wh: tuple[int, int], turn: float) -> Boxes:
    scale = np.divide(new_wh, size_wh)
    offset = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.divide(size_wh, 2)
    cos, sin = math.cos(turn), math.sin(turn)
    centre = offset @ np.array([[cos, -sin], [sin, cos]]) * scale + np.divide(new_wh, 2)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    return np.asarray(np.concatenate([centre - half, centre + half], axis=1), np.float32)


def padded(view: torch.Tensor, stride: int = 32) -> torch.Tensor:
    """The same with grey to the right and below, to sides that a YOLO takes."""
    height, width = view.shape[2:]
    return F.pad(view, (0, -width % stride, 0, -height % stride), value=_GREY)


def crops(view: torch.Tensor, boxes: Boxes, side_px: int, context: float = _CONTEXT) -> torch.Tensor:
    """(k, 3, side_px, side_px): square crops about the boxes with context, borders carried on."""
    return torch.cat([_crop(view, box, side_px, context) for box in np.asarray(boxes, np.float64)])


def _crop(view: torch.Tensor, box: NDArray[np.float64], side_px: int, context: float) -> torch.Tensor:
    height, width = view.shape[2:]
    half = max(box[2] - box[0], box[3] - box[1], 2.0) * (0.5 + context)
    places = torch.linspace(-1 + 1 / side_px, 1 - 1 / side_px, side_px) * half
    across = (places + float(box[0] + box[2]) / 2) / width * 2 - 1
    down = (places + float(box[1] + box[3]) / 2) / height * 2 - 1
    rows, columns = torch.meshgrid(down, across, indexing="ij")
    grid = torch.stack([columns, rows], 2).float()[None]
    blocks = int(2 * half / side_px)
    if blocks > 1:  # means of blocks first: picking single pixels of a larger picture would alias
        smooth = F.avg_pool2d(view, blocks, 1, blocks // 2, count_include_pad=False)
        view = smooth[:, :, :height, :width]
    return F.grid_sample(view, grid, padding_mode="border", align_corners=False)
