"""Setting sprites into a picture: bending, lighting, blending, shadows."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.sprite import Blend, Mask, Rgb, Sprite

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placed:
    """A bent sprite and where its upper left corner lies.

    rgba: (h, w, 4) float32 0..255, not premultiplied
    shape: (h, w) uint8 coverage of the figure
    """

    rgba: NDArray[np.float32]
    shape: Mask
    x: int
    y: int
    blend: Blend = "normal"


def random_bend(rng: np.random.Generator, size_wh: tuple[int, int], strength: float = 1.0) -> Matrix:
    """A (3, 3) matrix: rotation, shear, stretch and a little perspective about the sprite's middle."""
    draw = rng.random()
    angle = rng.normal(0, 9) if draw < 0.75 else rng.uniform(-25, 25) if draw < 0.94 else rng.uniform(-180, 180)
    turn = np.deg2rad(float(angle) * strength)
    cos, sin = np.cos(turn), np.sin(turn)
    shear, stretch = (float(v) * strength for v in rng.normal(0, 0.06, 2))
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1 + stretch, shear], [0, 1]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    if rng.random() < 0.4:
        matrix[2, :2] = rng.normal(0, 0.12, 2) * strength / max(size_wh)
    centre = np.array([[1, 0, -size_wh[0] / 2], [0, 1, -size_wh[1] / 2], [0, 0, 1]])
    return np.asarray(matrix @ centre, np.float64)


def bend(sprite: Sprite, matrix: Matrix) -> tuple[Placed, NDArray[np.float32]]:
    """The sprite under a projective map, at the origin, and its keypoints in the new frame."""
    height, width = sprite.shape.shape
    corners = _mapped(np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64), matrix)
    low = np.floor(corners.min(0)) - 1
    size = tuple(int(v) for v in np.ceil(corners.max(0)) + 1 - low)
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]])
    # pixel centres lie at half coordinates for us and at whole ones for OpenCV
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    full = np.linalg.inv(half) @ shift @ matrix @ half
    # colours go on beyond the border, so that it does not darken where it fades
    rgb = cv2.warpPerspective(sprite.rgba[..., :3], full, size, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(sprite.rgba[..., 3], full, size)
    shape = np.asarray(cv2.warpPerspective(sprite.shape, full, size), np.uint8)
    rgba = np.empty((size[1], size[0], 4), np.float32)
    rgba[..., :3], rgba[..., 3] = rgb, alpha
    keypoints = sprite.keypoints.copy()
    present = keypoints[:, 2] > 0
    keypoints[present, :2] = _mapped(keypoints[present, :2].astype(np.float64), shift @ matrix)
    return Placed(rgba, shape, 0, 0, sprite.blend), keypoints


def _mapped(points: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:], np.float64)


def overlap_slices(shape_hw: tuple[int, ...], placed: Placed) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Where picture and sprite meet: slices of the picture and of the sprite, or None."""
    h, w = placed.shape.shape
    x1, y1 = max(0, placed.x), max(0, placed.y)
    x2, y2 = min(shape_hw[1], placed.x + w), min(shape_hw[0], placed.y + h)
    if x1 >= x2 or y1 >= y2:
        return None
    inner = (slice(y1 - placed.y, y2 - placed.y), slice(x1 - placed.x, x2 - placed.x))
    return (slice(y1, y2), slice(x1, x2)), inner


def blend_into(image: Rgb, placed: Placed) -> float:
    """Blend the sprite into the image in place; how much it stands out there.

    That is the mean change in grey levels over its shape, divided by what hides it: 10 levels and a share of the
    ground's standard deviation. A value of 1 is faint, 3 is plain.
    """
    slices = overlap_slices(image.shape, placed)
    if slices is None:
        return 0.0
    outer, inner = slices
    ground = image[outer].astype(np.float32)
    rgba, shape = placed.rgba[inner], placed.shape[inner]
    alpha = rgba[..., 3:] / 255
    painted = ground + (_mixed(ground, rgba[..., :3], placed.blend) - ground) * alpha
    image[outer] = np.clip(painted, 0, 255).astype(np.uint8)
    covered = shape > 127
    if not covered.any():
        return 0.0
    change = cv2.absdiff(image[outer], ground.astype(np.uint8))[covered].mean()
    return float(change / (10 + 0.45 * ground[covered].std(0).mean()))


def _mixed(ground: NDArray[np.float32], colour: NDArray[np.float32], blend: Blend) -> NDArray[np.float32]:
    if blend == "multiply":
        return np.asarray(ground * colour / 255, np.float32)
    if blend == "screen":
        return np.asarray(255 - (255 - ground) * (255 - np.minimum(colour, 255)) / 255, np.float32)
    if blend == "relief":
        return np.asarray(ground + 2 * (colour - 128), np.float32)
    return colour


def match_light(placed: Placed, image: Rgb, amount: float) -> Placed:
    """The sprite tinted towards the brightness and hue of the ground below it."""
    slices = overlap_slices(image.shape, placed)
    if slices is None or placed.blend != "normal":
        return placed
    mean = image[slices[0]].reshape(-1, 3).mean(0).astype(np.float32)
    gain = 1 + amount * ((mean + 40) / 150 - 1)
    rgba = placed.rgba.copy()
    rgba[..., :3] = np.clip(rgba[..., :3] * gain, 0, 255)
    return Placed(rgba, placed.shape, placed.x, placed.y, placed.blend)


def cast_shadow(image: Rgb, placed: Placed, rng: np.random.Generator) -> None:
    """Darken the image in place under or beside the sprite: contact shadow, or an offset drop shadow."""
    height, _width = placed.shape.shape
    sigma = max(0.6, height * float(rng.uniform(0.01, 0.05)))
    lying = rng.random() < 0.5
    pad = int(3 * sigma + (0.6 * height if lying else 0)) + 2
    shadow = np.pad(placed.shape.astype(np.float32), pad)
    if lying:  # lying on the ground: squashed and sheared from the feet
        squash, shear = float(rng.uniform(0.08, 0.5)), float(rng.uniform(-1.2, 1.2))
        foot = pad + height
        matrix = np.array([[1, -shear * squash, shear * squash * foot], [0, squash, foot * (1 - squash)]], np.float32)
        shadow = cv2.warpAffine(shadow, matrix, (shadow.shape[1], shadow.shape[0]))
        dx, dy = 0, 0
    else:
        dx, dy = (int(v) for v in rng.uniform(-0.08, 0.12, 2) * height)
    alpha = cv2.GaussianBlur(shadow, (0, 0), sigma) * np.float32(rng.uniform(0.2, 0.75))
    rgba = np.dstack([np.zeros((*alpha.shape, 3), np.float32), alpha])
    blend_into(image, Placed(rgba, alpha.astype(np.uint8), placed.x - pad + dx, placed.y - pad + dy))
