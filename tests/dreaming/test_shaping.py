"""What keeps a dream calm is plain arithmetic, and does what its names say."""

import numpy as np
import pytest

from amogus_search.dreaming import shaping


@pytest.fixture
def field():
    return np.random.default_rng(0).standard_normal((24, 32, 3)).astype(np.float32)


def roughness(one):
    return float(np.abs(np.diff(one, axis=1)).mean() / np.abs(one).mean())


def test_colour_axes_follow_the_colours_of_the_picture():
    """A picture that varies from black to orange takes large steps along that, and small ones towards blue."""
    shade = np.random.default_rng(0).random((40, 40, 1))
    axes = shaping.colour_axes((shade * [1.0, 0.5, 0.0]).astype(np.float32), 0.02)
    orange, blue = (np.linalg.norm(axes @ (np.asarray(c) / np.linalg.norm(c))) for c in ([1.0, 0.5, 0.0], [0, 0, 1.0]))
    np.testing.assert_allclose(axes, axes.T, atol=1e-6)
    assert orange == pytest.approx(1, abs=1e-3)
    assert blue < 0.3


def test_colour_axes_of_decorrelated_colours_keep_them_apart():
    picture = np.random.default_rng(0).random((200, 200, 3)).astype(np.float32)
    axes = shaping.colour_axes(picture, 0.02)
    np.testing.assert_allclose(axes, np.eye(3) * axes[0, 0], atol=0.02)


def test_a_grey_picture_stays_nearly_grey_and_a_flat_one_may_become_anything():
    shade = np.random.default_rng(0).random((40, 40, 1)).astype(np.float32)
    axes = shaping.colour_axes(np.repeat(shade, 3, axis=2), 0.02)
    change = (axes @ axes.T) @ np.asarray([1, -1, 0], np.float32)
    assert np.abs(change).max() < 0.1
    np.testing.assert_allclose(shaping.colour_axes(np.full((5, 5, 3), 0.3, np.float32), 0.0), np.eye(3), atol=1e-5)


def test_with_all_freedom_all_colours_are_equal():
    shade = np.random.default_rng(0).random((40, 40, 1)) * [1.0, 0.5, 0.0]
    np.testing.assert_allclose(shaping.colour_axes(shade.astype(np.float32), 1.0), np.eye(3), atol=1e-3)


def test_the_spectrum_gets_softer_with_softness(field):
    rough = [roughness(shaping.with_spectrum(field, softness)) for softness in (0.0, 1.0, 2.0)]
    assert rough[0] > rough[1] > rough[2]


def test_a_step_stays_within_the_mask(field):
    mask = np.zeros((24, 32), np.float32)
    mask[4:20, 4:20] = 1
    step = shaping.step_along(field, mask, shaping.colour_axes(np.abs(field), 0.02), 1.0)
    assert step[mask > 0].any()
    assert not step[mask == 0].any()


def test_a_size_counts_what_the_mask_shows(field):
    mask = np.zeros((24, 32), np.float32)
    assert shaping.size_within(field, mask) == 0
    mask[4:20, 4:20] = 1
    assert shaping.size_within(mask[..., None] * np.full((24, 32, 3), -3, np.float32), mask) == pytest.approx(3)


def test_a_step_along_nothing_is_nothing(field):
    mask = np.ones((24, 32), np.float32)
    axes = shaping.colour_axes(np.abs(field), 0.02)
    assert not shaping.step_along(np.zeros_like(field), mask, axes, 1.0).any()
    assert not shaping.step_along(field, np.zeros_like(mask), axes, 1.0).any()


def test_the_step_goes_uphill(field):
    """Whatever is done to a gradient, its step must not lead down."""
    mask = np.random.default_rng(1).random((24, 32)).astype(np.float32)
    step = shaping.step_along(field, mask, shaping.colour_axes(np.abs(field), 0.02), 1.0)
    assert float((step * field).sum()) > 0


def test_the_total_variation_counts_each_edge_once():
    """A square of side 5 and height 2, in one channel: its outline, less what the corner saves."""
    field = np.zeros((20, 20, 3), np.float32)
    assert shaping.total_variation(field) == 0
    field[5:10, 5:10, 1] = 2
    assert shaping.total_variation(field) == pytest.approx(2 * (4 * 5 - 2 + np.sqrt(2)))


@pytest.mark.parametrize("weight", [0.001, 0.05, 1.0, 50.0])
def test_it_gets_smoother_whatever_the_weight(field, weight):
    """A plain step along the derivative would overshoot and make it rougher."""
    assert shaping.total_variation(shaping.with_less_variation(field, weight)) < shaping.total_variation(field)


def test_less_variation_is_a_better_bargain(field):
    def cost(candidate):
        return float(((candidate - field) ** 2).sum()) / 2 + 0.2 * shaping.total_variation(candidate)

    assert cost(shaping.with_less_variation(field, 0.2)) < 0.9 * cost(field)


def test_faint_speckles_go_and_edges_stay():
    rng = np.random.default_rng(0)
    clean = np.zeros((40, 40, 3), np.float32)
    clean[:, 20:] = 0.5
    left = shaping.with_less_variation(clean + rng.normal(0, 0.01, clean.shape).astype(np.float32), 0.02)
    assert left[:, 2:16].std() < 0.005
    assert (left[:, 21] - left[:, 18]).mean() > 0.4
    np.testing.assert_array_equal(shaping.with_less_variation(clean, 0.0), clean)


def test_the_limit_is_soft_and_never_passed():
    raw = np.linspace(-5, 5, 101, dtype=np.float32).reshape(1, -1, 1)
    limited = shaping.soft_limit(raw, 0.4)
    assert np.abs(limited).max() <= 0.4
    np.testing.assert_allclose(shaping.soft_limit(raw * 1e-3, 0.4), raw * 1e-3, rtol=1e-3)


@pytest.mark.parametrize("size_wh", [(1, 1), (2, 30), (7, 3)])
def test_the_smallest_fields_have_a_spectrum_too(size_wh):
    one = np.ones((size_wh[1], size_wh[0], 3), np.float32)
    assert np.isfinite(shaping.with_spectrum(one, 1.0)).all()
    assert shaping.resized(one, (5, 4)).shape == (4, 5, 3)
