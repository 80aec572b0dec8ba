"""Crewmates to order are as ordered."""

import numpy as np
import pytest

from amogus_search.errors import UsageError
from amogus_search.synth.hats import HATS
from amogus_search.synth.palette import GAME_COLOURS
from amogus_search.synth.portraits import POSES, Wanted, colour_of, picture, portrait
from amogus_search.synth.styles import STYLES


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_a_transparent_picture_of_about_the_asked_height(style):
    rgba = picture(portrait(Wanted("red", "none", style=style, size=120), 2))
    assert rgba.dtype == np.uint8
    assert rgba.shape[2] == 4
    assert 80 <= rgba.shape[0] <= 200
    assert rgba[..., 3].min() < 10
    assert rgba[..., 3].max() > 100


def test_large_ones_are_painted_large():
    """Borders stay a pixel or two wide however large the picture is."""
    alpha = picture(portrait(Wanted("red", "none", "right", "flat", 900), 2))[..., 3]
    assert abs(alpha.shape[0] - 900) <= 12
    soft = ((alpha > 12) & (alpha < 243)).sum()
    assert soft < 3 * 2 * sum(alpha.shape)


def test_the_same_seed_gives_the_same_and_another_seed_another():
    first, again, other = (portrait(Wanted(size=60), seed) for seed in (1, 1, 2))
    assert picture(first).tobytes() == picture(again).tobytes()
    assert picture(first).tobytes() != picture(other).tobytes()


def test_saying_one_thing_changes_no_other():
    free, red = portrait(Wanted(), 7), portrait(Wanted(colour="red"), 7)
    assert (free.pose, free.crewmate) == (red.pose, red.crewmate)
    assert red.palette.body == GAME_COLOURS["red"][0]


def test_what_was_asked_for_is_what_is_drawn():
    one = portrait(Wanted("#102030", "crown", "walking", "flat"), 0)
    assert one.palette.body == (16, 32, 48)
    assert (one.crewmate.hat, one.pose, one.style) == ("crown", "walking", "flat")
    assert portrait(Wanted(hat="none"), 0).crewmate.hat is None
    assert one.name == "black-walking-crown-flat"
    body = picture(one)
    assert (np.abs(body[..., :3].astype(int) - (16, 32, 48)).max(2) <= 2).mean() > 0.3


def test_the_seed_reaches_every_pose_and_colour_and_hats():
    many = [portrait(Wanted(), seed) for seed in range(150)]
    assert {one.pose for one in many} == set(POSES)
    assert {one.palette.name for one in many} == set(GAME_COLOURS)
    assert len({one.crewmate.hat for one in many}) > len(HATS) / 2


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ({"colour": "rde"}, "did you mean 'red'"),
        ({"colour": "#12345"}, "#c51111"),
        ({"hat": "crwn"}, "did you mean 'crown'"),
        ({"pose": "flying"}, "walking"),
        ({"style": "plus"}, "did you mean 'plush'"),
        ({"style": "pixel", "hat": "crown"}, "pixelated"),
        ({"style": "shapes", "pose": "left"}, "pixelated"),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_known(wanted, hint):
    with pytest.raises(UsageError) as caught:
        Wanted(**wanted)
    assert hint in caught.value.hint


def test_colours_are_names_or_hex():
    assert colour_of("any") is None
    assert colour_of("red") == (197, 17, 17)
    assert colour_of("ff8000") == colour_of("#FF8000") == (255, 128, 0)
