"""Single crewmates to order: colour, hat, pose and style by name, as transparent pictures or as SVG.

What is not said, the seed decides. Pictures are painted at their own size, so that large ones are sharp.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from amogus_search.errors import UsageError
from amogus_search.synth.crewmate import Crewmate, crewmate_outline
from amogus_search.synth.hats import HATS
from amogus_search.synth.palette import GAME_COLOURS, Colour, Palette, colour_name, scaled
from amogus_search.synth.sprite import Layer, Rgba, SpriteAttributes, rasterize
from amogus_search.synth.styles import PAINTERS, STYLES, paint_parts, render_sprite, trimmed
from amogus_search.synth.vector import svg_document

ANY = "any"
NO_HAT = "none"
POSES: dict[str, Crewmate] = {
    "right": Crewmate(facing="right"),
    "left": Crewmate(facing="left"),
    "front": Crewmate(facing="front", visor_x=0.0, visor_width=0.66, backpack_width=0.0),
    "back": Crewmate(facing="back", visor_x=0.12),
    "profile": Crewmate(body_width=0.54, visor_width=0.42, visor_x=0.36, backpack_width=0.36, leg_gap=0.12),
    "walking": Crewmate(leg_spread=0.07, leg_step=0.08, lean=0.06),
    "leaning": Crewmate(lean=0.16),
    "squat": Crewmate(body_width=0.82, leg_length=0.15, visor_y=0.3, dome_height=0.36),
    "tall": Crewmate(body_width=0.48, leg_length=0.3, visor_y=0.22, dome_height=0.26, visor_height=0.16),
}
BUILD_OF_THEIR_OWN = ("pixel", "shapes")
"""Styles that draw a build by chance: hats and poses mean nothing to them, so `any` never means them."""
DEFAULT_STYLE = "outlined"
_VISOR, _VISOR_SHADE = (149, 202, 220), (74, 112, 136)
_DARK_LINE = (12, 12, 16)


@dataclass(frozen=True)
class Wanted:
    """What to draw; `any` leaves it to the seed.

    colour: a name of the game's colours, `#rrggbb`, or `any`
    hat:    a name of `hats.HATS`, `none` or `any`
    pose:   a name of POSES or `any`
    style:  a name of `styles.STYLES` or `any`
    size:   height of the crewmate without its hat, in pixels
    """

    colour: str = ANY
    hat: str = ANY
    pose: str = ANY
    style: str = DEFAULT_STYLE
    size: int = 512

    def __post_init__(self) -> None:
        colour_of(self.colour)
        _check("hat", self.hat, (*HATS, NO_HAT, ANY))
        _check("pose", self.pose, (*POSES, ANY))
        _check("style", self.style, (*STYLES, ANY))
        said = [name for name, value in (("hat", self.hat), ("pose", self.pose)) if value not in (ANY, NO_HAT)]
        if said and self.style in BUILD_OF_THEIR_OWN:
            raise UsageError(
                f"the style {self.style!r} takes no {said[0]}: its builds are drawn by chance",
                "choose another style, such as pixelated, or leave it out",
            )


@dataclass(frozen=True, eq=False)
class Portrait:
    """One crewmate that is settled in all but the painter's own chance."""

    crewmate: Crewmate
    palette: Palette
    pose: str
    style: str
    size: int
    seed: int

    @property
    def name(self) -> str:
        """Its looks in words, for a file name: `red-walking-top-hat`."""
        hat = f"-{self.crewmate.hat}" if self.crewmate.hat and self.style not in BUILD_OF_THEIR_OWN else ""
        pose = "" if self.style in BUILD_OF_THEIR_OWN else f"-{self.pose}"
        return f"{self.palette.name}{pose}{hat}-{self.style}".replace(" ", "-")


def colour_of(text: str) -> Colour | None:
    """The RGB colour that a name or `#rrggbb` means; None for `any`.

    Raises:
        UsageError: it means none.
    """
    if text == ANY:
        return None
    if text in GAME_COLOURS:
        return GAME_COLOURS[text][0]
    digits = text.removeprefix("#")
    if len(digits) == 6 and all(c in "0123456789abcdefABCDEF" for c in digits):
        red, green, blue = bytes.fromhex(digits)
        return red, green, blue
    raise _unknown("colour", text, (*GAME_COLOURS, ANY), " or a colour like #c51111")


