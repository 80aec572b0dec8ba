"""Outlines of things that are no amogi: vessels, furniture, vehicles, signs."""

import numpy as np

from amogus_search.synth.hats import HATS, hat_polygons
from amogus_search.synth.shapes import Maker, PartMap, between, box, disc, poly


def blob(rng: np.random.Generator) -> PartMap:
    """A rounded lump without visor or legs, perhaps with a lump at its side."""
    rx = between(rng, 0.25, 0.6)
    side = (disc(rx, between(rng, 0.4, 0.6), 0.15, 0.2),) if rng.random() < 0.4 else ()
    return {"torso": (disc(0, 0.5, rx, 0.5, between(rng, 1.8, 5)),), "backpack": side}


def bottle(rng: np.random.Generator) -> PartMap:
    """Neck on a body, with a label or cap."""
    half, neck = between(rng, 0.14, 0.3), between(rng, 0.05, 0.1)
    body = poly((-neck, 0), (neck, 0), (neck, 0.25), (half, 0.42), (half, 1), (-half, 1), (-half, 0.42), (-neck, 0.25))
    label = (box(-half, 0.55, half, 0.8),) if rng.random() < 0.6 else ()
    return {"torso": (body,), "visor": label, "hat": (box(-neck * 1.2, -0.06, neck * 1.2, 0.05),)}


def cup(rng: np.random.Generator) -> PartMap:
    """A cup or mug with a handle or a straw."""
    top, low = between(rng, 0.3, 0.5), between(rng, 0.2, 0.4)
    body = poly((-top, 0.05), (top, 0.05), (low, 1), (-low, 1))
    rim = disc(0, 0.06, top, 0.06)
    handle = (disc(top + 0.08, 0.45, 0.16, 0.22),) if rng.random() < 0.7 else ()
    return {"torso": (body,), "visor": (rim,), "backpack": handle}


def hydrant(rng: np.random.Generator) -> PartMap:
    """A red post with a dome, side caps and a wide foot."""
    half = between(rng, 0.16, 0.24)
    body = (box(-half, 0.2, half, 0.9), disc(0, 0.2, half * 1.1, 0.18), box(-half * 1.5, 0.9, half * 1.5, 1))
    caps = (disc(-half - 0.05, 0.45, 0.09, 0.09), disc(half + 0.05, 0.45, 0.09, 0.09))
    return {"torso": body, "backpack": caps, "visor": (disc(0, 0.48, 0.08),), "hat": (disc(0, 0.01, 0.05),)}


def bell(rng: np.random.Generator) -> PartMap:
    """A bell or lampshade with a clapper."""
    half = between(rng, 0.35, 0.6)
    body = poly((-0.12, 0), (0.12, 0), (half * 0.6, 0.4), (half, 0.85), (-half, 0.85), (-half * 0.6, 0.4))
    return {"torso": (body, disc(0, 0.05, 0.13, 0.1)), "legs": (disc(0, 0.9, 0.1),)}


def helmet(rng: np.random.Generator) -> PartMap:
    """A head in a helmet: dome with a visor, no body and no legs."""
    rx = between(rng, 0.42, 0.55)
    x = between(rng, -0.15, 0.15)
    return {"torso": (disc(0, 0.5, rx, 0.5, 2.4),), "visor": (disc(x, between(rng, 0.5, 0.62), rx * 0.75, 0.2, 3),)}


def window_box(rng: np.random.Generator) -> PartMap:
    """A box with panes, doors or slots: building, cupboard, screen, socket."""
    half = between(rng, 0.25, 0.8)
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    panes = []
    for row in range(rows):
        for column in range(columns):
            x = (column + 0.5) / columns * 2 * half - half
            y = (row + 0.5) / rows
            panes.append(box(x - 0.6 * half / columns, y - 0.3 / rows, x + 0.6 * half / columns, y + 0.3 / rows))
    return {"torso": (box(-half, 0, half, 1),), "visor": tuple(panes)}


