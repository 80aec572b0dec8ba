"""Sprites in every style."""

import numpy as np
import pytest

from amogus_search.errors import UsageError
from amogus_search.synth.captions import STYLE_PHRASES, VOCABULARY, caption
from amogus_search.synth.crewmate import random_crewmate
from amogus_search.synth.distractors import DISTRACTORS, render_distractor
from amogus_search.synth.palette import GAME_COLOURS, colour_name, random_palette
from amogus_search.synth.styles import STYLES, render_sprite


def _sprite(style, seed=3, height=60):
    rng = np.random.default_rng(seed)
    return render_sprite(random_crewmate(rng), height, style, rng)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_paints_something_of_about_the_asked_height(style):
    sprite = _sprite(style)
    assert sprite.rgba.dtype == np.uint8
    assert sprite.rgba.shape[2] == 4
    assert sprite.rgba.shape[:2] == sprite.shape.shape
    assert (sprite.shape > 127).mean() > 0.2
    assert sprite.rgba[..., 3].max() > 100
    assert 40 < sprite.shape.shape[0] < 110


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_the_same_for_the_same_seed(style):
    first, second = _sprite(style), _sprite(style)
    assert first.rgba.tobytes() == second.rgba.tobytes()
    assert first.keypoints.tobytes() == second.keypoints.tobytes()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("height", [6, 11, 150])
def test_keypoints_lie_on_the_sprite_at_any_height(style, height):
    sprite = _sprite(style, seed=5, height=height)
    h, w = sprite.shape.shape
    seen = sprite.keypoints[sprite.keypoints[:, 2] > 0]
    assert len(seen) >= 4
    slack = 1 + 0.03 * height
    assert (seen[:, :2] >= -slack).all()
    assert (seen[:, 0] <= w + slack).all()
    assert (seen[:, 1] <= h + slack).all()


def test_an_unknown_style_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="outlined"):
        _sprite("crayola")


@pytest.mark.parametrize("style", STYLES)
def test_captions_use_only_words_of_the_vocabulary(style):
    rng = np.random.default_rng(0)
    for seed in range(8):
        words = caption(_sprite(style, seed, 12).attributes, rng).replace(",", " ").replace(":", " ").split()
        assert {w.lower() for w in words} <= set(VOCABULARY)


def test_every_style_has_words():
    assert set(STYLE_PHRASES) == set(STYLES)


def test_the_visor_can_be_told_from_the_body():
    rng = np.random.default_rng(1)
    gaps = [np.linalg.norm(np.subtract(p.visor, p.body)) for p in (random_palette(rng) for _ in range(300))]
    assert min(gaps) >= 45


def test_game_colours_are_called_by_an_everyday_name():
    assert colour_name(GAME_COLOURS["red"][0]) == "red"
    assert colour_name(GAME_COLOURS["blue"][0]) == "blue"
    assert colour_name((128, 128, 128)) == "grey"


@pytest.mark.parametrize("kind", DISTRACTORS)
def test_every_distractor_paints_something_without_keypoints(kind):
    for seed in range(4):
        sprite = render_distractor(np.random.default_rng(seed), 50, kind)
        assert sprite.shape.max() > 127
        assert not sprite.keypoints.any()
