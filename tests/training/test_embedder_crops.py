from pathlib import Path

import numpy as np
import pytest

from amogus_search.embedders.openvino import CROP_PX
from amogus_search.training.embedder_captions import CREWMATE, OTHER
from amogus_search.training.embedder_crops import CropCounts, CropSet, draw_crops, imprecise, open_crops, store_crops
from amogus_search.training.embedder_photos import Photo

COUNTS = CropCounts(crewmates=6, scenes=5, photos=4, distractors=3, grounds=2)
PHOTO = Photo(
    np.random.default_rng(5).integers(0, 256, (120, 160, 3), dtype=np.uint8),
    ("slug",),
    np.zeros((0, 4), np.float32),
    (),
)


def drawn(folder: Path, seed: int = 0) -> CropSet:
    crops = draw_crops(COUNTS, [PHOTO], pad_ratio=0.15, rng=np.random.default_rng(seed))
    return store_crops(crops, COUNTS.total, folder)


def test_all_kinds_are_drawn_in_their_numbers(tmp_path: Path) -> None:
    crops = drawn(tmp_path)
    assert len(crops) == COUNTS.total == 20
    assert crops.pixels.shape == (20, CROP_PX, CROP_PX, 3)
    assert all((CREWMATE in facts) != (OTHER in facts) for facts in crops.facts)
    assert all(CREWMATE in facts for facts in crops.facts[:6])
    assert sum("kind:photo" in facts for facts in crops.facts) == 4


def test_the_same_seed_draws_the_same_bytes(tmp_path: Path) -> None:
    one, two, other = drawn(tmp_path / "1"), drawn(tmp_path / "2"), drawn(tmp_path / "3", seed=1)
    assert np.array_equal(one.pixels, two.pixels)
    assert one.facts == two.facts
    assert not np.array_equal(one.pixels, other.pixels)


def test_without_photos_everything_is_drawn(tmp_path: Path) -> None:
    crops = store_crops(draw_crops(COUNTS, [], pad_ratio=0.15, rng=np.random.default_rng(0)), COUNTS.total, tmp_path)
    assert len(crops) == COUNTS.total - COUNTS.photos


def test_stored_crops_are_opened_again_and_half_written_ones_are_not(tmp_path: Path) -> None:
    """A run that was killed while drawing must draw again, not train on zeros."""
    crops = drawn(tmp_path)
    again = open_crops(tmp_path)
    assert again is not None
    assert np.array_equal(crops.pixels, again.pixels)
    (tmp_path / "facts.json").unlink()
    assert open_crops(tmp_path) is None


def test_an_imprecise_box_still_overlaps_the_true_one() -> None:
    rng, box = np.random.default_rng(0), np.array([10, 20, 50, 80], np.float32)
    for moved in (imprecise(box, rng) for _ in range(200)):
        inner = np.minimum(box[2:], moved[2:]) - np.maximum(box[:2], moved[:2])
        both = np.prod(np.maximum(inner, 0))
        assert both / (np.prod(box[2:] - box[:2]) + np.prod(moved[2:] - moved[:2]) - both) > 0.4


def test_pixels_and_facts_must_agree_in_number() -> None:
    with pytest.raises(ValueError, match="2 crops"):
        CropSet(np.zeros((1, CROP_PX, CROP_PX, 3), np.uint8), (frozenset(), frozenset()))