def car(rng: np.random.Generator) -> PartMap:
    """Side view: long body, cabin with windows, two wheels."""
    long = between(rng, 0.9, 1.5)
    cabin = poly((-long * 0.5, 0.5), (-long * 0.3, 0.15), (long * 0.3, 0.15), (long * 0.5, 0.5))
    body = (disc(0, 0.65, long, 0.22, 5), cabin)
    panes = (box(-long * 0.28, 0.22, -0.03, 0.45), box(0.03, 0.22, long * 0.28, 0.45))
    return {"torso": body, "visor": panes, "hat": (disc(-long * 0.6, 0.86, 0.15), disc(long * 0.6, 0.86, 0.15))}


def traffic_light(rng: np.random.Generator) -> PartMap:
    """Lamps in a box on a pole, or a disc or panel on a pole."""
    pole = box(-0.03, 0.55, 0.03, 1)
    if rng.random() < 0.5:
        lamps = tuple(disc(0, 0.12 + 0.16 * i, 0.065) for i in range(3))
        return {"torso": (box(-0.12, 0, 0.12, 0.56), pole), "visor": lamps}
    sign = disc(0, 0.3, 0.3, 0.3, float(rng.choice([1.0, 2.0, 8.0])))
    bar = box(-0.2, 0.25, 0.2, 0.35) if rng.random() < 0.6 else disc(0, 0.3, 0.2)
    return {"torso": (sign, pole), "visor": (bar,)}


def bag(rng: np.random.Generator) -> PartMap:
    """A bag or suitcase with a handle and a pocket."""
    half = between(rng, 0.3, 0.6)
    pocket = (disc(0, 0.72, half * 0.6, 0.16, 4),) if rng.random() < 0.6 else ()
    return {"torso": (disc(0, 0.6, half, 0.4, 5),), "visor": pocket, "backpack": (disc(0, 0.2, half * 0.4, 0.2),)}


def walker(rng: np.random.Generator) -> PartMap:
    """Two legs below a body without visor and backpack: trousers, a stool, an arch, a tooth."""
    half, hip = between(rng, 0.25, 0.5), between(rng, 0.25, 0.7)
    gap = half * between(rng, 0.15, 0.5)
    spread = between(rng, -0.05, 0.15)
    legs = tuple(
        poly((s * gap, hip - 0.05), (s * half, hip - 0.05), (s * (half + spread), 1), (s * (gap + spread), 1))
        for s in (-1, 1)
    )
    top = disc(0, hip / 2, half, hip / 2, between(rng, 2.5, 10))
    return {"torso": (top,), "legs": legs}


def ellipse(rng: np.random.Generator) -> PartMap:
    """A visor alone: an ellipse or pill with a glint."""
    ry = between(rng, 0.2, 0.5)
    return {
        "torso": (disc(0, 0.5, between(rng, 0.5, 0.9), ry, 2.6),),
        "glint": (disc(0.2, 0.5 - ry * 0.4, 0.25, ry * 0.25),),
    }


def hat_alone(rng: np.random.Generator) -> PartMap:
    """A hat without a head."""
    polygons = tuple(p * 2 + np.array([0, 0.8]) for p in hat_polygons(str(rng.choice(HATS)), 0.9))
    return {"hat": polygons, "torso": polygons[:1]}


def table(rng: np.random.Generator) -> PartMap:
    """A thin top on legs, or a chair."""
    half = between(rng, 0.4, 0.9)
    legs = tuple(box(x - 0.03, 0.4, x + 0.03, 1) for x in (-half * 0.9, -half * 0.3, half * 0.3, half * 0.9))
    back = (box(-half, 0, -half + 0.08, 0.45),) if rng.random() < 0.4 else ()
    return {"torso": (box(-half, 0.36, half, 0.45), *back), "legs": legs}


def toilet(rng: np.random.Generator) -> PartMap:
    """A cistern over a bowl and a narrow foot."""
    half, bowl = between(rng, 0.22, 0.32), between(rng, 0.28, 0.42)
    parts = (box(-half, 0, half, 0.42), disc(0, 0.58, bowl, 0.16), poly((-0.2, 0.6), (0.2, 0.6), (0.14, 1), (-0.14, 1)))
    return {"torso": parts, "visor": (disc(0, 0.56, bowl * 0.75, 0.1),)}


