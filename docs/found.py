"""Draw docs/found.png, the first picture of the README: an amogus in the foam of a coffee, found.

python docs/found.py [OUT]; needs the [demo] extra, which brings the photograph (by Rachel Michetti, CC0).
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from amogus_search import detect
from amogus_search.core.types import Pixels
from amogus_search.finder import Found
from amogus_search.synth.compose import bend, blend_into
from amogus_search.synth.crewmate import Crewmate
from amogus_search.synth.demo import SAMPLE_FILES, load_samples
from amogus_search.synth.palette import Palette
from amogus_search.synth.styles import render_sprite

CUP = (slice(0, 345), slice(50, 510))
ENLARGED = 1.5
MIDDLE_OF_THE_COFFEE = (350, 205)
FOAM, THIN_FOAM, CREMA, DARK_CREMA = (246, 220, 172), (226, 178, 104), (150, 84, 28), (128, 68, 20)
ORANGE = (255, 196, 0)


def pour() -> Pixels:
    """The coffee with an amogus of foam, (h, w, 3)."""
    photo = load_samples()[SAMPLE_FILES.index("coffee.png")][CUP]
    picture = cv2.resize(photo, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    foam = Palette(FOAM, THIN_FOAM, CREMA, DARK_CREMA, THIN_FOAM, DARK_CREMA, FOAM, "white")
    crewmate = Crewmate(facing="right", wobble=0.015, wobble_phase=1.0)
    sprite = render_sprite(crewmate, 112, "flat", np.random.default_rng(3), palette=foam)
    seen_from_above = np.diag([1.0, 0.8, 1.0])
    placed, _ = bend(sprite, seen_from_above)
    soft = cv2.GaussianBlur(placed.rgba, (0, 0), 1.4)
    soft[..., 3] *= 0.85
    height, width = placed.shape.shape
    x, y = MIDDLE_OF_THE_COFFEE[0] - width // 2, MIDDLE_OF_THE_COFFEE[1] - height // 2
    blend_into(picture, replace(placed, rgba=soft, x=x, y=y))
    return picture


def look(picture: Pixels) -> Found:
    """What `amogus detect` says of the picture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "coffee.png")
        Image.fromarray(picture).save(path)
        (found,) = detect(path)
    if not isinstance(found, Found) or not len(found.detections):
        raise SystemExit("nothing was found in the picture")
    return found


def explained(picture: Pixels, found: Found) -> Image.Image:
    """The picture with the best finding's box, keypoints and reasons."""
    drawn = Image.fromarray(picture)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(17)
    left, top, right, bottom = (float(v) for v in found.detections.xyxy[0])
    pen.rectangle((left - 3, top - 3, right + 3, bottom + 3), outline=ORANGE, width=3)
    for x, y, visibility in found.detections.keypoints[0]:
        if visibility >= 0.5:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=ORANGE, outline=(60, 40, 0))
    parts = zip(found.detections.evidence_names, found.detections.evidence[0], strict=True)
    seen = ", ".join(name for name, share in parts if share >= 0.5)
    words = f"amogusness {found.scores.amogusness[0]:.2f}: {seen}"
    start = (left + 4, bottom + 9)
    place = pen.textbbox(start, words, font=font)
    pen.rectangle((place[0] - 7, place[1] - 6, place[2] + 7, place[3] + 6), fill=ORANGE)
    pen.text(start, words, fill=(40, 25, 0), font=font)
    return drawn


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/found.png")
    coffee = pour()
    # 256 colours are enough for a README, and a third of the bytes.
    explained(coffee, look(coffee)).quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(out, optimize=True)
