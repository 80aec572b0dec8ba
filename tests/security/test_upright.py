"""Every format, orientation and pixel mode looks the same to detector, embedder, thumbnails and crops (F18)."""

import csv
import os
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import FileEntry
from amogus_search.exports.crops import export_crops
from amogus_search.pipeline.copies import READ_PX, thumbnail
from amogus_search.pipeline.detect import detect_images
from amogus_search.pipeline.embed import embed_findings
from amogus_search.settings import PROFILES
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector, FakeEmbedder

WIDTH, HEIGHT = 528, 352
BOX = (60, 40, 200, 120)
KINDS = ("jpg", "mpo", "png", "webp", "tif", "avif", "heic")
UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera held so does to the picture, before it notes the orientation."""


def scene():
    """Four shades that no turn maps onto one another, and a red box in a corner."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:176, :264], pixels[:176, 264:] = (60, 90, 60), (40, 40, 160)
    pixels[176:, :264], pixels[176:, 264:] = (230, 210, 90), (20, 120, 130)
    x1, y1, x2, y2 = BOX
    pixels[y1:y2, x1:x2] = (240, 16, 16)
    return pixels


class Watched(FakeDetector):
    """Remembers the tiles it was shown."""

    def __init__(self):
        super().__init__(tile_px=160)
        self.tiles = []

    def detect_tiles(self, tiles):
        self.tiles += [np.array(tile) for tile in tiles]
        return super().detect_tiles(tiles)


class Watching(FakeEmbedder):
    """Remembers the pictures and crops it was shown."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def embed_images(self, images):
        self.shown += [np.array(image) for image in images]
        return super().embed_images(images)


@dataclass
class Seen:
    """What each stage was shown of one file."""

    pixels: np.ndarray
    full_wh: tuple
    tiles: list
    shown: list
    boxes: np.ndarray
    findings: object
    thumb: np.ndarray
    crop: np.ndarray | None = field(default=None)


def looked_at(folder, tmp):
    """Name -> what was seen of it, by every stage there is."""
    names = sorted(os.listdir(folder))
    entries = [FileEntry(os.fsencode(folder / name), os.fsencode(folder), None) for name in names]
    seen = {}
    with DecodePool() as pool, DecodePool(max_side=READ_PX) as small_pool:
        for name, image, small in zip(names, pool.decode(iter(entries)), small_pool.decode(iter(entries)), strict=True):
            assert not hasattr(image, "reason"), (name, image)
            assert small.full_wh == image.full_wh
            detector, embedder = Watched(), Watching()
            found = detect_images(iter([image]), detector, PROFILES["fast"])
            (item,) = embed_findings(found, embedder)
            seen[name] = Seen(
                image.pixels,
                image.full_wh,
                detector.tiles,
                embedder.shown,
                item.detections.xyxy,
                item,
                thumbnail(small.pixels),
            )
        add_crops(seen, pool, tmp)
    return seen


def add_crops(seen, pool, tmp):
    """Put the files into an index and export their crops, as people do."""

    def read(path):
        (image,) = pool.decode(iter([FileEntry(path, path, None)]))
        return image

    identity = {"detector": "fake", "embedder": "fake"}
    with Index.open(tmp / "index", "w", create=True, identity=identity, motif=RED_BOX) as index:
        index.write(added=[one.findings for one in seen.values()])
        assert export_crops(index.best_regions(None), read, tmp / "crops").problems == ()
    with open(tmp / "crops" / "crops.csv", newline="") as stream:
        for row in csv.DictReader(stream):
            seen[os.path.basename(row["path"])].crop = np.asarray(Image.open(tmp / "crops" / row["file"]))


def differences(one, other, most):
    """The stages at which two files look different."""
    stages = {
        "pixels": ([one.pixels], [other.pixels]),
        "tiles": (one.tiles, other.tiles),
        "embedded": (one.shown, other.shown),
        "thumbnail": ([one.thumb], [other.thumb]),
        "crop": ([one.crop], [other.crop]),
    }
    wrong = [stage for stage, (ours, right) in stages.items() if not alike(ours, right, most)]
    same_boxes = one.boxes.shape == other.boxes.shape and np.allclose(one.boxes, other.boxes, atol=4)
    return wrong + ([] if same_boxes and one.full_wh == other.full_wh else ["boxes"])


def alike(ours, right, most):
    if len(ours) != len(right):
        return False
    for one, other in zip(ours, right, strict=True):
        if (one is None) != (other is None):
            return False
        if one is not None and (one.shape != other.shape or np.abs(one.astype(int) - other).mean() > most):
            return False
    return True


def save(folder, name, image, orientation=None, **options):
    kind = name.rsplit(".", 1)[1]
    if kind == "heic":
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.register_heif_opener()
        options["format"] = "HEIF"
    if kind in ("jpg", "mpo", "webp", "avif", "heic"):
        options.setdefault("quality", 95)
    if kind in ("jpg", "mpo"):
        options.setdefault("subsampling", 0)
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif.tobytes()  # HEIF turns by properties of its own, and the encoder reads only bytes
    if kind == "mpo":
        options |= {"save_all": True, "append_images": [Image.new("RGB", image.size)]}
    image.save(folder / name, **options)


@pytest.fixture(params=[(0, 3, 6, 7), pytest.param(range(10), marks=pytest.mark.slow)], ids=["some", "all"])
def turned(request, tmp_path_factory):
    """A file of every format in every orientation, or some of them, and the upright one beside."""
    folder = tmp_path_factory.mktemp("turned")
    upright = Image.fromarray(scene())
    save(folder, "upright.png", upright)
    for kind in KINDS:
        for orientation in request.param:  # there is no 0 and no 9: the picture is as it lies
            stored = upright.transpose(UNDO[orientation]) if orientation in UNDO else upright
            save(folder, f"{orientation}.{kind}", stored, orientation)
    return folder, len(KINDS) * len(request.param)


def test_all_stages_see_every_orientation_of_every_format_upright(turned, tmp_path, fault_record):
    """The upright picture is known by construction; each stage's input is compared with what it gets of that."""
    folder, tried = turned
    seen = looked_at(folder, tmp_path)
    right = seen.pop("upright.png")
    assert np.array_equal(right.pixels, scene())
    assert np.allclose(right.boxes, [BOX], atol=4)
    assert right.crop is not None
    wrong = {name: stages for name, one in seen.items() if (stages := differences(one, right, 4.0))}
    assert len(seen) == tried
    fault_record("F18", tried=tried, survived=tried - len(wrong), what="orientations, made", wrong=wrong.items())


