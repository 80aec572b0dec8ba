"""Every style by name, and the one function that paints a crewmate in it."""

from collections.abc import Callable

import cv2
import numpy as np

from amogus_search.errors import UsageError
from amogus_search.synth import styles_drawn as drawn
from amogus_search.synth import styles_flat as flats
from amogus_search.synth import styles_found as found
from amogus_search.synth import styles_shaded as shaded
from amogus_search.synth import styles_texture as textures
from amogus_search.synth.crewmate import Crewmate, Outline, crewmate_outline
from amogus_search.synth.disguise import disguised_outline
from amogus_search.synth.palette import Palette, random_palette
from amogus_search.synth.pixelart import cell_colours, enlarge, random_pixel_crewmate
from amogus_search.synth.sprite import Layer, Parts, Sprite, SpriteAttributes, Texture, rasterize

Painter = Callable[[Parts, Palette, np.random.Generator], Layer]

PAINTERS: dict[str, Painter] = {
    "flat": flats.flat,
    "outlined": flats.outlined,
    "cel": flats.cel,
    "silhouette": flats.silhouette,
    "sticker": flats.sticker,
    "gradient": flats.gradient,
    "lineart": flats.lineart,
    "neon": flats.neon,
    "print": flats.gloss_noise,
    "toy": shaded.toy,
    "clay": shaded.clay,
    "plush": shaded.plush,
    "knit": shaded.knit,
    "metallic": shaded.metallic,
    "wood": shaded.painted_wood,
    "embossed": shaded.embossed,
    "pencil": drawn.pencil,
    "scribble": drawn.paint_scribble,
    "painting": drawn.brush_painting,
    "halftone": drawn.halftone,
    "stipple": drawn.stipple,
    "letters": drawn.letters,
    "embroidery": drawn.embroidery,
    "chalk": drawn.chalk,
    "tinted": textures.tinted,
    "cloud": textures.cloud,
    "textured": textures.textured,
    "turned": found.turned,
    "glow": found.glow,
    "ice": found.ice,
}

STYLES = (*PAINTERS, "pixel", "pixelated", "shapes")

# How the built-from-shapes crewmates are painted: like things, not like drawings.
_THING_PAINTERS = (
    "flat",
    "toy",
    "textured",
    "metallic",
    "wood",
    "outlined",
    "gradient",
    "clay",
    "cel",
    "tinted",
    "turned",
    "turned",
    "glow",
    "ice",
)


def render_sprite(
    crewmate: Crewmate,
    height_px: float,
    style: str,
    rng: np.random.Generator,
    palette: Palette | None = None,
    texture: Texture | None = None,
) -> Sprite:
    """The crewmate painted in a style.

    Args:
        crewmate: its build; "pixel" and "shapes" take only chance from `rng`, not the build.
        height_px: its height without hat, in pixels of the sprite.
        style: one of STYLES.
        rng: the source of randomness.
        palette: its paints; None draws some.
        texture: a photograph (h, w, 3) uint8 that the "textured" style may cut from.
    """
    if style not in STYLES:
        raise UsageError(f"unknown style {style!r}", f"one of: {', '.join(STYLES)}")
    palette = palette or random_palette(rng)
    if style == "pixel":
        return _pixel_sprite(height_px, palette, rng)
    if style == "pixelated":
        return _pixelated_sprite(crewmate, height_px, palette, rng)
    outline, front, painter = crewmate_outline(crewmate), crewmate.front, style
    if style == "shapes":
        outline, front = disguised_outline(rng)
        painter = str(rng.choice(_THING_PAINTERS))
    attributes = _attributes(crewmate, style, palette, outline, front)
    return paint_outline(outline, front, painter, height_px, palette, rng, attributes, texture)


def paint_outline(
    outline: Outline,
    front: int,
    painter: str,
    height_px: float,
    palette: Palette,
    rng: np.random.Generator,
    attributes: SpriteAttributes,
    texture: Texture | None = None,
) -> Sprite:
    """Any outline, crewmate or not, painted by one of PAINTERS."""
    layer, parts = _painted(outline, front, painter, height_px, palette, rng, texture)
    return trimmed(layer, parts.keypoints, height_px / parts.unit, attributes)


def _painted(
    outline: Outline,
    front: int,
    painter: str,
    height_px: float,
    palette: Palette,
    rng: np.random.Generator,
    texture: Texture | None = None,
) -> tuple[Layer, Parts]:
    """Painted somewhat larger than asked, so that shrinking smooths the borders."""
    parts = rasterize(outline, working_height(height_px), front)
    return paint_parts(parts, painter, palette, rng, texture), parts


def working_height(height_px: float) -> float:
    """How tall, in pixels, something is painted that will be `height_px` tall."""
    return float(np.clip(height_px * 1.1, 60, 400))


