"""A demo folder: real photographs with amogi hidden in most of them, and the truth beside.

The photographs are sample pictures that lie inside scikit-image's own wheel (BSD-3-Clause). According to the
docstrings of `skimage.data`:

- CC0 by the photographer: camera (Lav Varshney), chelsea (Stefan van der Walt), coffee (Rachel Michetti);
- CC0: brick and gravel (CC0Textures), grass (linolafett), retina (Mikael Häggström);
- public domain: astronaut and hubble_deep_field (NASA), rocket (SpaceX), clock_motion (Stefan van der Walt);
- no known copyright restrictions: coins (Brooklyn Museum), ihc (CMMI).
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from amogus_search.errors import MissingExtraError
from amogus_search.synth.captions import caption
from amogus_search.synth.scenes import Scene, plant_scene
from amogus_search.synth.sprite import Rgb

SAMPLE_FILES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "retina.jpg",
    "rocket.jpg",
)

# One picture in five shows no amogus, so that false findings can be counted too.
CLEAN_EVERY = 5


def load_samples() -> tuple[Rgb, ...]:
    """scikit-image's bundled sample photographs, (h, w, 3) uint8 each, in the order of SAMPLE_FILES."""
    spec = find_spec("skimage")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise MissingExtraError(
            "the demo needs the sample photographs of scikit-image", 'pip install "amogus_search[demo]"'
        )
    # read as files: importing skimage costs seconds, and nothing else of it is needed
    paths = [Path(folders[0]) / "data" / name for name in SAMPLE_FILES]
    return tuple(_read(path) for path in paths if path.exists())


def _read(path: Path) -> Rgb:
    with Image.open(path) as opened:
        return np.array(opened.convert("RGB"), np.uint8)


def draw_demo(out: Path, n: int = 44, seed: int = 7, samples: Sequence[Rgb] = ()) -> None:
    """Write `n` pictures to out/photos and what is hidden in them to out/truth.json.

    Args:
        out: the demo folder.
        n: number of pictures.
        seed: of all of them; picture i depends on (seed, i) only.
        samples: photographs, (h, w, 3) uint8 each; `load_samples` has some.
    """
    (out / "photos").mkdir(parents=True, exist_ok=True)
    truth = {}
    for index in range(n):
        rng = np.random.default_rng((seed, index))
        ground = _ground(rng, samples[index % len(samples)])
        scene = _hidden(rng, ground, index, samples)
        name = f"photos/{index:03d}.{'png' if index % 4 == 3 else 'jpg'}"
        Image.fromarray(scene.image).save(out / name, quality=88)
        truth[name] = _records(scene, rng)
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


def _ground(rng: np.random.Generator, sample: Rgb) -> Rgb:
    """A random window of the photograph, 900 to 1600 pixels on its longer side, perhaps mirrored."""
    height, width = sample.shape[:2]
    h, w = (int(side * rng.uniform(0.75, 1.0)) for side in (height, width))
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    scale = float(rng.uniform(900, 1600)) / max(h, w)
    window = cv2.resize(
        sample[y : y + h, x : x + w], (round(w * scale), round(h * scale)), interpolation=cv2.INTER_CUBIC
    )
    return np.ascontiguousarray(window[:, ::-1] if rng.random() < 0.5 else window, np.uint8)


def _hidden(rng: np.random.Generator, ground: Rgb, index: int, samples: Sequence[Rgb]) -> Scene:
    """The ground with one to three amogi, big or small; none in every fifth picture."""
    if index % CLEAN_EVERY == CLEAN_EVERY - 1:
        return plant_scene(rng, ground, 0)
    sizes = (0.18, 0.45) if rng.random() < 0.5 else (0.03, 0.2)
    heights = (max(22.0, sizes[0] * ground.shape[0]), sizes[1] * ground.shape[0])
    return plant_scene(rng, ground, int(rng.integers(1, 4)), samples, "varied", heights)


def _records(scene: Scene, rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"box": box.tolist(), "style": attributes.style, "caption": caption(attributes, rng)}
        for box, attributes in zip(scene.boxes_xyxy, scene.attributes, strict=True)
    ]
