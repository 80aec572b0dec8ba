"""A crewmate as an SVG document: its parts as paths in plain colours, the way the styles "flat" and "outlined" paint.

Groups are named after the parts: an editor shows `backpack`, `body`, `visor`, `glint` and `hat`. Everything is a
polygon of short sides: at ten times the height they are still too short to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

import numpy as np

from amogus_search.synth.crewmate import Outline, Points
from amogus_search.synth.palette import Colour, Palette

LINE = 0.03
"""Width of the game's dark lines outside of a part, in heights of the crewmate."""
_MARGIN = 0.01


def svg_document(
    outline: Outline, palette: Palette, height_px: float, title: str = "crewmate", *, lines: bool = False
) -> str:
    """The SVG's text: a transparent ground, cut closely around the figure.

    Args:
        outline: in the unit frame.
        palette: its paints.
        height_px: of the crewmate without hat and lines, in pixels.
        title: what a reader aloud says of it.
        lines: with dark lines around the parts, as in the game.
    """
    margin = _MARGIN + (LINE if lines else 0.0)
    points = np.concatenate([p for polygons in outline.parts.values() for p in polygons])
    low, high = points.min(0) - margin, points.max(0) + margin
    width, height = (float(v) for v in (high - low) * height_px)
    groups = [
        _group(name, [(p - low) * height_px for p in polygons], fill, palette.outline, lines * LINE * height_px)
        for name, polygons, fill in _layers(outline, palette)
        if polygons
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.2f}" height="{height:.2f}" '
        f'viewBox="0 0 {width:.2f} {height:.2f}" role="img" aria-label={quoteattr(title)}>'
    )
    return "\n".join([head, *groups, "</svg>", ""])


def _layers(outline: Outline, palette: Palette) -> list[tuple[str, Sequence[Points], Colour]]:
    """Name, polygons and paint of each group, back to front."""
    parts = outline.parts
    body = ("body", (*parts["torso"], *parts["legs"]), palette.body)
    pack = ("backpack", parts["backpack"], palette.shade)
    return [
        *((body, pack) if outline.pack_in_front else (pack, body)),
        ("visor", parts["visor"], palette.visor),
        ("glint", parts["glint"], palette.glint),
        ("hat", parts["hat"], palette.hat),
    ]


def _group(name: str, polygons: Sequence[Points], fill: Colour, line: Colour, line_px: float) -> str:
    """One part: first its line, twice as wide as what is seen of it, then its paint over the inner half."""
    path = " ".join(_path(polygon) for polygon in polygons)
    stroke = ""
    if line_px and name != "glint":
        stroke = (
            f'<path d="{path}" fill="none" stroke="{_hex(line)}" stroke-width="{2 * line_px:.2f}" '
            'stroke-linejoin="round"/>'
        )
    return f'<g id="{name}">{stroke}<path d="{path}" fill="{_hex(fill)}"/></g>'


def _path(polygon: Points) -> str:
    """One closed polygon; all go round the same way, so that where two of a part overlap nothing is left out."""
    x, y = polygon[:, 0], polygon[:, 1]
    if float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) < 0:
        polygon = polygon[::-1]
    return "M" + " L".join(f"{x:.2f},{y:.2f}" for x, y in polygon) + " Z"


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
