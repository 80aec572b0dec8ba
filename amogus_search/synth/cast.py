"""Who plays in a scene: what is planted, and what stands by that must not be taken for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from amogus_search.synth.crewmate import random_crewmate
from amogus_search.synth.distractors import render_distractor
from amogus_search.synth.sprite import Rgb, Sprite
from amogus_search.synth.styles import render_sprite

Paint: TypeAlias = Callable[[np.random.Generator, float, str, Callable[[], Rgb]], Sprite]
"""(randomness, height in pixels, style, picture to cut textures from) -> one that is planted."""
PaintOther: TypeAlias = Callable[[np.random.Generator, float, Rgb], Sprite]
"""(randomness, height in pixels, picture to cut textures from) -> one that is not."""


@dataclass(frozen=True)
class Cast:
    """The painters of a scene.

    planted: paints what is labelled
    others:  paints distractors
    mosaics: whether some scenes are whole pixel-art canvases of amogi
    """

    planted: Paint
    others: PaintOther
    mosaics: bool = False


def amogus(rng: np.random.Generator, height_px: float, style: str, texture: Callable[[], Rgb]) -> Sprite:
    """Any crewmate in a style."""
    return render_sprite(random_crewmate(rng), height_px, style, rng, texture=texture())


def no_amogus(rng: np.random.Generator, height_px: float, texture: Rgb) -> Sprite:
    """Any thing that is no crewmate."""
    return render_distractor(rng, height_px, texture=texture)


AMOGI = Cast(amogus, no_amogus, mosaics=True)