SHOTS = re.compile(r"(?:(?P<made>gen)_[a-z]+|(?P<name>.+))_(?:o|o_invalid)?\d+\.[a-z]+")
"""Names of one scene in several orientations differ in the number; where the files were made, in the format too."""


def scenes(folder):
    """Files of a folder by scene; only of scenes that there are several files of."""
    found = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if match := SHOTS.fullmatch(path.name):
            found[match["made"] or match["name"]].append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1}


@pytest.mark.slow
@pytest.mark.skipif("AMOGUS_HOSTILE" not in os.environ, reason="AMOGUS_HOSTILE names no folder of hostile files")
def test_all_stages_see_what_others_turned_upright(tmp_path, fault_record):
    """Files made by other programs: all of one scene look the same at every stage, however they are stored."""
    wrong, tried = {}, 0
    for scene_name, paths in scenes(Path(os.environ["AMOGUS_HOSTILE"]) / "exif_orientation").items():
        folder = tmp_path / scene_name / "files"
        folder.mkdir(parents=True)
        for path in paths:
            shutil.copy(path, folder / path.name)
        seen = {name: coarse(one) for name, one in looked_at(folder, tmp_path / scene_name).items()}
        first = next(iter(seen.values()))
        assert not alike(first, [stage[::-1] for stage in first], 8.0), "turned, it would be seen"
        wrong |= {name: "looks different" for name, one in seen.items() if not alike(one, first, 8.0)}
        tried += len(seen)
    fault_record("F18", tried=tried, survived=tried - len(wrong), what="orientations, found", wrong=wrong.items())


def coarse(one):
    """What the stages saw, 24 pixels wide and of one brightness: some were written anew, and lighter."""
    stages = (one.pixels, *one.tiles, one.shown[0], one.thumb)
    small = [np.asarray(Image.fromarray(stage).resize((24, 24), Image.Resampling.BOX), float) for stage in stages]
    return [np.rint(pixels - pixels.mean((0, 1))) for pixels in small]


