"""Grounds with things in them: a room of the game's kind, shelves, a night sky's gas. All are (h, w, 3) uint8 RGB."""

import cv2
import numpy as np

from amogus_search.synth.noise import fractal_noise, grain, smooth_noise
from amogus_search.synth.palette import Colour, random_colour, random_grey, scaled
from amogus_search.synth.sprite import Rgb

SizeHw = tuple[int, int]


def deck(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """A room drawn as in the game: floor plates, walls, consoles and pipes with dark lines, perhaps dark beyond."""
    floor = random_grey(rng, 60, 190) if rng.random() < 0.7 else random_colour(rng)
    image = np.full((*size, 3), floor, np.uint8)
    line = scaled(floor, 0.3)
    _plates(rng, image, scaled(floor, float(rng.uniform(0.75, 1.15))), line)
    _walls(rng, image, line)
    for _ in range(int(rng.integers(1, 9))):
        _console(rng, image, line)
    if rng.random() < 0.4:
        return _lamp_lit(rng, image)
    return image


def _plates(rng: np.random.Generator, image: Rgb, joint: Colour, line: Colour) -> None:
    height, width = image.shape[:2]
    pitch = int(rng.integers(24, 110))
    for x in range(int(rng.integers(0, pitch)), width, pitch):
        cv2.line(image, (x, 0), (x, height), joint, int(rng.integers(1, 4)))
    for y in range(int(rng.integers(0, pitch)), height, pitch):
        cv2.line(image, (0, y), (width, y), joint, int(rng.integers(1, 4)))
    for _ in range(int(rng.integers(0, 4))):  # gratings
        x, y, w, h = (int(v) for v in (rng.uniform(0, width), rng.uniform(0, height), *rng.uniform(10, 60, 2)))
        cv2.rectangle(image, (x, y), (x + w, y + h), line, -1)
        for row in range(y + 3, y + h, 5):
            cv2.line(image, (x + 2, row), (x + w - 2, row), joint, 1)


def _walls(rng: np.random.Generator, image: Rgb, line: Colour) -> None:
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(0, 3))):
        tone, thick = random_grey(rng, 40, 200), int(rng.integers(14, 70))
        across = rng.random() < 0.5
        at = int(rng.integers(0, height if across else width))
        corners = ((0, at), (width, at + thick)) if across else ((at, 0), (at + thick, height))
        cv2.rectangle(image, *corners, tone, -1)
        cv2.rectangle(image, *corners, line, int(rng.integers(1, 4)))


