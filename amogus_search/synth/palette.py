"""Colours: the game's, any others, and the names that captions give them."""

import colorsys
import math
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

GAME_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "red": ((197, 17, 17), (122, 8, 56)),
    "blue": ((19, 46, 209), (9, 21, 142)),
    "green": ((17, 127, 45), (10, 77, 46)),
    "pink": ((237, 84, 186), (171, 43, 173)),
    "orange": ((239, 125, 14), (180, 62, 21)),
    "yellow": ((245, 245, 87), (195, 136, 34)),
    "black": ((63, 71, 78), (30, 31, 38)),
    "white": ((214, 224, 240), (131, 148, 191)),
    "purple": ((107, 49, 188), (60, 23, 124)),
    "brown": ((113, 73, 30), (94, 38, 21)),
    "cyan": ((56, 254, 220), (36, 168, 190)),
    "lime": ((80, 239, 57), (21, 167, 66)),
}

COLOUR_NAMES = (*GAME_COLOURS, "grey", "teal", "violet", "dark")


@dataclass(frozen=True)
class Palette:
    """The paints of one crewmate, RGB 0..255 each."""

    body: Colour
    shade: Colour
    visor: Colour
    visor_shade: Colour
    glint: Colour
    outline: Colour
    hat: Colour
    name: str


def colour_name(colour: Colour) -> str:
    """The everyday name nearest to an RGB colour."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    if value < 0.25:
        return "black"
    if saturation < 0.16:
        return "white" if value > 0.8 else "grey"
    if 0.03 < hue < 0.13 and value < 0.6:
        return "brown"
    edges = (0.03, 0.11, 0.19, 0.27, 0.42, 0.48, 0.54, 0.7, 0.76, 0.82, 0.95, 1.01)
    names = ("red", "orange", "yellow", "lime", "green", "teal", "cyan", "blue", "violet", "purple", "pink", "red")
    return names[int(np.searchsorted(edges, hue, side="right"))]


def random_colour(rng: np.random.Generator) -> Colour:
    """Any RGB colour, vivid ones preferred."""
    saturation = float(rng.beta(2.2, 1.2))
    value = float(rng.beta(3.0, 1.3))
    red, green, blue = colorsys.hsv_to_rgb(float(rng.random()), saturation, value)
    return int(255 * red), int(255 * green), int(255 * blue)


def random_grey(rng: np.random.Generator, low: int = 0, high: int = 255) -> Colour:
    """A grey with a faint tint."""
    level = rng.integers(low, high + 1)
    red, green, blue = (min(255, max(0, int(level + tint))) for tint in rng.integers(-8, 9, 3))
    return red, green, blue


def scaled(colour: Colour, factor: float) -> Colour:
    """The colour times a brightness factor, clipped."""
    red, green, blue = (int(min(255, max(0, c * factor))) for c in colour)
    return red, green, blue


def distance(a: Colour, b: Colour) -> float:
    """Euclidean RGB distance."""
    return math.dist(a, b)


def random_palette(rng: np.random.Generator) -> Palette:
    """Paints for one crewmate; the visor always differs enough from the body to be seen."""
    body, shade, name = _body(rng)
    visor = _visor(rng, body)
    outline = scaled(body, 0.3) if rng.random() < 0.3 else random_grey(rng, 0, 30)
    hat = random_colour(rng)
    glint = (255, 255, 255) if rng.random() < 0.8 else scaled(visor, 1.4)
    return Palette(body, shade, visor, scaled(visor, float(rng.uniform(0.5, 0.8))), glint, outline, hat, name)


def _body(rng: np.random.Generator) -> tuple[Colour, Colour, str]:
    draw = rng.random()
    if draw < 0.5:
        name = str(rng.choice(list(GAME_COLOURS)))
        jitter = rng.normal(0, 12, 3)
        body, shade = (_jittered(c, jitter) for c in GAME_COLOURS[name])
        return body, shade, name
    if draw < 0.6:
        body = _jittered((205, 25, 25), rng.normal(0, 22, 3))
    else:
        body = random_colour(rng) if draw < 0.88 else random_grey(rng)
    return body, scaled(body, float(rng.uniform(0.5, 0.8))), colour_name(body)


def _jittered(colour: Colour, jitter: np.ndarray) -> Colour:
    red, green, blue = np.clip(np.add(colour, jitter), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def _visor(rng: np.random.Generator, body: Colour) -> Colour:
    """Mostly pale blue, else white, grey, dark or anything; redrawn until it can be told from the body."""
    needed = 45 if rng.random() < 0.15 else 80
    for _ in range(6):
        colour = _any_visor(rng)
        if distance(colour, body) >= needed:
            return colour
    return (10, 10, 14) if sum(body) > 380 else (240, 245, 250)


def _any_visor(rng: np.random.Generator) -> Colour:
    draw = rng.random()
    if draw < 0.44:
        return _jittered((149, 202, 220), rng.normal(0, 18, 3))
    if draw < 0.58:
        return _jittered((190, 220, 235), rng.normal(0, 15, 3))
    if draw < 0.7:
        return random_grey(rng, 215, 255)
    if draw < 0.78:
        return random_grey(rng, 110, 190)
    return random_grey(rng, 0, 50) if draw < 0.9 else random_colour(rng)
