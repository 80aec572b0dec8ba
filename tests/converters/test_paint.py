"""The painter keeps its port's promises, in every style, and what it paints has the colour asked for."""

import numpy as np
import pytest

from amogus_search import registry
from amogus_search.converters.paint import NAMES, PaintConverter
from amogus_search.core.conversion import Job
from amogus_search.core.figure import Pose
from amogus_search.errors import UsageError
from amogus_search.synth.fitting import fit_crewmate

BOX = np.array([20, 14, 60, 74], np.float32)


def job(**changes):
    rng = np.random.default_rng(1)
    crop = rng.normal(120, 6, (90, 80, 3)).clip(0, 255).astype(np.uint8)
    crop[14:74, 20:60] = (40, 90, 170)
    given = {"crop": crop, "mask": np.ones((90, 80), np.float32), "box_xyxy": BOX} | changes
    return Job(figure=fit_crewmate(Pose(given["box_xyxy"], {})), **given)


@pytest.mark.parametrize("style", NAMES)
def test_every_style_gives_a_picture_as_large_as_the_crop_and_the_same_one_again(style):
    converter = PaintConverter(style)
    one, other = job(seed=3), job(seed=3, colour=(200, 20, 20))
    before = one.crop.copy()
    together = converter.convert([one, other])
    assert [picture.shape for picture in together] == [one.crop.shape] * 2
    assert all(picture.dtype == np.uint8 for picture in together)
    np.testing.assert_array_equal(converter.convert([other])[0], together[1])
    np.testing.assert_array_equal(one.crop, before)
    assert np.abs(together[0].astype(int) - one.crop).max() > 20


def test_no_jobs_give_no_pictures():
    assert PaintConverter().convert([]) == []


@pytest.mark.parametrize("style", [name for name in NAMES if name not in ("pixel", "auto")])
def test_without_strength_the_crop_stays_as_it_is(style):
    one = job(strength=0.0)
    np.testing.assert_array_equal(PaintConverter(style).convert([one])[0], one.crop)


def test_the_body_has_the_colour_asked_for_or_the_regions_own():
    hip = np.s_[50:56, 36:46]
    red = PaintConverter("flat").convert([job(colour=(220, 20, 20), strength=1.0)])[0][hip].mean(axis=(0, 1))
    own = PaintConverter("shaded").convert([job(strength=1.0)])[0][hip].mean(axis=(0, 1))
    assert red[0] > 2 * max(red[1], red[2])
    assert own[2] > own[1] > own[0]


@pytest.mark.parametrize("side", [1, 2, 3, 9])
def test_the_tiniest_crops_are_painted(side):
    crop = np.full((side, side, 3), 100, np.uint8)
    one = job(crop=crop, mask=np.ones((side, side), np.float32), box_xyxy=np.array([0, 0, side, side], np.float32))
    for style in NAMES:
        assert PaintConverter(style).convert([one])[0].shape == crop.shape


def test_in_pixel_art_whole_cells_of_the_canvas_own_colours_are_painted():
    canvas = np.full((14, 12, 3), (255, 214, 53), np.uint8)
    canvas[::3] = (54, 144, 234)
    canvas[4:9, 4:8] = (190, 0, 57)
    crop = np.repeat(np.repeat(canvas, 5, axis=0), 5, axis=1)
    one = job(crop=crop, mask=np.ones((70, 60), np.float32), box_xyxy=np.array([20, 20, 40, 45], np.float32))
    painted = PaintConverter().convert([one])[0]
    cells = painted.reshape(14, 5, 12, 5, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    assert (cells[4:9, 0, 4:8, 0] == (190, 0, 57)).all(axis=-1).sum() >= 10


def test_names_lead_to_styles_and_unknown_ones_to_a_hint():
    assert registry.load_converter("paint:neon").name == "paint:neon"
    assert registry.load_converter("paint", {"style": "flat"}).name == "paint:flat"
    assert registry.load_converter("paint").fingerprint != registry.load_converter("paint:neon").fingerprint
    with pytest.raises(UsageError, match="no style 'neno'") as caught:
        registry.load_converter("paint:neno")
    assert "'neon'" in caught.value.hint
    with pytest.raises(UsageError, match="no option 'lora'"):
        registry.load_converter("paint", {"lora": "x"})
    with pytest.raises(UsageError, match="no converter called 'webgui'"):
        registry.load_converter("webgui:http://localhost")