def _console(rng: np.random.Generator, image: Rgb, line: Colour) -> None:
    """A table, crate, screen or tank: a body, its upper face, a few lamps."""
    height, width = image.shape[:2]
    x, y = int(rng.integers(-20, width)), int(rng.integers(-20, height))
    w, h = (int(v) for v in np.exp(rng.uniform(2.5, 4.8, 2)))
    body = random_colour(rng) if rng.random() < 0.5 else random_grey(rng, 50, 220)
    thick = int(rng.integers(1, 4))
    if rng.random() < 0.35:
        for colour, fill in ((body, -1), (line, thick)):
            cv2.ellipse(image, (x, y), (w // 2 + 2, h // 2 + 2), 0, 0, 360, colour, fill, cv2.LINE_AA)
    else:
        cv2.rectangle(image, (x, y), (x + w, y + h), body, -1)
        cv2.rectangle(image, (x, y), (x + w, y + h // 2), scaled(body, 1.25), -1)
        cv2.rectangle(image, (x, y), (x + w, y + h), line, thick)
    for _ in range(int(rng.integers(0, 4))):
        lamp = (x + int(rng.integers(0, w)), y + int(rng.integers(0, h)))
        cv2.circle(image, lamp, int(rng.integers(1, 5)), random_colour(rng), -1, cv2.LINE_AA)


def _lamp_lit(rng: np.random.Generator, image: Rgb) -> Rgb:
    """Bright about one point and dark beyond."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    away = np.hypot(x - width * rng.uniform(0.2, 0.8), y - height * rng.uniform(0.2, 0.8)) / max(height, width)
    light = np.clip(1.6 - away / float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.05, 0.4)), 1)
    return np.asarray((image * light[..., None]).astype(np.uint8), np.uint8)


def shelf(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Boards with upright things on them: books, jars, boxes."""
    image = np.full((*size, 3), random_grey(rng, 30, 200), np.uint8)
    pitch, board = int(rng.integers(40, 140)), random_colour(rng) if rng.random() < 0.4 else (120, 85, 50)
    for foot in range(int(rng.integers(20, pitch)), size[0] + pitch, pitch):
        x = int(rng.integers(-10, 20))
        while x < size[1]:
            w, h = int(rng.integers(6, 40)), int(pitch * rng.uniform(0.4, 0.9))
            tone = random_colour(rng) if rng.random() < 0.7 else random_grey(rng)
            if rng.random() < 0.8:
                cv2.rectangle(image, (x, foot - h), (x + w, foot), tone, -1)
                cv2.rectangle(image, (x, foot - h), (x + max(1, w // 6), foot), scaled(tone, 0.6), -1)
                if rng.random() < 0.4:
                    y = foot - int(h * rng.uniform(0.3, 0.8))
                    cv2.rectangle(image, (x + 2, y), (x + w - 2, y + h // 5), random_grey(rng, 120, 255), -1)
            x += w + int(rng.integers(0, 12))
        cv2.rectangle(image, (0, foot), (size[1], foot + int(rng.integers(3, 9))), board, -1)
    light = 0.55 + 0.7 * smooth_noise(rng, size, 2) + 0.02 * grain(rng, size)
    return np.clip(image * light[..., None], 0, 255).astype(np.uint8)


def gas(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Clouds of glowing gas in several colours over black, with stars."""
    image = np.zeros((*size, 3), np.float32)
    for _ in range(int(rng.integers(2, 5))):
        field = fractal_noise(rng, size, float(rng.uniform(1.5, 6)), 5)
        thick = np.clip((field - float(rng.uniform(0.3, 0.6))) * float(rng.uniform(1.5, 4)), 0, 1)
        image += np.array(random_colour(rng), np.float32) * (thick * float(rng.uniform(0.3, 0.9)))[..., None]
    stars = int(rng.integers(10, 200))
    image[rng.integers(0, size[0], stars), rng.integers(0, size[1], stars)] = 255
    for _ in range(int(rng.integers(0, 12))):
        at = (int(rng.integers(0, size[1])), int(rng.integers(0, size[0])))
        cv2.circle(image, at, int(rng.integers(1, 4)), (255, 250, 240), -1, cv2.LINE_AA)
    return np.asarray(np.clip(cv2.GaussianBlur(image, (0, 0), 0.6), 0, 255).astype(np.uint8), np.uint8)


def lights(rng: np.random.Generator, size: SizeHw) -> Rgb:
    """Out-of-focus lamps and glints before a dim ground: small bright spots of which none is anything."""
    tone = np.array(random_grey(rng, 0, 110) if rng.random() < 0.7 else random_colour(rng), np.float32)
    image = tone * (0.5 + 0.8 * smooth_noise(rng, size, 3))[..., None]
    for _ in range(int(rng.integers(5, 60))):
        spot = np.zeros(size, np.float32)
        radius = float(np.exp(rng.uniform(0.3, 3.0)))
        x, y = float(rng.uniform(0, size[1])), float(rng.uniform(0, size[0]))
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.5, 1.6))))
        cv2.ellipse(spot, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
        spot = cv2.GaussianBlur(spot, (0, 0), max(0.4, radius * float(rng.uniform(0.1, 0.9))))
        colour = np.array(random_colour(rng) if rng.random() < 0.6 else random_grey(rng, 150, 255), np.float32)
        image += colour * (spot * float(rng.uniform(0.2, 1.0)))[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)
