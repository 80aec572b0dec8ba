"""What the diffusion model is told of a job, as arrays: what is known, what may change, the figure, the attributes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels

SIDE_PX = 64
CREWMATE = "crewmate"
_KINDS = ("colour", "style", "hat", "facing")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, eq=False)
class Sketch:
    """The figure that should stand in a picture.

    silhouette, visor: (h, w) float32 coverage 0..1; all 0 leaves open where it stands
    body, glass:       RGB 0..255 of the body and the visor; None leaves the colour open
    """

    silhouette: NDArray[np.float32]
    visor: NDArray[np.float32]
    body: NDArray[np.float32] | None = None
    glass: NDArray[np.float32] | None = None

    def layers(self) -> NDArray[np.float32]:
        """(5, h, w) float32: silhouette, visor, and the colours in -1..1 where they are known, else 0."""
        whole, visor = self.silhouette, np.minimum(self.visor, self.silhouette)
        colours = np.zeros((3, *whole.shape), np.float32)
        for coverage, colour in ((whole - visor, self.body), (visor, self.glass)):
            if colour is not None:
                colours += coverage * (np.asarray(colour, np.float32) / 127.5 - 1)[:, None, None]
        return np.concatenate([np.stack([whole, visor]), colours]).astype(np.float32)


def conditions(pixels: Pixels, mask: NDArray[np.float32], sketch: Sketch) -> NDArray[np.float32]:
    """(9, h, w) float32: the known pixels in -1..1 (0 where all may change), the mask, and the sketch's layers.

    Args:
        pixels: (h, w, 3) uint8.
        mask: (h, w) 0..1, 1 where the picture may change.
        sketch: what should stand there.
    """
    known = signed(pixels) * (1 - mask)
    return np.concatenate([known, mask[None], sketch.layers()]).astype(np.float32)


def signed(pixels: Pixels) -> NDArray[np.float32]:
    """(3, h, w) float32 in -1..1 of (h, w, 3) uint8."""
    return np.asarray(pixels.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1, np.float32)


def unsigned(picture: NDArray[np.float32]) -> Pixels:
    """(h, w, 3) uint8 of (3, h, w) in -1..1."""
    return np.asarray(np.clip(np.rint((picture.transpose(1, 2, 0) + 1) * 127.5), 0, 255), np.uint8)


def wishes(facts: Collection[str], attributes: Sequence[str]) -> NDArray[np.float32]:
    """(len(attributes),) float32: 1 for every attribute among the facts."""
    return np.array([attribute in facts for attribute in attributes], np.float32)


def asked_for(prompt: str, attributes: Sequence[str]) -> frozenset[str]:
    """What a prompt mentions: of every kind of attribute the one with the most words in it, and the hat and backpack.

    Args:
        prompt: any text; words that no attribute has are not understood, and do no harm.
        attributes: "KIND:VALUE" or a class.
    """
    words = set(_WORD.findall(prompt.lower()))
    best: dict[str, tuple[int, str]] = {}
    for attribute in attributes:
        kind, _, value = attribute.partition(":")
        named = set(_WORD.findall(value))
        if kind in _KINDS and named and named <= words:
            best[kind] = max(best.get(kind, (0, "")), (len(named), attribute))
    found = {attribute for _, attribute in best.values()}
    if "hat" in words or any(attribute.startswith("hat:") for attribute in found):
        found.add("hat")
    if words & {"backpack", "bag"}:
        found.add("backpack:no" if words & {"no", "without"} else "backpack:yes")
    return frozenset(found & set(attributes))


def styles(attributes: Sequence[str]) -> tuple[str, ...]:
    """The names of the styles among the attributes."""
    return tuple(name.partition(":")[2] for name in attributes if name.startswith("style:"))
