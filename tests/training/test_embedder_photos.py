import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.splits import is_held_out
from amogus_search.training.embedder_photos import COCO_NAMES, load_photos, native_windows, photo_crops


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in (
        "objects/n02088364_beagle.png",
        "objects/n07873807_pizza_pie.png",
        "scenes/7.png",
        *map(str, range(20)),
    ):
        path = folder / (name if name.endswith(".png") else f"plain/{name}.png")
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
    (folder / "scene_labels").mkdir()
    (folder / "scene_labels/7.txt").write_text("16 0.5 0.5 0.5 0.5\n0 0.1 0.1 0.01 0.01\n")
    return folder


def test_the_two_sides_of_the_split_share_no_photo_and_leave_none_out(folder: Path) -> None:
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.png")]
    held_out = sum(map(is_held_out, hashes))
    assert 0 < held_out < len(hashes)
    assert len(load_photos(folder, held_out=True)) == held_out
    assert len(load_photos(folder, held_out=False)) == len(hashes) - held_out


def test_names_come_from_the_file_name_and_its_wordnet_number(folder: Path) -> None:
    names = {p.names for side in (True, False) for p in load_photos(folder, held_out=side)}
    assert ("beagle", "dog", "animal") in names
    assert ("pizza pie", "pie", "food") in names


def test_labels_become_boxes_in_pixels_and_tiny_ones_are_left_out(folder: Path) -> None:
    (photo,) = [p for side in (True, False) for p in load_photos(folder, held_out=side) if len(p.boxes)]
    assert photo.boxes.tolist() == [[20, 15, 60, 45]]
    assert photo.box_names == (("dog", "animal"),)


def test_the_class_list_has_the_eighty_names() -> None:
    assert len(COCO_NAMES) == len(set(COCO_NAMES)) == 80
    assert (COCO_NAMES[0], COCO_NAMES[9], COCO_NAMES[79]) == ("person", "traffic light", "toothbrush")


def test_photo_crops_are_photos_of_something_or_of_nothing_in_particular(folder: Path) -> None:
    photos = load_photos(folder, held_out=False) + load_photos(folder, held_out=True)
    crops = list(photo_crops(photos, 80, 0.15, np.random.default_rng(1)))
    assert len(crops) == 80
    assert all({"kind:photo", "other"} <= facts for _, facts in crops)
    assert any(any(fact.startswith("thing:") for fact in facts) for _, facts in crops)
    assert all(min(pixels.shape[:2]) >= 10 for pixels, _ in crops)


def test_windows_of_a_large_photo_have_its_own_pixels_and_a_small_one_has_none(tmp_path: Path) -> None:
    """Grain of one pixel is what small findings in camera photos are made of."""
    rng = np.random.default_rng(0)
    large, small = (rng.integers(0, 2, shape, dtype=np.uint8) * 255 for shape in ((1900, 2000), (500, 500)))
    for name, pixels in (("large", large), ("small", small)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    windows = [w for side in (True, False) for w in native_windows(tmp_path, held_out=side, rng=rng)]
    assert {window.pixels.shape for window in windows} == {(900, 900, 3)}
    assert all(set(np.unique(window.pixels)) == {0, 255} for window in windows)
    assert len(windows) == 8