def grey_of(values):
    return np.repeat(np.asarray(values, np.uint8)[:, :, None], 3, axis=2)


def over_white(colours, alpha):
    """By the formula, in floating point."""
    share = alpha[:, :, None] / 255.0
    return np.rint(colours * share + 255.0 * (1 - share)).astype(np.uint8)


def modes(folder):
    """Writes a file of each unusual kind; yields its name and (h, w, 3) how it must look, worked out without a decoder.

    Differences of a few levels are the rounding of colour conversions and of lossy formats.
    """
    colours = scene()
    picture, blank = Image.fromarray(colours), Image.new("RGB", (WIDTH, HEIGHT))
    ramp = np.broadcast_to(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, WIDTH))
    deep = (np.broadcast_to(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, WIDTH))).copy()
    deep_grey = grey_of((deep.astype(np.float64) / 257).round())
    with_alpha = np.dstack([colours, ramp])

    def keep(name, image, looks, **options):
        save(folder, name, image, **options)
        return name, looks

    yield keep("rgba.png", Image.fromarray(with_alpha), over_white(colours, ramp))
    yield keep("rgba.webp", Image.fromarray(with_alpha), over_white(colours, ramp), lossless=True, exact=True)
    yield keep("rgba.tif", Image.fromarray(with_alpha), over_white(colours, ramp))
    yield keep("rgba.avif", Image.fromarray(with_alpha), over_white(colours, ramp))
    yield keep("la.png", Image.fromarray(np.dstack([ramp, ramp])), over_white(grey_of(ramp), ramp))
    yield keep("l.jpg", Image.fromarray(ramp), grey_of(ramp))
    yield keep("l.png", Image.fromarray(ramp), grey_of(ramp))
    yield keep("bit.png", Image.fromarray(ramp > 127), grey_of(np.where(ramp > 127, 255, 0)))
    yield keep("i16.png", Image.fromarray(deep), deep_grey)
    yield keep("i16.tif", Image.fromarray(deep), deep_grey)
    yield keep("i32.tif", Image.fromarray(deep.astype(np.int32)), deep_grey)
    yield keep("f1.tif", Image.fromarray((deep / 65535).astype(np.float32)), deep_grey)
    yield keep("f255.tif", Image.fromarray((deep / 257).astype(np.float32)), deep_grey)
    yield keep("cmyk.tif", Image.fromarray(cmyk(colours), "CMYK"), colours)
    yield keep("cmyk.jpg", Image.fromarray(cmyk(colours), "CMYK"), colours)
    yield keep("ycbcr.tif", picture.convert("YCbCr"), colours)
    palette = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    yield keep("p.png", palette, colours)
    yield keep("p.gif", palette, colours)
    yield keep("p.bmp", palette, colours)
    yield keep("p.tif", palette, colours)
    clear = palette.copy()
    place = clear.getpixel((BOX[0] + 5, BOX[1] + 5))
    holed = colours.copy()
    holed[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    yield keep("p-clear.png", clear, holed, transparency=place)
    yield keep("p-clear.gif", clear, holed, transparency=place)
    for kind in ("gif", "png", "webp", "tif", "avif"):
        exact = {"lossless": True} if kind == "webp" else {}
        yield keep(f"many.{kind}", picture, colours, save_all=True, append_images=[blank, blank], **exact)
    yield keep("progressive.jpg", picture, colours, progressive=True)
    yield keep("rgb.bmp", picture, colours)


def cmyk(colours):
    """Without black ink: cyan is what red lacks, and so on."""
    return np.dstack([255 - colours, np.zeros(colours.shape[:2], np.uint8)])


def test_all_stages_see_every_pixel_mode_as_it_looks(tmp_path, fault_record):
    folder = tmp_path / "modes"
    folder.mkdir()
    looks = dict(modes(folder))
    for name, pixels in looks.items():
        Image.fromarray(pixels).save(folder / f"{name}.right.png")
    seen = looked_at(folder, tmp_path)
    # a colour table is exact but for its few colours; 6 levels are what one JPEG or AVIF costs
    wrong = {name: stages for name in looks if (stages := differences(seen[name], seen[f"{name}.right.png"], 6.0))}
    tried = len(looks)
    fault_record("F18", tried=tried, survived=tried - len(wrong), what="pixel modes, made", wrong=wrong.items())
