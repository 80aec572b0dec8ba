"""Pictures with planted amogi and their exact boxes and keypoints; the detector's training data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.backgrounds import photo_crop, random_ground
from amogus_search.synth.canvas import Canvas
from amogus_search.synth.cast import AMOGI, Cast
from amogus_search.synth.compose import Placed, bend, cast_shadow, match_light, random_bend
from amogus_search.synth.effects import random_effects
from amogus_search.synth.mosaics import mosaic_canvas
from amogus_search.synth.overlays import caption, name_tags
from amogus_search.synth.sprite import Rgb, Sprite, SpriteAttributes
from amogus_search.synth.tiers import Tier, draw_style, resolve_tier

CLEAR_HEIGHT = 9.0
"""Height of the smallest amogus that can be told from a spot, in standard deviations of the picture's blur."""

Layout = Literal["free", "crowd", "row", "mosaic", "empty"]


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture and its truth.

    image: (h, w, 3) uint8 RGB
    boxes_xyxy: (n, 4) float32 pixels, x2/y2 exclusive, tight on what is visible of each amogus
    keypoints: (n, 7, 3) float32 x, y in pixels, visibility 0 absent, 1 hidden, 2 visible
    attributes: what captions may say, one for each box
    """

    image: Rgb
    boxes_xyxy: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    attributes: tuple[SpriteAttributes, ...]


@dataclass(frozen=True, eq=False)
class _Job:
    """The settings of one scene, passed along."""

    rng: np.random.Generator
    canvas: Canvas
    tier: Tier
    photos: Sequence[Rgb]
    heights: tuple[float, float]
    max_overlap: float
    cast: Cast = AMOGI


def generate_scene(
    rng: np.random.Generator,
    size_wh: tuple[int, int] = (320, 320),
    photos: Sequence[Rgb] = (),
    tier: str = "varied",
    n_range: tuple[int, int] = (0, 6),
    height_px_range: tuple[float, float] = (6, 300),
    max_overlap: float = 0.4,
    *,
    cast: Cast = AMOGI,
) -> Scene:
    """A new scene.

    Args:
        rng: the source of randomness; the same state gives the same bytes.
        size_wh: the picture's size in pixels.
        photos: grounds and textures, (h, w, 3) uint8 each.
        tier: "plain" (easy), "varied", "disguised" (hard), "mixed", or "mosaic": pixel canvases only.
        n_range: fewest and most amogi of an ordinary scene; crowds have more.
        height_px_range: least and greatest height of an amogus, drawn log-uniformly.
        max_overlap: the share of an amogus that others may hide.
        cast: what is planted, and what stands by.
    """
    chosen = resolve_tier(rng, "mixed" if tier == "mosaic" else tier)
    layout = "mosaic" if tier == "mosaic" else _layout(rng, chosen, n_range)
    if layout == "mosaic" and not cast.mosaics:
        layout = "free"
    if layout == "mosaic":
        canvas = mosaic_canvas(rng, size_wh, photos, n_range)
        return _finished(canvas, *random_effects(rng, canvas.image, gentle=True))
    job = _job(rng, _ground(rng, size_wh, photos), photos, chosen, height_px_range, max_overlap, cast)
    _fill(job, layout, n_range)
    return _finished(job.canvas, *random_effects(rng, job.canvas.image, gentle=chosen == "plain"))


def plant_scene(
    rng: np.random.Generator,
    ground: Rgb,
    count: int,
    photos: Sequence[Rgb] = (),
    tier: str = "varied",
    height_px_range: tuple[float, float] = (24, 300),
) -> Scene:
    """The given picture with `count` amogi (fewer if some found no place) and nothing else changed.

    Args:
        rng: the source of randomness.
        ground: (h, w, 3) uint8, left as it is; the scene holds a copy.
        count: how many to plant.
        photos: textures, (h, w, 3) uint8 each.
        tier: as in `generate_scene`.
        height_px_range: least and greatest height, drawn log-uniformly.
    """
    job = _job(rng, ground.copy(), photos, resolve_tier(rng, tier), height_px_range, max_overlap=0.0)
    for _ in range(count):
        _plant(job, _height(job))
    return _finished(job.canvas, job.canvas.image)


def _job(
    rng: np.random.Generator,
    ground: Rgb,
    photos: Sequence[Rgb],
    tier: Tier,
    height_px_range: tuple[float, float],
    max_overlap: float,
    cast: Cast = AMOGI,
) -> _Job:
    heights = (height_px_range[0], min(height_px_range[1], 0.95 * ground.shape[0]))
    return _Job(rng, Canvas(ground), tier, photos, heights, max_overlap, cast)


def _finished(canvas: Canvas, image: Rgb, blur_px: float = 0.0) -> Scene:
    """The scene, its truth without those that the blur has made shapeless: they are nobody's amogi any more."""
    boxes, keypoints, attributes = canvas.truth()
    clear = boxes[:, 3] - boxes[:, 1] >= CLEAR_HEIGHT * blur_px
    kept = tuple(one for one, keep in zip(attributes, clear, strict=True) if keep)
    return Scene(image, boxes[clear], keypoints[clear], kept)