def portrait(wanted: Wanted, seed: int) -> Portrait:
    """A crewmate as wanted; the same for the same seed."""
    rng = np.random.default_rng(seed)
    # Everything is drawn, asked for or not, so that saying one thing changes no other.
    styles = tuple(name for name in STYLES if name not in BUILD_OF_THEIR_OWN)
    colour, pose, hat, style = (str(rng.choice(names)) for names in (tuple(GAME_COLOURS), tuple(POSES), HATS, styles))
    bare = bool(rng.random() < 0.6)
    hat_paint = GAME_COLOURS[str(rng.choice(tuple(GAME_COLOURS)))][0]
    colour, pose = _said(wanted.colour, colour), _said(wanted.pose, pose)
    worn = {ANY: None if bare else hat, NO_HAT: None}.get(wanted.hat, wanted.hat)
    body = colour_of(colour)
    assert body is not None
    crewmate = replace(_varied(POSES[pose], rng), hat=worn)
    return Portrait(crewmate, _palette(colour, body, hat_paint), pose, _said(wanted.style, style), wanted.size, seed)


def picture(one: Portrait) -> Rgba:
    """The painted crewmate, (h, w, 4) uint8, not premultiplied, trimmed."""
    rng = np.random.default_rng((one.seed, 1))
    if one.style not in PAINTERS:
        return render_sprite(one.crewmate, one.size, one.style, rng, one.palette).rgba
    parts = rasterize(crewmate_outline(one.crewmate), max(60.0, 1.1 * one.size), one.crewmate.front)
    layer = _on_nothing(paint_parts(parts, one.style, one.palette, rng))
    looks = SpriteAttributes(one.palette.name, one.style, False, one.crewmate.hat, one.crewmate.facing)
    return trimmed(layer, parts.keypoints, one.size / parts.unit, looks).rgba


def vector(one: Portrait) -> str:
    """The same crewmate as SVG, in plain colours, with lines where its style has them."""
    outline = crewmate_outline(one.crewmate)
    return svg_document(outline, one.palette, one.size, one.name.replace("-", " "), lines=one.style == "outlined")


def _on_nothing(layer: Layer) -> Layer:
    """Paint that is meant to light or to darken a ground, as far as transparency can say it."""
    rgb = layer.rgba[..., :3].astype(np.float32)
    alpha = layer.rgba[..., 3].astype(np.float32)
    if layer.blend == "screen":
        light = rgb.max(axis=2)
        rgb = rgb * (255 / np.maximum(light, 1))[..., None]
        alpha = alpha * light / 255
    elif layer.blend == "relief":
        height = rgb.mean(axis=2) - 128
        rgb = np.repeat(np.where(height > 0, np.float32(255), np.float32(0))[..., None], 3, axis=2)
        alpha = np.minimum(alpha, np.abs(height) * 2)
    else:
        return layer
    rgba = np.dstack([rgb, alpha]).clip(0, 255).astype(np.uint8)
    return Layer(rgba, layer.shape)


def _varied(crewmate: Crewmate, rng: np.random.Generator) -> Crewmate:
    """A little of its own build, so that no two are the same."""
    width, visor_y, legs, phase = rng.uniform(-1, 1, 4)
    return replace(
        crewmate,
        body_width=crewmate.body_width * (1 + 0.04 * float(width)),
        visor_y=crewmate.visor_y + 0.012 * float(visor_y),
        leg_length=crewmate.leg_length * (1 + 0.06 * float(legs)),
        wobble=0.002,
        wobble_phase=3.14 * float(phase),
    )


def _palette(name: str, body: Colour, hat: Colour) -> Palette:
    shade = GAME_COLOURS[name][1] if name in GAME_COLOURS else scaled(body, 0.65)
    said = name if name in GAME_COLOURS else colour_name(body)
    return Palette(body, shade, _VISOR, _VISOR_SHADE, (255, 255, 255), _DARK_LINE, hat, said)


def _said(value: str, drawn: str) -> str:
    return drawn if value == ANY else value


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise _unknown(what, value, known)


def _unknown(what: str, value: str, known: tuple[str, ...], more: str = "") -> UsageError:
    near = get_close_matches(value, known, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(f"there is no {what} {value!r}", f"{meant}there are: {', '.join(known)}{more}")
