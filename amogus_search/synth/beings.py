"""Outlines of beings that are no amogi: people, faces, ghosts, birds, bears."""

import numpy as np

from amogus_search.synth.crewmate import superellipse
from amogus_search.synth.shapes import Maker, PartMap, between, box, disc, poly


def person(rng: np.random.Generator) -> PartMap:
    """Head, neck, torso, arms and long legs."""
    head, half, hip = between(rng, 0.07, 0.13), between(rng, 0.11, 0.2), between(rng, 0.5, 0.62)
    swing, spread = between(rng, 0.02, 0.35), between(rng, 0.0, 0.14)
    chest = poly((-half, 0.25), (half, 0.25), (half * 0.8, hip), (-half * 0.8, hip))
    torso = (disc(0, head, head * 0.85, head), box(-0.04, head * 1.8, 0.04, 0.3), chest)
    arms = tuple(
        poly((s * half, 0.26), (s * (half + swing), 0.55), (s * (half + swing - 0.06), 0.56), (s * (half - 0.06), 0.33))
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
    hair = (disc(0, head * 0.6, head * 0.9, head * 0.65),) if rng.random() < 0.7 else ()
    return {"torso": torso, "backpack": arms, "legs": legs, "hat": hair}


def face(rng: np.random.Generator) -> PartMap:
    """A head with two eyes and a mouth."""
    rx = between(rng, 0.35, 0.5)
    eye = between(rng, 0.04, 0.1)
    inset = (disc(-rx * 0.4, 0.4, eye), disc(rx * 0.4, 0.4, eye), disc(0, 0.72, rx * 0.4, between(rng, 0.02, 0.1)))
    ears = (disc(-rx, 0.5, 0.07, 0.1), disc(rx, 0.5, 0.07, 0.1)) if rng.random() < 0.5 else ()
    return {"torso": (disc(0, 0.5, rx, 0.5, 2.2),), "visor": inset, "backpack": ears}


def ghost(rng: np.random.Generator) -> PartMap:
    """A sheet ghost or jellyfish: dome, two separate eyes, three or more lobes below."""
    half = between(rng, 0.3, 0.45)
    count = int(rng.integers(3, 6))
    lobes = tuple(disc((i + 0.5) / count * 2 * half - half, 0.88, half / count * 0.8, 0.12) for i in range(count))
    eyes = (disc(-half * 0.4, 0.35, 0.06, 0.09), disc(half * 0.4, 0.35, 0.06, 0.09))
    top = superellipse(0, 0.4, half, 0.4, 2.2, 48)[24:]
    return {"torso": (np.concatenate([top, [(half, 0.9), (-half, 0.9)]]),), "legs": lobes, "visor": eyes}


def bust(rng: np.random.Generator) -> PartMap:
    """Head and shoulders, often with a cap, sunglasses or a beard."""
    head = between(rng, 0.22, 0.32)
    shoulders = disc(0, 1.0, between(rng, 0.5, 0.85), 0.42, 2.6)
    torso = (disc(0, 0.34, head, 0.34, 2.2), box(-0.1, 0.5, 0.1, 0.75), np.clip(shoulders, -9, (9, 1.0)))
    cap = (np.clip(disc(0, 0.2, head * 1.05, 0.22), -9, (9, 0.2)),) if rng.random() < 0.6 else ()
    band = (disc(0, 0.32, head * 0.85, 0.06, 4),) if rng.random() < 0.5 else ()
    return {"torso": torso, "hat": cap, "visor": band}


def bird(rng: np.random.Generator) -> PartMap:
    """A penguin or owl: upright body, two eyes, pale belly, small feet far below."""
    half = between(rng, 0.26, 0.42)
    eyes = (disc(-half * 0.35, 0.2, 0.06), disc(half * 0.35, 0.2, 0.06), disc(0, 0.65, half * 0.6, 0.25))
    wings = (disc(-half, 0.55, 0.09, 0.28), disc(half, 0.55, 0.09, 0.28))
    return {
        "torso": (disc(0, 0.5, half, 0.5),),
        "visor": eyes,
        "backpack": wings,
        "hat": (poly((-0.05, 0.27), (0.05, 0.27), (0, 0.35)),),
    }


def bear(rng: np.random.Generator) -> PartMap:
    """A teddy: round head with ears and two eyes, round body, four limbs."""
    head = between(rng, 0.18, 0.26)
    eyes = (disc(-head * 0.4, head * 0.9, 0.03), disc(head * 0.4, head * 0.9, 0.03), disc(0, head * 1.35, 0.07, 0.05))
    ears = (disc(-head * 0.8, head * 0.25, 0.09), disc(head * 0.8, head * 0.25, 0.09))
    limbs = (disc(-0.32, 0.58, 0.12, 0.17), disc(0.32, 0.58, 0.12, 0.17))
    feet = (disc(-0.2, 0.92, 0.14, 0.1), disc(0.2, 0.92, 0.14, 0.1))
    return {
        "torso": (disc(0, head, head), disc(0, 0.65, 0.28, 0.28)),
        "legs": feet,
        "backpack": ears + limbs,
        "visor": eyes,
    }


def quadruped(rng: np.random.Generator) -> PartMap:
    """A dog, cow or sheep from the side: four legs, a head with ears."""
    long, leg = between(rng, 0.5, 0.9), between(rng, 0.05, 0.09)
    legs = tuple(box(x - leg, 0.5, x + leg, 1) for x in (-long * 0.85, -long * 0.6, long * 0.55, long * 0.8))
    head = (
        disc(long + 0.1, between(rng, 0.1, 0.35), 0.22, 0.17),
        poly((long, 0.2), (long + 0.1, -0.05), (long + 0.15, 0.2)),
    )
    return {"torso": (disc(0, 0.5, long, 0.24, 3), *head), "legs": legs, "visor": (disc(long + 0.16, 0.22, 0.03),)}


BEINGS: dict[str, Maker] = {
    "person": person,
    "face": face,
    "ghost": ghost,
    "bust": bust,
    "bird": bird,
    "bear": bear,
    "quadruped": quadruped,
}
