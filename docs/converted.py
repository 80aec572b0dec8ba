"""Draw docs/converted.jpg: the back ends of `amogus convert` side by side, on parts of sample photographs.

python docs/converted.py [OUT]; needs the [demo] extra, which brings the photographs, and [diffusion]. Columns: the
original, three styles of `paint`, and `diffusion` at rising strength.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from amogus_search import convert
from amogus_search.core.conversion import Conversion, Wish
from amogus_search.core.cropping import crop_window, cut
from amogus_search.core.types import Pixels
from amogus_search.registry import load_converter
from amogus_search.synth.demo import SAMPLE_FILES, load_samples

PARTS = {
    "coffee.png": (170, 10, 410, 250),
    "astronaut.png": (285, 335, 505, 512),
    "chelsea.png": (122, 70, 218, 160),
    "coins.png": (160, 210, 214, 266),
    "hubble_deep_field.jpg": (696, 446, 756, 510),
}
COLUMNS = (
    ("paint:shaded", 0.75),
    ("paint:stone", 0.75),
    ("paint:neon", 0.75),
    ("diffusion", 0.4),
    ("diffusion", 0.6),
    ("diffusion", 0.8),
    ("diffusion", 1.0),
)
SIDE_PX, HEAD_PX = 150, 26


def shown(picture: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    """The part and what is around it, at the size of a cell."""
    part = cut(picture, crop_window(box, (picture.shape[1], picture.shape[0]), 0.35))
    return np.asarray(cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA))


def rows(folder: Path) -> list[Pixels]:
    """A row a part: as it was, and as every back end makes it."""
    samples = dict(zip(SAMPLE_FILES, load_samples(), strict=True))
    converters = {name: load_converter(name) for name, _ in COLUMNS}
    drawn = []
    for name, box in PARTS.items():
        path = folder / f"{Path(name).stem}.png"
        Image.fromarray(samples[name]).save(path)
        cells = [shown(samples[name], box)]
        for number, (backend, strength) in enumerate(COLUMNS):
            conversion = replace(Conversion(seed=1), wish=Wish(strength=strength))
            out = folder / f"{path.stem}-{number}"
            (outcome,) = convert(path, out, backend=converters[backend], conversion=conversion, boxes=[box], page=False)
            with Image.open(outcome.picture) as made:
                cells.append(shown(np.asarray(made.convert("RGB")), box))
        drawn.append(np.concatenate(cells, axis=1))
    return drawn


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/converted.jpg")
    with tempfile.TemporaryDirectory() as temporary:
        cells = np.concatenate(rows(Path(temporary)))
    sheet = Image.new("RGB", (cells.shape[1], cells.shape[0] + HEAD_PX), "white")
    sheet.paste(Image.fromarray(cells), (0, HEAD_PX))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    heads = ["original", *(name if "paint" in name else f"{name}, {strength:g}" for name, strength in COLUMNS)]
    for column, words in enumerate(heads):
        pen.text((column * SIDE_PX + SIDE_PX / 2, HEAD_PX / 2), words, fill="black", font=font, anchor="mm")
    sheet.save(target, quality=88)
