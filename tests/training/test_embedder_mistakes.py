import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from amogus_search.core.splits import is_held_out
from amogus_search.embedders.openvino import CROP_PX
from amogus_search.training import mining
from amogus_search.training.embedder_mistakes import mistaken_crops
from amogus_search.training.mining import HardNegative


def photos(folder: Path) -> list[Path]:
    """Pictures with a red block at the same place, some of which are held out."""
    folder.mkdir()
    for number in range(12):
        pixels = np.full((300, 400, 3), number, np.uint8)
        pixels[100:130, 200:230] = (255, 0, 0)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return sorted(folder.glob("*.png"))


def test_listed_mistakes_are_cut_from_the_photos_that_training_may_see(tmp_path: Path) -> None:
    paths = photos(tmp_path / "photos")
    held_out = sum(is_held_out(hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)
    share = (200 / 400, 100 / 300, 230 / 400, 130 / 300)
    mining.write([HardNegative(str(path), share, 0.5) for path in paths], tmp_path / "mined.jsonl")
    crops = list(mistaken_crops(tmp_path / "mined.jsonl", 0.15, np.random.default_rng(0)))
    assert 0 < held_out < len(paths)
    assert len(crops) == 3 * (len(paths) - held_out)
    for pixels, facts in crops:
        assert pixels.shape == (CROP_PX, CROP_PX, 3)
        assert pixels[CROP_PX // 2, CROP_PX // 2].tolist() == [255, 0, 0]
        assert {"other", "kind:photo"} <= facts


def test_a_folder_of_crops_is_taken_as_it_is(tmp_path: Path) -> None:
    paths = photos(tmp_path / "crops")
    crops = list(mistaken_crops(tmp_path / "crops", 0.15, np.random.default_rng(0)))
    assert len(crops) == len(paths)
    assert list(mistaken_crops(None, 0.15, np.random.default_rng(0))) == []