def _layout(rng: np.random.Generator, tier: Tier, n_range: tuple[int, int]) -> Layout:
    if n_range[0] == 0 and rng.random() < 0.15:
        return "empty" if rng.random() < 0.85 else "mosaic"
    mosaic = 0.02 if tier == "plain" else 0.1
    names: tuple[Layout, ...] = ("free", "crowd", "row", "mosaic")
    return names[int(rng.choice(4, p=[0.82 - mosaic, 0.08, 0.1, mosaic]))] if n_range[1] > 1 else "free"


def _ground(rng: np.random.Generator, size_wh: tuple[int, int], photos: Sequence[Rgb]) -> Rgb:
    if len(photos) and rng.random() < 0.62:
        return photo_crop(rng, photos, size_wh)
    return random_ground(rng, size_wh)


def _fill(job: _Job, layout: Layout, n_range: tuple[int, int]) -> None:
    """Distractors first, so that they cover no amogus; then amogi; then what hides parts of them."""
    rng = job.rng
    few = rng.integers(1, 9) if layout == "empty" else rng.integers(0, 5) if rng.random() < 0.5 else 0
    for _ in range(int(few)):
        _distract(job)
    if layout == "free":
        for _ in range(int(rng.integers(max(1, n_range[0]), max(1, n_range[1]) + 1))):
            _plant(job, _height(job))
    elif layout == "crowd":
        _crowd(job)
    elif layout == "row":
        _row(job)
    if layout != "empty" and job.tier != "plain" and rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 4))):
            _occlude(job)
    if layout != "mosaic" and rng.random() < 0.12:
        name_tags(job.canvas, rng, job.max_overlap)
    if rng.random() < 0.1:
        caption(job.canvas, rng, job.max_overlap)


def _height(job: _Job) -> float:
    low, high = job.heights
    if job.tier == "plain":
        low = max(low, min(8.0, high))
    return float(np.exp(job.rng.uniform(np.log(low), np.log(high))))


def _texture(job: _Job) -> Rgb:
    """A picture to cut textures from: a photograph, or the scene itself."""
    return job.photos[int(job.rng.integers(len(job.photos)))] if len(job.photos) else job.canvas.image