def paint_parts(
    parts: Parts, painter: str, palette: Palette, rng: np.random.Generator, texture: Texture | None = None
) -> Layer:
    """The masks painted by one of PAINTERS, at their own size."""
    if painter == "textured":
        return textures.textured(parts, palette, rng, texture)
    return PAINTERS[painter](parts, palette, rng)


def _attributes(c: Crewmate, style: str, palette: Palette, outline: Outline, front: int) -> SpriteAttributes:
    if style == "shapes":
        pack = bool(outline.keypoints[3, 2] > 0)
        return SpriteAttributes(palette.name, style, pack, None, "right" if front > 0 else "left", "disguised")
    build = "wide" if c.body_width > 0.75 else "thin" if c.body_width < 0.5 else "normal"
    return SpriteAttributes(palette.name, style, c.backpack_width > 0, c.hat, c.facing, build)


def _resized(layer: Layer, size_wh: tuple[int, int]) -> Layer:
    """The layer at another size; painters colour the ground like the border, so plain averages do not darken it."""
    height, width = layer.shape.shape
    if size_wh == (width, height):
        return layer
    how = cv2.INTER_AREA if size_wh[1] < height else cv2.INTER_LINEAR
    rgba = np.asarray(cv2.resize(layer.rgba, size_wh, interpolation=how), np.uint8)
    return Layer(rgba, np.asarray(cv2.resize(layer.shape, size_wh, interpolation=how), np.uint8), layer.blend)


def trimmed(layer: Layer, keypoints: np.ndarray, scale: float, attributes: SpriteAttributes) -> Sprite:
    """The sprite at its final size, without empty margins."""
    x, y, w, h = cv2.boundingRect(_seen(layer))
    cut = np.s_[y : y + h, x : x + w]
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = _resized(Layer(layer.rgba[cut], layer.shape[cut], layer.blend), size)
    points = keypoints.astype(np.float32).copy()
    points[:, :2] = (points[:, :2] - (x, y)) * (size[0] / w, size[1] / h)
    points[points[:, 2] == 0] = 0
    return Sprite(small.rgba, small.shape, points, attributes, small.blend)


def _seen(layer: Layer) -> np.ndarray:
    """(h, w) uint8, positive where anything is to be kept: the figure, its border, its glow."""
    if layer.blend == "screen":
        return np.asarray(cv2.max(layer.shape, np.where(layer.rgba[..., :3].max(2) > 12, layer.rgba[..., 3], 0)))
    return np.asarray(cv2.max(layer.shape, layer.rgba[..., 3]) if layer.blend == "normal" else layer.shape)


def _pixel_sprite(height_px: float, palette: Palette, rng: np.random.Generator) -> Sprite:
    """A grid drawing, enlarged by repetition (mostly by a whole number) or by interpolation."""
    drawing = random_pixel_crewmate(rng)
    mask = np.where(drawing.cells > 0, np.uint8(255), np.uint8(0))
    rgb = cell_colours(palette, rng)[drawing.cells]
    rgb[mask == 0] = palette.body
    factor = height_px / mask.shape[0]
    factor = max(1.0, round(factor)) if rng.random() < 0.7 else factor
    how = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.choice(3, p=[0.7, 0.15, 0.15]))]
    rgb, mask = enlarge(rgb, mask, factor, how)
    keypoints = drawing.keypoints.copy()
    keypoints[:, :2] *= (mask.shape[1] / drawing.cells.shape[1], mask.shape[0] / drawing.cells.shape[0])
    attributes = SpriteAttributes(palette.name, "pixel", drawing.backpack, None, drawing.facing, "pixel")
    return Sprite(np.dstack([rgb, mask]), mask, keypoints, attributes)


def _pixelated_sprite(crewmate: Crewmate, height_px: float, palette: Palette, rng: np.random.Generator) -> Sprite:
    """Painted normally, then reduced to a coarse grid with hard borders and enlarged again."""
    outline = crewmate_outline(crewmate)
    painter = str(rng.choice(["flat", "outlined", "cel", "gradient"]))
    layer, parts = _painted(outline, crewmate.front, painter, 64, palette, rng)
    rows = int(rng.integers(8, 26))
    attributes = _attributes(crewmate, "pixelated", palette, outline, crewmate.front)
    small = trimmed(layer, parts.keypoints, rows / parts.unit, attributes)
    hard = np.where(small.rgba[..., 3] > 110, np.uint8(255), np.uint8(0))
    factor = height_px / rows
    factor = max(1.0, round(factor)) if rng.random() < 0.6 else factor
    rgb, mask = enlarge(np.ascontiguousarray(small.rgba[..., :3]), hard, factor, cv2.INTER_NEAREST)
    keypoints = small.keypoints.copy()
    keypoints[:, :2] *= (mask.shape[1] / hard.shape[1], mask.shape[0] / hard.shape[0])
    return Sprite(np.dstack([rgb, mask]), mask, keypoints, attributes)
