"""What a camera and the internet do to a picture, and how much of it is blur."""

import cv2
import numpy as np
import pytest

from amogus_search.synth import effects
from amogus_search.synth.effects import LENS, random_effects

POINT = np.zeros((65, 65, 3), np.uint8)
POINT[32, 32] = 255


def _spread(image):
    """Standard deviation of the light's distance from the middle, along one direction (mean of both)."""
    weight = image[..., 0].astype(np.float64)
    y, x = np.mgrid[-32:33, -32:33]
    return float(np.sqrt((weight * (x**2 + y**2)).sum() / weight.sum() / 2))


@pytest.mark.parametrize("seed", range(6))
def test_softening_tells_how_far_it_spreads_a_point(seed):
    image, sigma = effects.soften(np.random.default_rng(seed), POINT)
    assert _spread(image) == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("seed", range(6))
def test_a_thumbnail_blurs_as_much_as_it_says(seed):
    """Against a Gaussian blur of the told size, on a picture with detail of every size."""
    rng = np.random.default_rng(seed)
    detailed = rng.integers(0, 256, (120, 120, 3)).astype(np.uint8)
    image, sigma = effects.small(rng, detailed)
    assert image.shape == detailed.shape
    told = cv2.GaussianBlur(detailed, (0, 0), sigma)
    assert 0.4 < image.astype(float).std() / told.astype(float).std() < 2.5


def test_effects_without_a_lens_report_no_blur(monkeypatch):
    monkeypatch.setattr(effects, "LENS", ())
    assert random_effects(np.random.default_rng(1), POINT)[1] == 0


def test_blurs_add_up_as_variances(monkeypatch):
    monkeypatch.setattr(effects, "LIGHT", ())
    monkeypatch.setattr(effects, "SENSOR", ())
    monkeypatch.setattr(effects, "LENS", ((effects.soften, 1.0), (effects.soften, 1.0)))
    image, sigma = random_effects(np.random.default_rng(3), POINT)
    assert _spread(image) == pytest.approx(sigma, rel=0.25)


def test_every_lens_keeps_size_and_type():
    for lens, _ in LENS:
        image, sigma = lens(np.random.default_rng(0), POINT)
        assert image.shape == POINT.shape
        assert image.dtype == np.uint8
        assert sigma > 0
