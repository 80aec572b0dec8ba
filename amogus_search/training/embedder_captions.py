"""What is true of a crop, and sentences about it.

A crop has a set of facts ("colour:red", "style:pencil", "thing:dog"); a caption mentions some of them.
A caption fits every crop that has all the facts it mentions, not only the crop it was written for, so
that "a red crewmate" is never taught to be wrong for another red crewmate in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.captions import NOUNS, STYLE_PHRASES
from amogus_search.synth.sprite import SpriteAttributes

Facts = frozenset[str]
CREWMATE, OTHER = "crewmate", "other"

# Short names beside the renderer's own phrases; a name that several styles share asks for any of them.
SHORT_STYLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "flat": ("flat", "cartoon"),
        "outlined": ("outlined", "cartoon"),
        "cel": ("cel shaded", "cartoon"),
        "silhouette": ("silhouette", "shadow"),
        "sticker": ("sticker", "cartoon"),
        "gradient": ("emoji", "glossy"),
        "lineart": ("line drawing", "drawing", "contour"),
        "neon": ("neon", "glowing"),
        "print": ("faded", "cartoon"),
        "toy": ("toy", "plastic", "3d"),
        "clay": ("clay", "3d"),
        "plush": ("plush", "fluffy", "toy", "3d"),
        "knit": ("knitted", "wool", "3d"),
        "metallic": ("metal", "chrome", "3d"),
        "wood": ("wooden", "carved", "3d"),
        "embossed": ("embossed", "relief", "carved", "camouflaged"),
        "pencil": ("pencil", "pencil sketch", "sketch", "drawing"),
        "scribble": ("scribble", "doodle", "drawing"),
        "painting": ("painting", "watercolour"),
        "halftone": ("halftone", "comic", "dotted"),
        "stipple": ("stippled", "dotted"),
        "letters": ("ascii art", "text"),
        "embroidery": ("embroidered", "stitched"),
        "chalk": ("chalk", "crayon", "drawing"),
        "tinted": ("tinted", "camouflaged", "hidden"),
        "cloud": ("cloud", "smoke", "nebula", "camouflaged", "hidden"),
        "textured": ("textured", "camouflaged", "hidden"),
        "pixel": ("pixel art", "8 bit"),
        "pixelated": ("pixelated", "pixel art", "8 bit"),
        "shapes": ("disguised", "pareidolia", "hidden"),
        "turned": ("turned", "post", "bin", "pareidolia", "hidden", "3d"),
        "glow": ("glowing", "nebula", "lights", "pareidolia", "hidden"),
        "ice": ("ice", "frozen", "pareidolia", "hidden", "3d"),
    }
)

# The styles whose body shows the palette's own colour; the others draw in ink, in light or in the ground's texture.
_COLOURED = """
flat outlined cel sticker gradient print toy clay plush knit scribble painting embroidery pixel pixelated
"""
TRUE_COLOURS = frozenset(_COLOURED.split())

SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "imposter": "impostor",
        "imposters": "impostor",
        "amogi": "amogus",
        "mogus": "amogus",
        "amongus": "amogus",
        "sussy": "sus",
        "crewmates": "crewmate",
        "gray": "grey",
        "colors": "colours",
        "color": "colours",
        "colour": "colours",
        "watercolor": "watercolour",
        "knit": "knitted",
        "pixels": "pixel",
        "pixelart": "pixel",
        "wood": "wooden",
        "drawn": "drawing",
        "photograph": "photo",
        "facing": "looking",
        "bag": "backpack",
        "rucksack": "backpack",
        "no": "without",
        "sketched": "sketch",
        "glow": "glowing",
    }
)
_SMALL_WORDS = """
a an the of in on is it its and that this to by as at for from picture pictures image images
"""
FILLERS = frozenset(_SMALL_WORDS.split())


@dataclass(frozen=True)
class Caption:
    """A sentence and the facts it mentions."""

    text: str
    facts: Facts


def crewmate_facts(attributes: SpriteAttributes) -> Facts:
    """All facts of a rendered crewmate."""
    hat = {"hat", f"hat:{attributes.hat}"} if attributes.hat else {"hat:none"}
    colour = {f"colour:{attributes.colour}"} if attributes.style in TRUE_COLOURS else set()
    return frozenset(
        {
            CREWMATE,
            *colour,
            f"backpack:{'yes' if attributes.backpack else 'no'}",
            f"facing:{attributes.facing}",
            *(f"style:{phrase}" for phrase in _style_phrases(attributes.style)),
            *hat,
        }
    )


def _style_phrases(style: str) -> tuple[str, ...]:
    """The ways to name a rendering style; some are shared by several styles."""
    return (*SHORT_STYLES.get(style, (style,)), *STYLE_PHRASES.get(style, ()))


def thing_facts(names: Sequence[str], kind: str) -> Facts:
    """Facts of something that is no crewmate: its names, most exact first, and "photo", "drawing" or "" as its kind."""
    kinds = {f"kind:{kind}"} if kind else set()
    return frozenset({OTHER, *kinds, *(f"thing:{name}" for name in names)})


def write_caption(facts: Facts, rng: np.random.Generator) -> Caption:
    """One of many sentences about a crop, mentioning a random part of its facts."""
    return _crewmate_caption(facts, rng) if CREWMATE in facts else _thing_caption(facts, rng)


def mirrored(facts: Facts) -> Facts:
    """The facts after the crop was flipped from left to right."""
    swap = {"facing:left": "facing:right", "facing:right": "facing:left"}
    return frozenset(swap.get(fact, fact) for fact in facts)


def fits(captions: Sequence[Caption], crops: Sequence[Facts]) -> NDArray[np.bool_]:
    """(captions, crops): whether everything that a caption mentions is true of a crop."""
    names = {
        fact: column for column, fact in enumerate(sorted(frozenset().union(*crops, *(c.facts for c in captions))))
    }
    mentioned = _table([c.facts for c in captions], names)
    return np.asarray(mentioned @ _table(crops, names).T >= mentioned.sum(1, keepdims=True) - 0.5)


def _table(sets: Sequence[Facts], names: Mapping[str, int]) -> NDArray[np.float32]:
    table = np.zeros((len(sets), len(names)), np.float32)
    for row, facts in zip(table, sets, strict=True):
        row[[names[fact] for fact in facts]] = 1.0
    return table


def _value(facts: Facts, key: str, rng: np.random.Generator) -> str:
    values = sorted(fact.split(":", 1)[1] for fact in facts if fact.startswith(key + ":"))
    return str(rng.choice(values)) if values else ""


def _crewmate_caption(facts: Facts, rng: np.random.Generator) -> Caption:
    mentioned, before, after, last = {CREWMATE}, "", [], ""
    colour, style = _value(facts, "colour", rng), _value(facts, "style", rng)
    if colour and rng.random() < 0.7:
        mentioned.add(f"colour:{colour}")
        before = colour
    if rng.random() < 0.55:
        mentioned.add(f"style:{style}")
        if style in _ADJECTIVES and rng.random() < 0.6:
            before = f"{style} {before}"
        else:
            last = f", {style}"
    if rng.random() < 0.3:
        fact = "backpack:yes" if "backpack:yes" in facts else "backpack:no"
        mentioned.add(fact)
        after.append("with a backpack" if fact.endswith("yes") else "without a backpack")
    if rng.random() < (0.5 if "hat" in facts else 0.12):
        phrase, fact = _hat_phrase(_value(facts, "hat", rng), rng)
        mentioned.add(fact)
        after.append(phrase)
    if rng.random() < 0.25:
        facing = _value(facts, "facing", rng)
        mentioned.add(f"facing:{facing}")
        after.append(_FACINGS[facing])
    noun = str(rng.choice(NOUNS))
    text = " ".join(f"a {before} {noun} {' and '.join(after)}{last}".split()).replace(" ,", ",")
    return Caption(text, frozenset(mentioned))


_ADJECTIVES = frozenset(phrase for phrases in SHORT_STYLES.values() for phrase in phrases)
_FACINGS = {"left": "looking left", "right": "looking right", "front": "from the front", "back": "from behind"}


def _hat_phrase(hat: str, rng: np.random.Generator) -> tuple[str, str]:
    if hat == "none":
        return "without a hat", "hat:none"
    if rng.random() < 0.3:
        return "with a hat", "hat"
    return f"with a {hat}" if rng.random() < 0.5 else f"wearing a {hat}", f"hat:{hat}"


def _thing_caption(facts: Facts, rng: np.random.Generator) -> Caption:
    thing, kind = _value(facts, "thing", rng), _value(facts, "kind", rng)
    if not thing or rng.random() < 0.12:
        return Caption(f"a {kind}", frozenset({f"kind:{kind}"})) if kind else Caption("background", frozenset({OTHER}))
    if kind and rng.random() < 0.5:
        return Caption(f"a {kind} of a {thing}", frozenset({f"thing:{thing}", f"kind:{kind}"}))
    return Caption(f"a {thing}", frozenset({f"thing:{thing}"}))
