"""Contact sheets: every style by row, or scenes with their truth drawn in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from amogus_search.synth.backgrounds import random_ground
from amogus_search.synth.compose import Placed, blend_into
from amogus_search.synth.crewmate import random_crewmate
from amogus_search.synth.sprite import Rgb
from amogus_search.synth.styles import STYLES, render_sprite

if TYPE_CHECKING:
    from amogus_search.synth.scenes import Scene


def contact_sheet(rng: np.random.Generator, columns: int, rows: int, cell_px: int) -> Rgb:
    """Crewmates, (rows * cell_px, columns * cell_px, 3): row i shows style i (again from the first after the last)."""
    sheet: Rgb = np.zeros((rows * cell_px, columns * cell_px, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            y, x = row * cell_px, column * cell_px
            sheet[y : y + cell_px, x : x + cell_px] = _cell(rng, STYLES[row % len(STYLES)], cell_px)
    return sheet


def _cell(rng: np.random.Generator, style: str, cell_px: int) -> Rgb:
    ground = random_ground(rng, (cell_px, cell_px))
    sprite = render_sprite(random_crewmate(rng), cell_px * 0.66, style, rng, texture=ground)
    fit = min(1.0, 0.94 * cell_px / max(sprite.shape.shape))
    size = (max(1, int(sprite.shape.shape[1] * fit)), max(1, int(sprite.shape.shape[0] * fit)))
    rgba = cv2.resize(sprite.rgba, size, interpolation=cv2.INTER_AREA)
    x, y = (cell_px - size[0]) // 2, (cell_px - size[1]) // 2
    placed = Placed(np.asarray(rgba, np.float32), np.asarray(rgba[..., 3], np.uint8), x, y, sprite.blend)
    blend_into(ground, placed)
    return ground


def scene_sheet(scenes: Sequence["Scene"], draw_truth: bool = True, columns: int = 4) -> Rgb:
    """The scenes side by side, (h, w, 3), with boxes and visible keypoints if asked; all scenes of one size."""
    height, width = scenes[0].image.shape[:2]
    rows = -(-len(scenes) // columns)
    sheet: Rgb = np.zeros((rows * height, columns * width, 3), np.uint8)
    for index, scene in enumerate(scenes):
        y, x = index // columns * height, index % columns * width
        sheet[y : y + height, x : x + width] = _with_truth(scene) if draw_truth else scene.image
    return sheet


def _with_truth(scene: "Scene") -> Rgb:
    image = scene.image.copy()
    for box, points in zip(scene.boxes_xyxy, scene.keypoints, strict=True):
        x1, y1, x2, y2 = (round(float(v)) for v in box)
        cv2.rectangle(image, (x1 - 1, y1 - 1), (x2, y2), (255, 0, 255), 1)
        for x, y, visibility in points:
            if visibility > 0:
                colour = (0, 255, 0) if visibility > 1 else (255, 255, 0)
                cv2.circle(image, (round(float(x)), round(float(y))), 1, colour, -1)
    return image
