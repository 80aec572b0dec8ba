"""How often a picture altered in a known way is called a copy; some ways make copies, others make another shot."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from amogus_search.core.intervals import proportion_interval
from amogus_search.core.types import DecodedImage, Pixels, SkippedImage
from amogus_search.pipeline.copies import Comparison, compare, may_be_copies, outline, thumbnail

Pair: TypeAlias = tuple[Pixels, Pixels]
Way: TypeAlias = Callable[[Pixels, np.random.Generator], Pair]


@dataclass(frozen=True)
class WayResult:
    """What became of one way to alter a picture.

    is_copy: whether a person would call it a copy; tried, called: pictures, and those that were called a copy
    """

    way: str
    is_copy: bool
    tried: int
    called: int

    def row(self) -> dict[str, object]:
        """As one line of a table."""
        low, high = proportion_interval(self.called, self.tried)
        return {
            "altered": self.way,
            "makes": "a copy" if self.is_copy else "another shot",
            "pictures": self.tried,
            "called_a_copy": round(self.called / max(self.tried, 1), 3),
            "interval_95": f"{low:.3f} to {high:.3f}",
        }


def run(decoded: Iterable[DecodedImage | SkippedImage], seed: int = 0) -> Iterator[tuple[str, Comparison, bool]]:
    """(way, comparison, whether the outlines let it through) of every way applied to every picture that can be read.

    The same picture and seed are altered in the same way, in any company.
    """
    for item in decoded:
        if isinstance(item, SkippedImage):
            continue
        for number, (way, alter) in enumerate({**COPIES, **OTHERS}.items()):
            rng = np.random.default_rng([int(item.sha256[:12] or "0", 16), number, seed])
            one, other = (thumbnail(pixels) for pixels in alter(item.pixels, rng))
            yield way, compare(one, other), bool(may_be_copies(outline(one), outline(other)))


def summary(results: Iterable[tuple[str, Comparison, bool]]) -> list[WayResult]:
    """One result a way, copies first."""
    tried: dict[str, list[bool]] = {}
    for way, comparison, is_let_through in results:
        tried.setdefault(way, []).append(comparison.is_copy and is_let_through)
    return [
        WayResult(way, way in COPIES, len(tried[way]), sum(tried[way])) for way in (*COPIES, *OTHERS) if way in tried
    ]


def _saved(pixels: Pixels, quality: int) -> Pixels:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _resized(pixels: Pixels, ratio: float) -> Pixels:
    size = max(8, round(pixels.shape[1] * ratio)), max(8, round(pixels.shape[0] * ratio))
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)


def _cropped(pixels: Pixels, most: float, rng: np.random.Generator) -> Pixels:
    """Up to that share cut off every side."""
    height, width = pixels.shape[:2]
    left, right, top, bottom = rng.uniform(0, most, 4)
    return pixels[int(height * top) : int(height * (1 - bottom)), int(width * left) : int(width * (1 - right))]


def _one_side(pixels: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """Just that share cut off one side."""
    height, width = pixels.shape[:2]
    across, down = int(width * share), int(height * share)
    return (pixels[down:], pixels[: height - down], pixels[:, across:], pixels[:, : width - across])[rng.integers(4)]


def _grainy(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """As another exposure of a camera: noise of its own, saved at 88."""
    noise = rng.normal(0, 4, pixels.shape)
    return _saved(np.clip(pixels + noise, 0, 255).astype(np.uint8), 88)


def _viewed(pixels: Pixels, rng: np.random.Generator, *, turn: float, shift: float, zoom: float) -> Pixels:
    """The camera moved: by half to all of `turn` degrees, up to `shift` of the sides, up to `zoom` nearer."""
    height, width = pixels.shape[:2]
    degrees = rng.uniform(0.5, 1) * turn * rng.choice([-1, 1])
    lay = cv2.getRotationMatrix2D((width / 2, height / 2), float(degrees), 1 + float(rng.uniform(-zoom, zoom)))
    lay[:, 2] += rng.uniform(-shift, shift, 2) * [width, height]
    moved = cv2.warpAffine(pixels, lay, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def _with_thing(pixels: Pixels, share: float, rng: np.random.Generator, places: int = 1) -> list[Pixels]:
    """The picture with the same soft-edged thing in one place or another; its side is that share of the longer one."""
    height, width = pixels.shape[:2]
    side = max(3, min(int(share * max(height, width)), height - 1, width - 1))
    across = rng.integers(width - side), rng.integers(height - side)
    thing = pixels[::-1, ::-1][across[1] : across[1] + side, across[0] : across[0] + side].astype(np.float32)
    thing = thing[..., rng.permutation(3)]
    mask = np.zeros((side, side), np.float32)
    cv2.circle(mask, (side // 2, side // 2), max(1, side // 2 - 1), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, side / 30))[..., None]
    found = []
    for _ in range(places):
        left, top = int(rng.integers(width - side)), int(rng.integers(height - side))
        one = pixels.copy()
        ground = one[top : top + side, left : left + side]
        one[top : top + side, left : left + side] = (ground * (1 - mask) + thing * mask).astype(np.uint8)
        found.append(one)
    return found


def _moved(share: float) -> Way:
    def way(pixels: Pixels, rng: np.random.Generator) -> Pair:
        one, other = _with_thing(pixels, share, rng, 2)
        return _grainy(one, rng), _grainy(other, rng)

    return way


def _arrived(share: float) -> Way:
    def way(pixels: Pixels, rng: np.random.Generator) -> Pair:
        return _grainy(pixels, rng), _grainy(_with_thing(pixels, share, rng)[0], rng)

    return way


def _camera(turn: float, shift: float, zoom: float) -> Way:
    def way(pixels: Pixels, rng: np.random.Generator) -> Pair:
        return pixels, _grainy(_viewed(pixels, rng, turn=turn, shift=shift, zoom=zoom), rng)

    return way


def _copy(alter: Callable[[Pixels, np.random.Generator], Pixels]) -> Way:
    return lambda pixels, rng: (pixels, alter(pixels, rng))


COPIES: Mapping[str, Way] = MappingProxyType(
    {
        "JPEG 80": _copy(lambda pixels, rng: _saved(pixels, 80)),
        "JPEG 30": _copy(lambda pixels, rng: _saved(pixels, 30)),
        "half the size": _copy(lambda pixels, rng: _resized(pixels, 0.5)),
        "a quarter of the size, JPEG 60": _copy(lambda pixels, rng: _saved(_resized(pixels, 0.25), 60)),
        "up to 2 % cut off each side": _copy(lambda pixels, rng: _saved(_cropped(pixels, 0.02, rng), 85)),
        "up to 5 % cut off each side": _copy(lambda pixels, rng: _saved(_cropped(pixels, 0.05, rng), 85)),
        "5 % cut off one side": _copy(lambda pixels, rng: _saved(_one_side(pixels, 0.05, rng), 85)),
        "10 % cut off one side": _copy(lambda pixels, rng: _saved(_one_side(pixels, 0.1, rng), 85)),
        "up to 5 % cut off, half the size": _copy(
            lambda pixels, rng: _saved(_resized(_cropped(pixels, 0.05, rng), 0.5), 75)
        ),
    }
)
"""What a person would call a copy."""
OTHERS: Mapping[str, Way] = MappingProxyType(
    {
        "something of 20 % moved": _moved(0.2),
        "something of 10 % moved": _moved(0.1),
        "something of 6 % moved": _moved(0.06),
        "something of 20 % came": _arrived(0.2),
        "something of 10 % came": _arrived(0.1),
        "camera turned by 0.75 to 1.5 degrees": _camera(1.5, 0.01, 0.01),
        "camera shifted by up to 4 %": _camera(0.4, 0.04, 0.02),
        "mirrored": _copy(lambda pixels, rng: np.ascontiguousarray(pixels[:, ::-1])),
    }
)
"""What a person would call another shot, or another picture."""
