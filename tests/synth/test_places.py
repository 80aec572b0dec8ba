"""Drawn grounds with things in them."""

import numpy as np
import pytest

from amogus_search.synth.backgrounds import GROUNDS
from amogus_search.synth.scenes import generate_scene


@pytest.mark.parametrize("name", sorted(GROUNDS))
def test_every_ground_fills_its_size_and_repeats_with_its_seed(name):
    ground = GROUNDS[name][0]
    first, second = (ground(np.random.default_rng(5), (70, 90)) for _ in range(2))
    assert first.shape == (70, 90, 3)
    assert first.dtype == np.uint8
    assert first.tobytes() == second.tobytes()


def test_what_blur_made_shapeless_is_not_in_the_truth(monkeypatch):
    """Eight pixels under a blur of three are a spot; to call it an amogus teaches to see amogi in spots."""
    from amogus_search.synth import scenes

    blurred_by = 0.0
    monkeypatch.setattr(scenes, "random_effects", lambda rng, image, gentle: (image, blurred_by))
    heights = [
        box[3] - box[1]
        for seed in range(12)
        for box in generate_scene(np.random.default_rng(seed), (160, 160), height_px_range=(8, 60)).boxes_xyxy
    ]
    blurred_by = 3.0
    clear = [
        box[3] - box[1]
        for seed in range(12)
        for box in generate_scene(np.random.default_rng(seed), (160, 160), height_px_range=(8, 60)).boxes_xyxy
    ]
    assert clear == [height for height in heights if height >= 27]
    assert 0 < len(clear) < len(heights)
