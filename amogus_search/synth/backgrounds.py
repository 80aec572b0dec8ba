"""Grounds to plant things on: drawn ones and crops of photographs. All are (h, w, 3) uint8 RGB."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from amogus_search.synth.noise import fractal_noise, grain, smooth_noise
from amogus_search.synth.palette import random_colour, random_grey
from amogus_search.synth.places import deck, gas, lights, shelf
from amogus_search.synth.sprite import Rgb

SizeHw = tuple[int, int]
Ground = Callable[[np.random.Generator, SizeHw], Rgb]


def _mix(field: np.ndarray, low: tuple[int, int, int], high: tuple[int, int, int]) -> Rgb:
    """Colours from `low` at 0 to `high` at 1 of an (h, w) field."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    colours = a + (b - a) * np.asarray(field, np.float32)[..., None]
    return np.asarray(np.clip(colours, 0, 255).astype(np.uint8), np.uint8)


def _tone(rng: np.random.Generator) -> tuple[int, int, int]:
    return random_colour(rng) if rng.random() < 0.6 else random_grey(rng)


def plain(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """One colour, often near white, black or grey."""
    return np.full((*size, 3), _tone(rng), np.uint8)


def gradient(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """A linear or radial run between two colours."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    angle = float(rng.uniform(0, 6.28))
    field = (x * np.cos(angle) + y * np.sin(angle)) / max(size)
    if rng.random() < 0.3:
        field = np.hypot(x - rng.uniform(0, size[1]), y - rng.uniform(0, size[0])) / max(size)
    return _mix((field - field.min()) / max(float(np.ptp(field)), 1e-6), _tone(rng), _tone(rng))


def clouds(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Multi-octave noise between two colours, like wall, sky, marble or ground."""
    field = fractal_noise(rng, size, float(rng.uniform(1, 12)), int(rng.integers(2, 6)))
    return _mix(field, _tone(rng), _tone(rng))


def marbled(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Colours banded by noise."""
    field = fractal_noise(rng, size, float(rng.uniform(1, 5)), 3)
    return _mix(0.5 + 0.5 * np.sin(field * float(rng.uniform(8, 40))), _tone(rng), _tone(rng))


def stripes(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Parallel bands at any angle, hard or soft."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    angle, period = float(rng.uniform(0, np.pi)), float(np.exp(rng.uniform(1.5, 4.5)))
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    return _mix(np.clip(wave * float(rng.uniform(0.5, 8)) + 0.5, 0, 1), _tone(rng), _tone(rng))


def checker(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """A chessboard or tiled floor with joints."""
    cell = int(rng.integers(6, 60))
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    field = ((y // cell + x // cell) % 2).astype(np.float32)
    if rng.random() < 0.4:
        field = ((y % cell < 2) | (x % cell < 2)).astype(np.float32)
    return _mix(field, _tone(rng), _tone(rng))


def bricks(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Rows of shifted bricks of varying tone."""
    brick_h, brick_w = int(rng.integers(8, 36)), int(rng.integers(16, 80))
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    row = y // brick_h
    shifted = x + (row % 2) * (brick_w // 2)
    joint = (y % brick_h < 2) | (shifted % brick_w < 2)
    tones = rng.uniform(0.7, 1.1, (64, 64)).astype(np.float32)
    field = tones[row % 64, (shifted // brick_w) % 64] * (0.85 + 0.3 * smooth_noise(rng, size, 40))
    wall = np.asarray(np.array(_tone(rng), np.float32) * field[..., None], np.float32)
    wall[joint] = np.array(_tone(rng), np.float32)
    return np.clip(wall, 0, 255).astype(np.uint8)


def blobs(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Overlapping discs, boxes and lines in a few colours."""
    image = plain(rng, size)
    colours = [_tone(rng) for _ in range(5)]
    for _ in range(int(rng.integers(4, 40))):
        x, y = int(rng.integers(0, size[1])), int(rng.integers(0, size[0]))
        w, h = (int(v) for v in np.exp(rng.uniform(1.5, np.log(max(size) / 2), 2)))
        colour = colours[int(rng.integers(5))]
        kind = rng.random()
        if kind < 0.45:
            cv2.ellipse(image, (x, y), (w, h), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind < 0.8:
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
        else:
            cv2.line(image, (x, y), (x + w, y - h), colour, int(rng.integers(1, 9)), cv2.LINE_AA)
    return image


def space(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Dark sky, a faint nebula and stars."""
    nebula = fractal_noise(rng, size, float(rng.uniform(1, 4)), 4) ** 2
    image = _mix(nebula * float(rng.uniform(0, 0.8)), random_grey(rng, 0, 20), random_colour(rng))
    count = int(rng.integers(20, 300))
    ys, xs = rng.integers(0, size[0], count), rng.integers(0, size[1], count)
    image[ys, xs] = rng.integers(120, 256, (count, 1))
    for y, x in zip(ys[: count // 12].tolist(), xs[: count // 12].tolist(), strict=True):
        cv2.circle(image, (x, y), int(rng.integers(1, 3)), (255, 255, 245), -1, cv2.LINE_AA)
    return image


def paper(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Paper: nearly white, grain, perhaps ruled."""
    tint = np.array([rng.uniform(225, 255), rng.uniform(220, 250), rng.uniform(200, 250)], np.float32)
    image = tint * (0.96 + 0.06 * smooth_noise(rng, size, 6) + 0.015 * grain(rng, size))[..., None]
    if rng.random() < 0.45:
        pitch, ink = int(rng.integers(8, 34)), np.array(random_colour(rng), np.float32)
        image[::pitch] = image[::pitch] * 0.6 + ink * 0.4
        if rng.random() < 0.5:
            image[:, ::pitch] = image[:, ::pitch] * 0.6 + ink * 0.4
    return np.clip(image, 0, 255).astype(np.uint8)


def text_lines(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Lines of letters, like a page or a screen."""
    image = plain(rng, size) if rng.random() < 0.3 else paper(rng, size)
    ink = tuple(255 - int(c) for c in image[0, 0])
    y, scale = 8, float(rng.uniform(0.3, 1.0))
    while y < size[0] + 20:
        codes = rng.integers(65, 123, int(rng.integers(5, 60)))
        text = "".join(chr(c) if c < 91 or c > 96 else " " for c in codes)
        cv2.putText(image, text, (int(rng.integers(0, 30)), y), int(rng.integers(0, 4)), scale, ink, 1, cv2.LINE_AA)
        y += int(scale * rng.integers(24, 44))
    return image


def interface(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Panels, bars and buttons of an application or a web page."""
    image = plain(rng, size)
    for _ in range(int(rng.integers(4, 24))):
        x, y = int(rng.integers(-20, size[1])), int(rng.integers(-20, size[0]))
        w, h = int(rng.integers(8, size[1])), int(rng.integers(6, max(7, size[0] // 3)))
        cv2.rectangle(image, (x, y), (x + w, y + h), _tone(rng), -1)
        if rng.random() < 0.5:
            cv2.rectangle(image, (x, y), (x + w, y + h), _tone(rng), 1)
        if rng.random() < 0.4:
            text = "".join(chr(c) for c in rng.integers(97, 123, int(rng.integers(3, 10))))
            cv2.putText(image, text, (x + 4, y + h // 2), 0, float(rng.uniform(0.3, 0.7)), _tone(rng), 1, cv2.LINE_AA)
    return image


def room(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """A wall over a floor or table, with a soft light: where toys stand."""
    horizon = int(size[0] * rng.uniform(0.2, 0.8))
    wall, floor = ((clouds if rng.random() < 0.4 else plain)(rng, size) for _ in range(2))
    image = wall.copy()
    image[horizon:] = floor[horizon:]
    light = 0.6 + 0.7 * smooth_noise(rng, size, 2)
    return np.clip(image * light[..., None], 0, 255).astype(np.uint8)


def fibres(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Directed noise: wood, grass, cloth, brushed metal."""
    field = grain(rng, size)
    length = int(rng.integers(8, 60))
    field = cv2.blur(field, (length, 1) if rng.random() < 0.5 else (1, length))
    field = cv2.GaussianBlur(field, (0, 0), float(rng.uniform(0.5, 1.5)))
    field = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    return _mix(0.6 * field + 0.4 * smooth_noise(rng, size, 5), _tone(rng), _tone(rng))


def mosaic(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Square cells of random or smoothly varying colours from a small set."""
    cell = int(rng.integers(3, 16))
    grid = (size[0] // cell + 1, size[1] // cell + 1)
    colours = np.array([_tone(rng) for _ in range(int(rng.integers(2, 12)))], np.uint8)
    field = fractal_noise(rng, grid, float(rng.uniform(2, 20)), 2)
    index = np.clip(field * len(colours), 0, len(colours) - 1).astype(int)
    if rng.random() < 0.3:
        index = rng.integers(0, len(colours), grid)
    return np.ascontiguousarray(colours[index].repeat(cell, 0).repeat(cell, 1)[: size[0], : size[1]])


GROUNDS: dict[str, tuple[Ground, float]] = {
    "plain": (plain, 2.0),
    "gradient": (gradient, 1.0),
    "clouds": (clouds, 1.5),
    "marbled": (marbled, 0.7),
    "stripes": (stripes, 0.7),
    "checker": (checker, 0.7),
    "bricks": (bricks, 0.8),
    "blobs": (blobs, 1.2),
    "space": (space, 0.8),
    "paper": (paper, 1.0),
    "text": (text_lines, 0.7),
    "interface": (interface, 1.0),
    "room": (room, 1.4),
    "fibres": (fibres, 0.8),
    "mosaic": (mosaic, 0.8),
    "deck": (deck, 1.5),
    "shelf": (shelf, 0.7),
    "gas": (gas, 0.7),
    "lights": (lights, 0.7),
}


def random_ground(rng: np.random.Generator, size_wh: tuple[int, int]) -> Rgb:
    """A drawn ground of a random kind, (h, w, 3) uint8."""
    weights = np.array([weight for _, weight in GROUNDS.values()])
    kind = list(GROUNDS)[int(rng.choice(len(weights), p=weights / weights.sum()))]
    # patterns need some room, so small grounds are cut from larger ones
    ground = GROUNDS[kind][0](rng, (max(64, size_wh[1]), max(64, size_wh[0])))
    return np.ascontiguousarray(ground[: size_wh[1], : size_wh[0]])


def photo_crop(rng: np.random.Generator, photos: Sequence[Rgb], size_wh: tuple[int, int]) -> Rgb:
    """A random window of a random photograph, at a random zoom, perhaps mirrored."""
    photo = photos[int(rng.integers(len(photos)))]
    height, width = photo.shape[:2]
    aspect = size_wh[0] / size_wh[1]
    full = min(height, width / aspect)
    side = full * float(np.exp(rng.uniform(np.log(max(0.25, min(1.0, 96 / full))), 0)))
    h, w = max(2, int(side)), max(2, int(side * aspect))
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, max(1, width - w + 1)))
    window = photo[y : y + h, x : x + w]
    how = cv2.INTER_AREA if h > size_wh[1] else cv2.INTER_LINEAR
    crop = cv2.resize(window, size_wh, interpolation=how)
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop, dtype=np.uint8)