def _distract(job: _Job) -> None:
    rng = job.rng
    low, high = job.heights
    height = float(np.exp(rng.uniform(np.log(max(8.0, low)), np.log(max(high * 0.9, 9.0)))))
    sprite = job.cast.others(rng, height, _texture(job))
    placed, _ = _bent(job, sprite)
    size = job.canvas.image.shape
    x = int(rng.integers(-placed.shape.shape[1] // 3, size[1]))
    y = int(rng.integers(-placed.shape.shape[0] // 3, size[0]))
    job.canvas.add(_dressed(job, Placed(placed.rgba, placed.shape, x, y, placed.blend)))


def _bent(job: _Job, sprite: Sprite) -> tuple[Placed, NDArray[np.float32]]:
    height, width = sprite.shape.shape
    if sprite.attributes.style == "pixel" and job.rng.random() < 0.75:
        return bend(sprite, np.eye(3))
    return bend(sprite, random_bend(job.rng, (width, height), 0.5 if job.tier == "plain" else 1.0))


def _dressed(job: _Job, placed: Placed) -> Placed:
    """Light, opacity and shadow fitted to the place."""
    rng = job.rng
    if placed.blend != "normal":
        return placed
    if rng.random() < 0.5:
        placed = match_light(placed, job.canvas.image, float(rng.uniform(0.1, 0.6)))
    if rng.random() < 0.35:
        cast_shadow(job.canvas.image, placed, rng)
    rgba = placed.rgba
    if rng.random() < 0.25:
        rgba = np.asarray(cv2.GaussianBlur(rgba, (0, 0), 0.4 + 0.008 * placed.shape.shape[0]), np.float32)
    if rng.random() < 0.1 and job.tier != "plain":
        rgba = np.dstack([rgba[..., :3], rgba[..., 3] * np.float32(rng.uniform(0.45, 0.9))])
    return Placed(rgba, placed.shape, placed.x, placed.y, placed.blend)


def _plant(job: _Job, height: float, at: tuple[float, float] | None = None, style: str | None = None) -> bool:
    """One more amogus, its middle at `at` or anywhere; False if no place or look was found that shows it."""
    rng, canvas = job.rng, job.canvas
    for attempt in range(4):
        painted = style or draw_style(rng, job.tier, height, bold=attempt > 1)
        sprite = job.cast.planted(rng, height, painted, lambda: _texture(job))
        placed, keypoints = _bent(job, sprite)
        h, w = placed.shape.shape
        x, y = _corner(rng, canvas.image.shape, (h, w)) if at is None else (int(at[0] - w / 2), int(at[1] - h / 2))
        there = Placed(placed.rgba, placed.shape, x, y, placed.blend)
        if not canvas.fits(there, job.max_overlap):
            continue
        before = canvas.image.copy()
        keypoints[keypoints[:, 2] > 0, :2] += (x, y)
        if canvas.add(_dressed(job, there), keypoints, sprite.attributes, least_change=_least_change(job.tier, height)):
            return True
        canvas.image[:] = before
    return False


def _least_change(tier: Tier, height: float) -> float:
    """How much an amogus must stand out, see `Canvas.add`; the small ones more."""
    base = {"plain": 1.3, "varied": 0.7, "disguised": 0.45}[tier]
    return base + max(0.0, 24 - height) * 0.05


def _corner(rng: np.random.Generator, image_hwc: tuple[int, ...], size_hw: tuple[int, int]) -> tuple[int, int]:
    """Mostly inside; sometimes hanging over the picture's edge."""
    out = 0.35 if rng.random() < 0.15 else 0.02
    spans = []
    for full, part in ((image_hwc[1], size_hw[1]), (image_hwc[0], size_hw[0])):
        low, high = -out * part, full - (1 - out) * part
        spans.append(int(rng.uniform(min(low, high), max(low, high))))
    return spans[0], spans[1]


def _crowd(job: _Job) -> None:
    """Many small ones, each in its own way or all in one style."""
    rng = job.rng
    lowest, highest = np.log(max(9.0, job.heights[0])), np.log(min(48.0, job.heights[1]))
    # Asked for large ones only, a crowd is of the smallest of these.
    height = float(np.exp(rng.uniform(lowest, max(lowest, highest))))
    style = draw_style(rng, job.tier, height) if rng.random() < 0.5 else None
    for _ in range(int(rng.integers(8, 21))):
        _plant(job, height * float(rng.uniform(0.7, 1.4)), style=style)


def _row(job: _Job) -> None:
    """A line-up, like toys on a shelf: even spacing, common ground, one style, growing or not."""
    rng = job.rng
    image_h, image_w = job.canvas.image.shape[:2]
    count = int(rng.integers(3, 10))
    height = min(image_w / count * float(rng.uniform(0.9, 1.5)), 0.7 * image_h, job.heights[1])
    growth, slope = float(rng.uniform(0.9, 1.1)), float(rng.normal(0, 0.06))
    style = "toy" if rng.random() < 0.45 else draw_style(rng, job.tier, height)
    floor = float(rng.uniform(0.35, 0.95)) * image_h
    for index in range(count):
        tall = height * growth ** (index - count / 2)
        x = (index + 0.5 + float(rng.normal(0, 0.07))) * image_w / count
        _plant(job, tall, (x, floor - tall / 2 + slope * (x - image_w / 2)), style)


def _occlude(job: _Job) -> None:
    """Hide a part of some amogus behind a patch of ground or photo, if enough of it stays visible."""
    rng, canvas = job.rng, job.canvas
    if not canvas.items:
        return
    x1, y1, x2, y2 = canvas.box(int(rng.integers(len(canvas.items))))
    w, h = (max(4, int(v)) for v in (x2 - x1, y2 - y1) * rng.uniform(0.3, 1.1, 2))
    x, y = int(rng.uniform(x1 - w * 0.6, x2 - w * 0.4)), int(rng.uniform(y1 - h * 0.6, y2 - h * 0.4))
    patch = _ground(rng, (w, h), job.photos)
    mask = np.full((h, w), 255, np.uint8)
    if rng.random() < 0.6:
        mask[:] = 0
        cv2.ellipse(mask, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
    canvas.cover(Placed(np.dstack([patch, mask]).astype(np.float32), mask, x, y), job.max_overlap)
