"""A folder of drawings of one thing: what a motif is taught from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from amogus_search.errors import AmogusError, UsageError
from amogus_search.synth.cutout import Cutout, cut_out
from amogus_search.synth.sprite import Rgb, Rgba

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
LEAST_DRAWINGS = 3
_MOST_PIXELS = 100_000_000


@dataclass(frozen=True, eq=False)
class Drawings:
    """All drawings of a folder, in the order of their names.

    digest: of all files' bytes, so that a folder with other drawings is noticed
    """

    cutouts: tuple[Cutout, ...]
    digest: str


def read_drawings(folder: Path) -> Drawings:
    """Cut out every picture in a folder (not in folders below it); files that are no pictures are left alone.

    Raises:
        UsageError: there is no such folder, or too few pictures in it.
        AmogusError: a picture cannot be read, or there is no drawing on plain paper in it; the message names it.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", "name a folder with about ten drawings")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
    if len(paths) < LEAST_DRAWINGS:
        found = {0: "no drawing", 1: "one drawing"}.get(len(paths), f"{len(paths)} drawings")
        raise UsageError(
            f"there is {found} in {folder}, at least {LEAST_DRAWINGS} are needed",
            "draw about ten, each a little different, as PNG or JPEG files",
        )
    digest = hashlib.sha256()
    cutouts = []
    for path in paths:
        content, picture = _read(path)
        digest.update(hashlib.sha256(content).digest())
        cutouts.append(cut_out(picture, path.name))
    return Drawings(tuple(cutouts), digest.hexdigest())


def reserve(cutouts: Sequence[Cutout], seed: int) -> tuple[tuple[Cutout, ...], tuple[Cutout, ...]]:
    """Those to learn from, and those kept aside for the test: none of fewer than six, two of ten and more."""
    aside = 0 if len(cutouts) < 6 else 1 if len(cutouts) < 10 else 2
    order = np.random.default_rng((seed, len(cutouts))).permutation(len(cutouts))
    hidden = set(order[:aside].tolist())
    seen = tuple(one for number, one in enumerate(cutouts) if number not in hidden)
    return seen, tuple(one for number, one in enumerate(cutouts) if number in hidden)


def cutout_sheet(cutouts: Sequence[Cutout], cell_px: int = 160, columns: int = 5) -> Rgb:
    """All cut-outs on a chequered ground, to look whether they were cut out well; (h, w, 3)."""
    rows = -(-len(cutouts) // columns)
    y, x = np.mgrid[0 : rows * cell_px, 0 : columns * cell_px]
    sheet = np.where((y // 10 + x // 10) % 2, 170, 215).astype(np.uint8)[..., None].repeat(3, 2)
    for number, one in enumerate(cutouts):
        height, width = one.shape.shape
        scale = 0.9 * cell_px / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(one.rgba, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        top = number // columns * cell_px + (cell_px - size[1]) // 2
        left = number % columns * cell_px + (cell_px - size[0]) // 2
        window = sheet[top : top + size[1], left : left + size[0]]
        weight = small[..., 3:].astype(np.float32) / 255
        window[:] = (window + (small[..., :3] - window.astype(np.float32)) * weight).astype(np.uint8)
    return sheet


def _read(path: Path) -> tuple[bytes, Rgba]:
    """The file's bytes, and its picture upright, (h, w, 4) uint8."""
    try:
        content = path.read_bytes()
        with Image.open(path) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise AmogusError(f"{path} has {opened.width} x {opened.height} pixels", "make it smaller")
            upright = ImageOps.exif_transpose(opened)
            return content, np.asarray(upright.convert("RGBA"), np.uint8)
    # ultralytics, once imported, makes Pillow look for a HEIF plug-in before it gives up on a file.
    except (OSError, ValueError, SyntaxError, ImportError, Image.DecompressionBombError) as error:
        raise AmogusError(
            f"the drawing {path} cannot be read: {error}", "mend it, or take it out of the folder"
        ) from error