def bus(rng: np.random.Generator) -> PartMap:
    """A bus or train from the front or side: windscreen, rows of windows, lamps."""
    half = between(rng, 0.35, 1.1)
    count = int(rng.integers(1, 6))
    width = 2 * half / count
    row = [
        box(-half + width * (i + 0.1), y, -half + width * (i + 0.9), y + 0.2) for i in range(count) for y in (0.12, 0.5)
    ]
    lamps = [disc(-half * 0.75, 0.85, 0.05), disc(half * 0.75, 0.85, 0.05)]
    return {"torso": (disc(0, 0.5, half, 0.5, 9),), "visor": tuple(row + lamps)}


def speaker(rng: np.random.Generator) -> PartMap:
    """A box with two or three round openings one above the other; washing machines have one."""
    half = between(rng, 0.25, 0.5)
    count = int(rng.integers(1, 4))
    inset = tuple(
        disc(0, (i + 0.6) / (count + 0.2), half * 0.75 * between(rng, 0.5, 1) / count**0.5) for i in range(count)
    )
    return {"torso": (box(-half, 0, half, 1),), "visor": inset}


def teapot(rng: np.random.Generator) -> PartMap:
    """A round pot or kettle with lid, spout and handle."""
    pot = disc(0, 0.6, between(rng, 0.35, 0.5), 0.4, 2.4)
    spout = poly((0.3, 0.6), (0.75, 0.25), (0.82, 0.3), (0.4, 0.85))
    return {
        "torso": (pot,),
        "backpack": (spout, disc(-0.48, 0.55, 0.2, 0.24)),
        "hat": (disc(0, 0.2, 0.2, 0.07), disc(0, 0.1, 0.05)),
    }


def jug(rng: np.random.Generator) -> PartMap:
    """A detergent bottle: broad body, off-centre neck, cap, big label."""
    half, neck = between(rng, 0.25, 0.42), between(rng, -0.15, 0.15)
    body = poly((neck - 0.1, 0.12), (neck + 0.1, 0.12), (half, 0.35), (half, 1), (-half, 1), (-half, 0.35))
    return {
        "torso": (body,),
        "hat": (box(neck - 0.11, 0, neck + 0.11, 0.14),),
        "visor": (disc(0, 0.68, half * 0.8, 0.22, 4),),
    }


def glasses(rng: np.random.Generator) -> PartMap:
    """Two round or square lenses with a bridge."""
    power = float(rng.choice([2.0, 4.0, 8.0]))
    lenses = (disc(-0.6, 0.5, 0.45, 0.4, power), disc(0.6, 0.5, 0.45, 0.4, power))
    return {"torso": (*lenses, box(-0.2, 0.42, 0.2, 0.5))}


def camera(rng: np.random.Generator) -> PartMap:
    """A flat box with a lens and a bump on top."""
    half = between(rng, 0.6, 0.9)
    lens = (disc(between(rng, -0.2, 0.2), 0.58, 0.3), disc(half * 0.75, 0.28, 0.08))
    return {"torso": (disc(0, 0.58, half, 0.42, 7), box(-0.25, 0, 0.25, 0.3)), "visor": lens}


def shoe(rng: np.random.Generator) -> PartMap:
    """A boot or shoe from the side."""
    toe = between(rng, 0.5, 0.9)
    boot = poly((-0.3, 0), (0.12, 0), (0.15, 0.55), (toe, 0.7), (toe + 0.05, 0.95), (-0.35, 0.95))
    return {"torso": (boot,), "legs": (box(-0.36, 0.92, toe + 0.06, 1),)}


THINGS: dict[str, Maker] = {
    "blob": blob,
    "bottle": bottle,
    "cup": cup,
    "hydrant": hydrant,
    "bell": bell,
    "helmet": helmet,
    "window box": window_box,
    "car": car,
    "traffic light": traffic_light,
    "bag": bag,
    "walker": walker,
    "ellipse": ellipse,
    "hat": hat_alone,
    "table": table,
    "toilet": toilet,
    "bus": bus,
    "speaker": speaker,
    "teapot": teapot,
    "jug": jug,
    "glasses": glasses,
    "camera": camera,
    "shoe": shoe,
}
