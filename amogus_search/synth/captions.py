"""English sentences about a sprite, for the embedder to learn from."""

import re

import numpy as np

from amogus_search.synth.hats import HATS
from amogus_search.synth.palette import COLOUR_NAMES
from amogus_search.synth.sprite import SpriteAttributes

NOUNS = ("crewmate", "amogus", "among us character", "impostor", "amogus figure", "among us crewmate", "sus little guy")

STYLE_PHRASES: dict[str, tuple[str, ...]] = {
    "flat": ("flat colours", "a flat drawing", "vector art"),
    "outlined": ("game art", "cartoon with thick outlines", "a screenshot of the game"),
    "cel": ("cel shaded", "cartoon shading"),
    "silhouette": ("a silhouette", "a plain shadow shape"),
    "sticker": ("a sticker", "a cutout with a pale border"),
    "gradient": ("an emoji", "a glossy icon"),
    "lineart": ("line art", "an outline drawing", "only lines"),
    "neon": ("a neon sign", "glowing lines"),
    "print": ("a faded print", "a washed print"),
    "toy": ("a plastic toy", "a 3d figure", "a toy photo"),
    "clay": ("made of clay", "a clay model"),
    "plush": ("a plush toy", "a soft toy"),
    "knit": ("knitted", "made of wool"),
    "metallic": ("made of metal", "a chrome figure"),
    "wood": ("carved from wood", "a wooden figure"),
    "embossed": ("embossed", "engraved in the ground"),
    "pencil": ("a pencil sketch", "drawn with a pencil"),
    "scribble": ("a paint scribble", "a quick doodle"),
    "painting": ("a watercolour painting", "painted with a brush"),
    "halftone": ("halftone dots", "printed in a comic"),
    "stipple": ("stippled dots", "a dot drawing"),
    "letters": ("ascii art", "text art made of letters"),
    "embroidery": ("embroidered", "stitched on cloth"),
    "chalk": ("a chalk drawing", "drawn with crayon"),
    "tinted": ("hidden in the texture", "a faint stain"),
    "cloud": ("a cloud", "made of smoke"),
    "turned": ("a bin", "a post with a slot"),
    "glow": ("a nebula", "made of light"),
    "ice": ("made of ice", "glass"),
    "textured": ("cut from another picture", "camouflaged"),
    "pixel": ("pixel art", "a tiny pixel amogus"),
    "pixelated": ("pixelated", "low resolution pixels"),
    "shapes": ("an object that looks like an amogus", "built from simple shapes", "pareidolia"),
}

TEMPLATES = (
    "{a} {noun}{extras}, {style}",
    "{style}: {a} {noun}{extras}",
    "{a} {noun}{extras}",
    "{noun}, {colour}, {style}",
    "a picture of {a} {noun}{extras}",
    "{colour} {noun}",
    "{a} {noun}{facing}",
    "{style} of {a} {noun}",
)

_BUILDS = {"wide": "wide ", "thin": "thin ", "disguised": "hidden "}
_FACINGS = {
    "left": (" facing left", " looking to the left"),
    "right": (" facing right", " looking to the right"),
    "front": (" seen from the front", " facing the camera"),
    "back": (" seen from behind", " turned away"),
}
_PACK = (" with a backpack", " without a backpack")


def caption(attributes: SpriteAttributes, rng: np.random.Generator) -> str:
    """One of many sentences that are true of the sprite."""
    build = _BUILDS.get(attributes.build, "") if rng.random() < 0.5 else ""
    described = f"{build}{attributes.colour}"
    filled = str(rng.choice(TEMPLATES)).format(
        a=("an " if described[0] in "aeiou" else "a ") + described,
        colour=attributes.colour,
        noun=str(rng.choice(NOUNS)),
        style=str(rng.choice(STYLE_PHRASES[attributes.style])),
        facing=str(rng.choice(_FACINGS[attributes.facing])),
        extras=_extras(attributes, rng),
    )
    return " ".join(filled.split())


def _extras(attributes: SpriteAttributes, rng: np.random.Generator) -> str:
    parts = []
    if rng.random() < 0.5:
        parts.append(_PACK[0] if attributes.backpack else _PACK[1])
    if attributes.hat and rng.random() < 0.8:
        parts.append(f" wearing a {attributes.hat}")
    if rng.random() < 0.25:
        parts.append(str(rng.choice(_FACINGS[attributes.facing])))
    return "".join(parts)


def _vocabulary() -> tuple[str, ...]:
    phrases = [*NOUNS, *COLOUR_NAMES, *HATS, *TEMPLATES, *_BUILDS.values(), *_PACK, "wearing a an"]
    phrases += [p for group in (*STYLE_PHRASES.values(), *_FACINGS.values()) for p in group]
    words = {w for p in phrases for w in re.findall(r"[a-z0-9]+", re.sub(r"\{.*?\}", " ", p.lower()))}
    return tuple(sorted(words))


VOCABULARY = _vocabulary()
