"""The two towers of the embedder: a YOLOv8n backbone for crops, a tiny transformer for captions.

The backbone is written out here, so that COCO weights can be poured in by name and nothing of
ultralytics is needed; its parameters bear the names they have there (`model.4.cv1.conv.weight`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DIMENSION = 256
CROP_PX = 128
MAX_WORDS = 24


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, h, w) -> (b, outputs, h / stride, w / stride)."""
        return F.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = ConvUnit(channels, channels, 3)
        self.cv2 = ConvUnit(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        return torch.as_tensor(x + self.cv2(self.cv1(x)))


class SplitBlock(nn.Module):
    """The C2f block: half of the channels pass through a chain whose every stage is kept."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.cv1 = ConvUnit(channels, channels)
        self.cv2 = ConvUnit((2 + depth) * self.half, channels)
        self.m = nn.ModuleList(Bottleneck(self.half) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        stages = list(self.cv1(x).split((self.half, self.half), 1))
        for bottleneck in self.m:
            stages.append(bottleneck(stages[-1]))
        return torch.as_tensor(self.cv2(torch.cat(stages, 1)))


class PyramidPool(nn.Module):
    """The SPPF block: three 5x5 maxima in a row, all kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = ConvUnit(channels, channels // 2)
        self.cv2 = ConvUnit(channels * 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        levels = [self.cv1(x)]
        for _ in range(3):
            levels.append(F.max_pool2d(levels[-1], 5, 1, 2))
        return torch.as_tensor(self.cv2(torch.cat(levels, 1)))


class ImageTower(nn.Module):
    """Crops -> unit vectors.

    Pools three levels of the backbone and adds a coarse copy of the colours, which a network trained
    to name objects learns to ignore and a person asking for "red" does not.
    """

    def __init__(self, dimension: int = DIMENSION) -> None:
        super().__init__()
        self.model = nn.ModuleList(
            [
                ConvUnit(3, 16, 3, 2),
                ConvUnit(16, 32, 3, 2),
                SplitBlock(32, 1),
                ConvUnit(32, 64, 3, 2),
                SplitBlock(64, 2),
                ConvUnit(64, 128, 3, 2),
                SplitBlock(128, 2),
                ConvUnit(128, 256, 3, 2),
                SplitBlock(256, 1),
                PyramidPool(256),
            ]
        )
        pooled = 64 + 128 + 4 * 256 + 256 + 192
        self.norm = nn.LayerNorm(pooled)
        self.hidden = nn.Linear(pooled, 384)
        self.project = nn.Linear(384, dimension)

    def forward(self, images: Tensor) -> Tensor:
        """(b, CROP_PX, CROP_PX, 3) RGB in 0..255, any real dtype -> (b, dimension) float32."""
        x = images.permute(0, 3, 1, 2).float() / 255.0
        colours = F.avg_pool2d(x, CROP_PX // 8).flatten(1)
        levels: dict[int, Tensor] = {}
        for number, block in enumerate(self.model):
            x = block(x)
            levels[number] = x
        pooled = [levels[4].mean((2, 3)), levels[6].mean((2, 3)), F.avg_pool2d(x, 2).flatten(1), x.amax((2, 3))]
        features = torch.cat([*(p.float() for p in pooled), colours], 1)
        return F.normalize(self.project(F.gelu(self.hidden(self.norm(features)))).float(), dim=1)

    def load_backbone(self, tensors: Mapping[str, Tensor]) -> int:
        """Take every tensor of the same name and shape; returns how many of the backbone's fitted."""
        own = self.state_dict()
        fitting = {k: v.float() for k, v in tensors.items() if k in own and own[k].shape == v.shape}
        self.load_state_dict(fitting, strict=False)
        return len(fitting)


class TextTower(nn.Module):
    """Word numbers -> unit vectors; number 0 is padding and is not attended to."""

    def __init__(self, words: int, dimension: int = DIMENSION, width: int = 128, depth: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width, padding_idx=0)
        # small: most captions mean the same in any order, "without a backpack" does not
        self.places = nn.Parameter(torch.randn(MAX_WORDS, width) * 0.02)
        self.blocks = nn.ModuleList(AttentionBlock(width) for _ in range(depth))
        self.project = nn.Linear(width, dimension)

    def forward(self, numbers: Tensor) -> Tensor:
        """(b, MAX_WORDS) int64, at least one word a row -> (b, dimension) float32."""
        present = (numbers > 0).float()
        x = self.words(numbers) + self.places
        for block in self.blocks:
            x = block(x, present)
        weight = present.unsqueeze(2)
        mean = (x * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        return F.normalize(self.project(mean), dim=1)


class AttentionBlock(nn.Module):
    """Pre-norm self-attention and feed-forward, with padding masked out."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm_in, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.joint = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(b, words, width) and (b, words) of 0 and 1 -> (b, words, width)."""
        batch, words, width = x.shape
        parts = self.joint(self.norm_in(x)).reshape(batch, words, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
        scores = scores + (present - 1.0)[:, None, None, :] * 1e4
        mixed = (scores.softmax(3) @ value).transpose(1, 2).reshape(batch, words, width)
        x = x + self.merge(mixed)
        return torch.as_tensor(x + self.narrow(F.gelu(self.widen(self.norm_out(x)))))
