"""The SVG shows what the flat picture shows: both are rasterised and compared."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from amogus_search.core.figure import coverage
from amogus_search.synth.crewmate import crewmate_outline
from amogus_search.synth.hats import HATS
from amogus_search.synth.portraits import POSES, Wanted, picture, portrait, vector
from amogus_search.synth.vector import svg_document

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text):
    """The SVG as this test's own renderer paints it: (h, w, 4) float32, colours 0..255, alpha 0..1; and its groups."""
    root = ET.fromstring(text)
    width, height = (float(v) for v in root.get("viewBox").split()[2:])
    size = int(np.ceil(width)), int(np.ceil(height))
    rgb, alpha, groups = np.zeros((size[1], size[0], 3), np.float32), np.zeros((size[1], size[0]), np.float32), {}
    for group in root.iter(f"{SVG}g"):
        for path in group.iter(f"{SVG}path"):
            if path.get("fill") == "none":
                continue
            polygons = [
                np.array([pair.split(",") for pair in re.findall(r"[-\d.]+,[-\d.]+", piece)], float)
                for piece in path.get("d").split("Z")
                if piece.strip()
            ]
            mask = coverage(polygons, size)
            colour = np.frombuffer(bytes.fromhex(path.get("fill")[1:]), np.uint8).astype(np.float32)
            rgb += (colour - rgb) * mask[..., None]
            alpha = np.maximum(alpha, mask)
            groups[group.get("id")] = mask
    return rgb, alpha, groups


def trimmed(mask):
    rows, columns = np.flatnonzero(mask.max(1) > 0.02), np.flatnonzero(mask.max(0) > 0.02)
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def overlap(a, b):
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


def both(one):
    """The SVG and the PNG at one size: colours and alpha of each."""
    rgb, alpha, _ = drawn(vector(one))
    cut = trimmed(alpha)
    rgba = picture(one).astype(np.float32)
    height, width = (min(a, b) for a, b in zip(alpha[cut].shape, rgba.shape[:2], strict=True))
    assert abs(alpha[cut].shape[0] - rgba.shape[0]) <= 4
    assert abs(alpha[cut].shape[1] - rgba.shape[1]) <= 4
    return rgb[cut][:height, :width], alpha[cut][:height, :width], rgba[:height, :width]


@pytest.mark.parametrize("pose", POSES)
def test_the_svg_covers_what_the_flat_picture_covers(pose):
    one = portrait(Wanted("red", "none", pose, "flat", 300), 3)
    _, alpha, rgba = both(one)
    assert overlap(alpha, rgba[..., 3] / 255) >= 0.95


@pytest.mark.parametrize("hat", HATS)
def test_every_hat_is_in_the_svg(hat):
    one = portrait(Wanted("cyan", hat, "right", "flat", 300), 4)
    _, alpha, rgba = both(one)
    assert overlap(alpha, rgba[..., 3] / 255) >= 0.95


@pytest.mark.parametrize("pose", ["right", "left", "front", "walking"])
def test_the_parts_have_the_colours_of_the_flat_picture(pose):
    one = portrait(Wanted("orange", "crown", pose, "flat", 300), 5)
    rgb, alpha, rgba = both(one)
    for paint in (one.palette.body, one.palette.visor, one.palette.hat):
        ours, theirs = (
            (np.abs(image - np.float32(paint)).max(2) < 30) & (seen > 0.5)
            for image, seen in ((rgb, alpha), (rgba[..., :3], rgba[..., 3] / 255))
        )
        # the picture's glint on the visor is there or not, by chance, and so is the shade of its backpack
        assert (ours & theirs).sum() >= 0.95 * min(ours.sum(), theirs.sum()), paint
        assert ours.sum() > 0.6 * theirs.sum()


def test_the_groups_are_named_after_the_parts_and_the_backpack_of_a_back_view_is_in_front():
    _, _, groups = drawn(vector(portrait(Wanted(hat="crown", pose="left"), 1)))
    assert list(groups) == ["backpack", "body", "visor", "glint", "hat"]
    _, _, groups = drawn(vector(portrait(Wanted(hat="none", pose="back"), 1)))
    assert list(groups) == ["body", "backpack"]


def test_lines_are_there_where_the_style_has_them():
    outlined = vector(portrait(Wanted(style="outlined"), 1))
    flat = vector(portrait(Wanted(style="flat"), 1))
    assert outlined.count("stroke-width") >= 3
    assert "stroke" not in flat


def test_a_title_cannot_break_out_of_its_attribute():
    one = portrait(Wanted(), 1)
    text = svg_document(crewmate_outline(one.crewmate), one.palette, 50, 'a "red" <b> & more')
    assert ET.fromstring(text).get("aria-label") == 'a "red" <b> & more'
