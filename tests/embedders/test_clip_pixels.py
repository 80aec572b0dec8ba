import itertools

import numpy as np
import pytest

from amogus_search.embedders.clip_pixels import ClipPixels, middle

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def stripes(height: int, width: int) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 255
    return image


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize(("height", "width"), [(20, 60), (60, 20), (16, 16), (1, 31)])
def test_any_picture_becomes_the_wanted_size(mode: str, height: int, width: int) -> None:
    pixels = ClipPixels.of({**PLAIN, "size": 16, "resize_mode": mode})(stripes(height, width))
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.float32
    assert 0 <= pixels.min() <= pixels.max() <= 1


def test_the_ways_of_fitting_differ_as_they_should() -> None:
    wide = stripes(16, 64)
    wide[:, :16] = 128
    cut, filled, squashed = (
        ClipPixels.of({**PLAIN, "size": 16, "resize_mode": mode, "fill_color": 51})(wide)
        for mode in ("shortest", "longest", "squash")
    )
    assert cut[0, 0].tolist() == [0.0] * 8 + [1.0] * 8
    assert np.allclose(filled[:, :6], 0.2)
    assert np.allclose(filled[:, 7, 1], 128 / 255, atol=0.05)
    assert np.allclose(squashed[:, 8, 1], 128 / 255, atol=0.05)


def test_channels_are_shifted_and_scaled() -> None:
    pixels = ClipPixels((4, 4), (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))(np.full((9, 9, 3), 255, np.uint8))
    assert np.allclose(pixels.mean(axis=(1, 2)), [1.0, 3.0, 1.0])


def test_a_description_survives_being_written_down() -> None:
    pixels = ClipPixels.of({**PLAIN, "size": [40, 56], "interpolation": "bilinear", "resize_mode": "longest"})
    assert ClipPixels.of(pixels.as_json()) == pixels
    with pytest.raises(ValueError, match="unknown way"):
        ClipPixels.of({**PLAIN, "resize_mode": "folded"})


def test_only_the_middle_of_a_very_long_strip_is_kept() -> None:
    assert middle(np.zeros((1, 5000, 3), np.uint8)).shape == (1, 32, 3)
    assert middle(np.zeros((5000, 2, 3), np.uint8)).shape == (64, 2, 3)
    assert middle(np.zeros((10, 320, 3), np.uint8)).shape == (10, 320, 3)


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [48, (48, 48), (40, 56), (33, 33)])
def test_it_is_what_open_clip_does_to_the_last_bit(size: object) -> None:
    transform = pytest.importorskip("open_clip.transform")
    from PIL import Image

    rng = np.random.default_rng(0)
    ways = itertools.product(("shortest", "longest", "squash"), ("bicubic", "bilinear"))
    for mode, interpolation in ways:
        config = {
            "size": size,
            "mean": (0.5, 0.4, 0.3),
            "std": (0.2, 0.25, 0.3),
            "interpolation": interpolation,
            "resize_mode": mode,
            "fill_color": 7,
        }
        theirs = transform.image_transform_v2(transform.PreprocessCfg(**config), is_train=False)
        for _ in range(12):
            image = rng.integers(0, 256, (*rng.integers(8, 130, 2), 3), dtype=np.uint8)
            assert np.array_equal(ClipPixels.of(config)(image), theirs(Image.fromarray(image)).numpy())
