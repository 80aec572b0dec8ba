"""Things that are no amogi, painted in the same styles, so that style alone says nothing.

Each outline uses the crewmate's part names ("visor" is any inset detail), and each lacks what makes an amogus:
none has a body with a visor and two legs below.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.crewmate import Outline, superellipse
from amogus_search.synth.hats import HATS, hat_polygons
from amogus_search.synth.palette import random_palette
from amogus_search.synth.sprite import Mask, Sprite, SpriteAttributes, Texture
from amogus_search.synth.styles import STYLES, paint_outline

Points = NDArray[np.float64]
PartMap = dict[str, tuple[Points, ...]]
Maker = Callable[[np.random.Generator], PartMap]


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def _disc(x: float, y: float, rx: float, ry: float | None = None, power: float = 2.0) -> Points:
    return superellipse(x, y, rx, rx if ry is None else ry, power)


def _u(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def blob(rng: np.random.Generator) -> PartMap:
    """A rounded lump without visor or legs, perhaps with a lump at its side."""
    rx = _u(rng, 0.25, 0.6)
    side = (_disc(rx, _u(rng, 0.4, 0.6), 0.15, 0.2),) if rng.random() < 0.4 else ()
    return {"torso": (_disc(0, 0.5, rx, 0.5, _u(rng, 1.8, 5)),), "backpack": side}


def bottle(rng: np.random.Generator) -> PartMap:
    """Neck on a body, with a label or cap."""
    half, neck = _u(rng, 0.14, 0.3), _u(rng, 0.05, 0.1)
    body = np.array(
        [(-neck, 0), (neck, 0), (neck, 0.25), (half, 0.42), (half, 1), (-half, 1), (-half, 0.42), (-neck, 0.25)]
    )
    label = (_box(-half, 0.55, half, 0.8),) if rng.random() < 0.6 else ()
    return {"torso": (body,), "visor": label, "hat": (_box(-neck * 1.2, -0.06, neck * 1.2, 0.05),)}


def cup(rng: np.random.Generator) -> PartMap:
    """A cup or mug with a handle or a straw."""
    top, low = _u(rng, 0.3, 0.5), _u(rng, 0.2, 0.4)
    body = np.array([(-top, 0.05), (top, 0.05), (low, 1), (-low, 1)])
    rim = _disc(0, 0.06, top, 0.06)
    handle = (_disc(top + 0.08, 0.45, 0.16, 0.22),) if rng.random() < 0.7 else ()
    return {"torso": (body,), "visor": (rim,), "backpack": handle}


def hydrant(rng: np.random.Generator) -> PartMap:
    """A red post with a dome, side caps and a wide foot."""
    half = _u(rng, 0.16, 0.24)
    body = (_box(-half, 0.2, half, 0.9), _disc(0, 0.2, half * 1.1, 0.18), _box(-half * 1.5, 0.9, half * 1.5, 1))
    caps = (_disc(-half - 0.05, 0.45, 0.09, 0.09), _disc(half + 0.05, 0.45, 0.09, 0.09))
    return {"torso": body, "backpack": caps, "visor": (_disc(0, 0.48, 0.08),), "hat": (_disc(0, 0.01, 0.05),)}


def bell(rng: np.random.Generator) -> PartMap:
    """A bell or lampshade with a clapper."""
    half = _u(rng, 0.35, 0.6)
    body = np.array([(-0.12, 0), (0.12, 0), (half * 0.6, 0.4), (half, 0.85), (-half, 0.85), (-half * 0.6, 0.4)])
    return {"torso": (body, _disc(0, 0.05, 0.13, 0.1)), "legs": (_disc(0, 0.9, 0.1),)}


def helmet(rng: np.random.Generator) -> PartMap:
    """A head in a helmet: dome with a visor, no body and no legs."""
    rx = _u(rng, 0.42, 0.55)
    x = _u(rng, -0.15, 0.15)
    return {"torso": (_disc(0, 0.5, rx, 0.5, 2.4),), "visor": (_disc(x, _u(rng, 0.5, 0.62), rx * 0.75, 0.2, 3),)}


def window_box(rng: np.random.Generator) -> PartMap:
    """A box with panes, doors or slots: building, cupboard, screen, socket."""
    half = _u(rng, 0.25, 0.8)
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    panes = []
    for row in range(rows):
        for column in range(columns):
            x = (column + 0.5) / columns * 2 * half - half
            y = (row + 0.5) / rows
            panes.append(_box(x - 0.6 * half / columns, y - 0.3 / rows, x + 0.6 * half / columns, y + 0.3 / rows))
    return {"torso": (_box(-half, 0, half, 1),), "visor": tuple(panes)}


def person(rng: np.random.Generator) -> PartMap:
    """Head, neck, torso, arms and long legs."""
    head, half, hip = _u(rng, 0.07, 0.13), _u(rng, 0.11, 0.2), _u(rng, 0.5, 0.62)
    swing, spread = _u(rng, 0.02, 0.35), _u(rng, 0.0, 0.14)
    torso = (_disc(0, head, head * 0.85, head), _box(-0.04, head * 1.8, 0.04, 0.3))
    torso += (np.array([(-half, 0.25), (half, 0.25), (half * 0.8, hip), (-half * 0.8, hip)]),)
    arms = tuple(
        np.array(
            [(s * half, 0.26), (s * (half + swing), 0.55), (s * (half + swing - 0.06), 0.56), (s * (half - 0.06), 0.33)]
        )
        for s in (-1, 1)
    )
    legs = tuple(
        np.array(
            [
                (s * 0.01, hip),
                (s * half * 0.8, hip),
                (s * (half * 0.6 + spread), 1),
                (s * (half * 0.6 + spread - 0.08), 1),
            ]
        )
        for s in (-1, 1)
    )
    hair = (_disc(0, head * 0.6, head * 0.9, head * 0.65),) if rng.random() < 0.7 else ()
    return {"torso": torso, "backpack": arms, "legs": legs, "hat": hair}


def face(rng: np.random.Generator) -> PartMap:
    """A head with two eyes and a mouth."""
    rx = _u(rng, 0.35, 0.5)
    eye = _u(rng, 0.04, 0.1)
    inset = (_disc(-rx * 0.4, 0.4, eye), _disc(rx * 0.4, 0.4, eye), _disc(0, 0.72, rx * 0.4, _u(rng, 0.02, 0.1)))
    ears = (_disc(-rx, 0.5, 0.07, 0.1), _disc(rx, 0.5, 0.07, 0.1)) if rng.random() < 0.5 else ()
    return {"torso": (_disc(0, 0.5, rx, 0.5, 2.2),), "visor": inset, "backpack": ears}


def car(rng: np.random.Generator) -> PartMap:
    """Side view: long body, cabin with windows, two wheels."""
    long = _u(rng, 0.9, 1.5)
    cabin = np.array([(-long * 0.5, 0.5), (-long * 0.3, 0.15), (long * 0.3, 0.15), (long * 0.5, 0.5)])
    body = (_disc(0, 0.65, long, 0.22, 5), cabin)
    panes = (_box(-long * 0.28, 0.22, -0.03, 0.45), _box(0.03, 0.22, long * 0.28, 0.45))
    return {"torso": body, "visor": panes, "hat": (_disc(-long * 0.6, 0.86, 0.15), _disc(long * 0.6, 0.86, 0.15))}


def traffic_light(rng: np.random.Generator) -> PartMap:
    """Lamps in a box on a pole, or a disc or panel on a pole."""
    pole = _box(-0.03, 0.55, 0.03, 1)
    if rng.random() < 0.5:
        lamps = tuple(_disc(0, 0.12 + 0.16 * i, 0.065) for i in range(3))
        return {"torso": (_box(-0.12, 0, 0.12, 0.56), pole), "visor": lamps}
    sign = _disc(0, 0.3, 0.3, 0.3, float(rng.choice([1.0, 2.0, 8.0])))
    bar = _box(-0.2, 0.25, 0.2, 0.35) if rng.random() < 0.6 else _disc(0, 0.3, 0.2)
    return {"torso": (sign, pole), "visor": (bar,)}


def bag(rng: np.random.Generator) -> PartMap:
    """A bag or suitcase with a handle and a pocket."""
    half = _u(rng, 0.3, 0.6)
    pocket = (_disc(0, 0.72, half * 0.6, 0.16, 4),) if rng.random() < 0.6 else ()
    return {"torso": (_disc(0, 0.6, half, 0.4, 5),), "visor": pocket, "backpack": (_disc(0, 0.2, half * 0.4, 0.2),)}


def walker(rng: np.random.Generator) -> PartMap:
    """Two legs below a body without visor and backpack: trousers, a stool, an arch, a tooth."""
    half, hip = _u(rng, 0.25, 0.5), _u(rng, 0.25, 0.7)
    gap = half * _u(rng, 0.15, 0.5)
    spread = _u(rng, -0.05, 0.15)
    legs = tuple(
        np.array([(s * gap, hip - 0.05), (s * half, hip - 0.05), (s * (half + spread), 1), (s * (gap + spread), 1)])
        for s in (-1, 1)
    )
    top = _disc(0, hip / 2, half, hip / 2, _u(rng, 2.5, 10))
    return {"torso": (top,), "legs": legs}


def ellipse(rng: np.random.Generator) -> PartMap:
    """A visor alone: an ellipse or pill with a glint."""
    ry = _u(rng, 0.2, 0.5)
    return {
        "torso": (_disc(0, 0.5, _u(rng, 0.5, 0.9), ry, 2.6),),
        "glint": (_disc(0.2, 0.5 - ry * 0.4, 0.25, ry * 0.25),),
    }


def hat_alone(rng: np.random.Generator) -> PartMap:
    """A hat without a head."""
    polygons = tuple(p * 2 + np.array([0, 0.8]) for p in hat_polygons(str(rng.choice(HATS)), 0.9))
    return {"hat": polygons, "torso": polygons[:1]}


def ghost(rng: np.random.Generator) -> PartMap:
    """A sheet ghost or jellyfish: dome, two separate eyes, three or more lobes below."""
    half = _u(rng, 0.3, 0.45)
    count = int(rng.integers(3, 6))
    lobes = tuple(_disc((i + 0.5) / count * 2 * half - half, 0.88, half / count * 0.8, 0.12) for i in range(count))
    eyes = (_disc(-half * 0.4, 0.35, 0.06, 0.09), _disc(half * 0.4, 0.35, 0.06, 0.09))
    top = superellipse(0, 0.4, half, 0.4, 2.2, 48)[24:]
    return {"torso": (np.concatenate([top, [(half, 0.9), (-half, 0.9)]]),), "legs": lobes, "visor": eyes}


def table(rng: np.random.Generator) -> PartMap:
    """A thin top on legs, or a chair."""
    half = _u(rng, 0.4, 0.9)
    legs = tuple(_box(x - 0.03, 0.4, x + 0.03, 1) for x in (-half * 0.9, -half * 0.3, half * 0.3, half * 0.9))
    back = (_box(-half, 0, -half + 0.08, 0.45),) if rng.random() < 0.4 else ()
    return {"torso": (_box(-half, 0.36, half, 0.45), *back), "legs": legs}


OUTLINES: dict[str, Maker] = {
    "blob": blob,
    "bottle": bottle,
    "cup": cup,
    "hydrant": hydrant,
    "bell": bell,
    "helmet": helmet,
    "window box": window_box,
    "person": person,
    "face": face,
    "car": car,
    "traffic light": traffic_light,
    "bag": bag,
    "walker": walker,
    "ellipse": ellipse,
    "hat": hat_alone,
    "ghost": ghost,
    "table": table,
}

DISTRACTORS = (*OUTLINES, "letter", "grid noise")

_LETTERS = "ARnmOo8aeQBDPghUMWHKX069%&@"


def render_distractor(
    rng: np.random.Generator, height_px: float, kind: str | None = None, texture: Texture | None = None
) -> Sprite:
    """A thing that is no amogus, painted in a random style; its keypoints are all absent."""
    kind = kind or str(rng.choice(DISTRACTORS))
    if kind == "letter":
        return _letter(rng, height_px)
    if kind == "grid noise":
        return grid_noise(rng, height_px)
    parts = OUTLINES[kind](rng)
    names = ("torso", "legs", "visor", "glint", "backpack", "hat")
    outline = Outline({name: parts.get(name, ()) for name in names}, np.zeros((7, 3)))
    palette = random_palette(rng)
    attributes = SpriteAttributes(palette.name, kind, False, None, "front", "distractor")
    style = str(rng.choice([s for s in STYLES if s not in ("pixel", "shapes", "pixelated")]))
    front = 1 if rng.random() < 0.5 else -1
    return paint_outline(outline, front, style, height_px, palette, rng, attributes, texture)


def _letter(rng: np.random.Generator, height_px: float) -> Sprite:
    """A character or two in a random face and colour."""
    text = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 4))))
    scale, weight = max(0.3, height_px / 24), max(1, round(height_px / float(rng.uniform(6, 22))))
    font = int(rng.integers(0, 8))
    (width, height), base = cv2.getTextSize(text, font, scale, weight)
    mask: Mask = np.zeros((height + base + 4, width + 4), np.uint8)
    cv2.putText(mask, text, (2, height + 1), font, scale, 255, weight, cv2.LINE_AA)
    return _plain_sprite(mask, np.array(random_palette(rng).body, np.uint8)[None, None], "letter")


def grid_noise(rng: np.random.Generator, height_px: float) -> Sprite:
    """A small pixel figure by chance, often mirror-symmetric, which no crewmate is."""
    rows, half = int(rng.integers(4, 11)), int(rng.integers(2, 5))
    palette = random_palette(rng)
    colours = np.array([(0, 0, 0), palette.body, palette.shade, palette.visor], np.uint8)
    cells = rng.choice(4, (rows, half), p=[0.4, 0.4, 0.1, 0.1]).astype(np.uint8)
    cells = np.concatenate([cells, cells[:, ::-1]], 1)
    factor = max(1, round(height_px / rows))
    big = cells.repeat(factor, 0).repeat(factor, 1)
    return _plain_sprite(np.where(big > 0, np.uint8(255), np.uint8(0)), colours[big], "grid noise")


def _plain_sprite(mask: Mask, rgb: NDArray[np.uint8], kind: str) -> Sprite:
    full = np.broadcast_to(rgb, (*mask.shape, 3)).astype(np.uint8)
    attributes = SpriteAttributes("grey", kind, False, None, "front", "distractor")
    return Sprite(np.dstack([full, mask]), mask, np.zeros((7, 3), np.float32), attributes)
