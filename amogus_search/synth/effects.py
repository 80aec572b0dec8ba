"""What cameras, screens and the internet do to a whole picture, none of it moving anything."""

from collections.abc import Callable

import cv2
import numpy as np

from amogus_search.synth.noise import grain, smooth_noise
from amogus_search.synth.sprite import Rgb

Effect = Callable[[np.random.Generator, Rgb], Rgb]
Lens = Callable[[np.random.Generator, Rgb], tuple[Rgb, float]]
"""An effect that blurs; it also tells by how many pixels (standard deviation of the spread)."""


def _uint8(image: np.ndarray) -> Rgb:
    return np.asarray(np.clip(image, 0, 255), dtype=np.float32).astype(np.uint8)


def soften(rng: np.random.Generator, image: Rgb) -> tuple[Rgb, float]:
    """Out of focus."""
    sigma = float(rng.uniform(0.4, 1.4))
    return _uint8(cv2.GaussianBlur(image, (0, 0), sigma)), sigma


def motion(rng: np.random.Generator, image: Rgb) -> tuple[Rgb, float]:
    """A shaken camera."""
    length = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((length, length), np.float32)
    slope = float(rng.uniform(-1, 1))
    for step in range(length):
        kernel[round((step - length // 2) * slope) + length // 2, step] = 1
    kernel = kernel.T if rng.random() < 0.5 else kernel
    # a line of n pixels has a standard deviation of n / sqrt(12), but along one direction only
    return _uint8(cv2.filter2D(image, -1, kernel / kernel.sum())), length / 12**0.5 / 2**0.5


def noise(rng: np.random.Generator, image: Rgb) -> Rgb:
    """Sensor noise, grey or per channel."""
    size = image.shape[:2]
    layer = grain(rng, size)[..., None]
    if rng.random() < 0.4:
        layer = grain(rng, (size[0], size[1] * 3)).reshape(*size, 3)
    return _uint8(image + layer * np.float32(rng.uniform(2, 18)))


def jpeg(rng: np.random.Generator, image: Rgb) -> Rgb:
    """A badly saved picture."""
    quality = int(rng.integers(12, 80))
    packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def tint(rng: np.random.Generator, image: Rgb) -> Rgb:
    """Coloured light, from a faint cast to an extreme one."""
    strength = 0.12 if rng.random() < 0.7 else 0.45
    table = np.arange(256, dtype=np.float32)[:, None] * rng.uniform(1 - strength, 1 + strength * 0.6, 3)
    return _apply_table(image, _uint8(table))


def tone(rng: np.random.Generator, image: Rgb) -> Rgb:
    """Exposure, contrast and gamma."""
    gamma, gain, lift = float(rng.uniform(0.6, 1.6)), float(rng.uniform(0.6, 1.25)), float(rng.uniform(-20, 50))
    curve = 255 * (np.arange(256) / 255) ** gamma * gain + lift
    return _apply_table(image, _uint8(np.repeat(curve[:, None], 3, 1)))


def _apply_table(image: Rgb, table: Rgb) -> Rgb:
    return np.asarray(cv2.LUT(image, np.ascontiguousarray(table)[None]), np.uint8)


def grey(rng: np.random.Generator, image: Rgb) -> Rgb:
    """Black and white, or one hue."""
    flat = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    wash = rng.uniform(0.7, 1.1, 3) if rng.random() < 0.4 else np.ones(3)
    return _uint8(flat * wash.astype(np.float32))


def small(rng: np.random.Generator, image: Rgb) -> tuple[Rgb, float]:
    """A thumbnail enlarged again."""
    height, width = image.shape[:2]
    factor = float(rng.uniform(0.4, 0.85))
    tiny = cv2.resize(image, (int(width * factor), int(height * factor)), interpolation=cv2.INTER_AREA)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[int(rng.choice(3, p=[0.5, 0.4, 0.1]))]
    return np.asarray(cv2.resize(tiny, (width, height), interpolation=how), np.uint8), 0.4 / factor


def uneven_light(rng: np.random.Generator, image: Rgb) -> Rgb:
    """Lamp light, vignette or veil."""
    field = smooth_noise(rng, image.shape[:2], 2)
    return _uint8(image * (0.55 + 0.75 * field)[..., None])


def sharpen(rng: np.random.Generator, image: Rgb) -> Rgb:
    """The halo of a phone's sharpening."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.5)
    amount = float(rng.uniform(0.4, 1.5))
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)


def washed(rng: np.random.Generator, image: Rgb) -> Rgb:
    """Paler or more vivid colours."""
    flat = image.mean(2, keepdims=True, dtype=np.float32)
    return _uint8(flat + (image - flat) * np.float32(rng.uniform(0.3, 1.6)))


# In the order in which light, lens, sensor and file act.
LIGHT: tuple[tuple[Effect, float], ...] = ((uneven_light, 0.2), (tint, 0.25), (tone, 0.3), (washed, 0.15))
LENS: tuple[tuple[Lens, float], ...] = ((soften, 0.2), (motion, 0.06), (small, 0.12))
SENSOR: tuple[tuple[Effect, float], ...] = ((noise, 0.22), (sharpen, 0.08), (grey, 0.06), (jpeg, 0.25))


def random_effects(rng: np.random.Generator, image: Rgb, gentle: bool = False) -> tuple[Rgb, float]:
    """The image after a random few of the effects, and by how many pixels they blurred it (standard deviation).

    Args:
        gentle: halves the number of effects.
    """
    share, variance = (0.5 if gentle else 1.0), 0.0
    for effect, chance in LIGHT:
        if rng.random() < chance * share:
            image = effect(rng, image)
    for lens, chance in LENS:
        if rng.random() < chance * share:
            image, sigma = lens(rng, image)
            variance += sigma**2
    for effect, chance in SENSOR:
        if rng.random() < chance * share:
            image = effect(rng, image)
    return image, variance**0.5
