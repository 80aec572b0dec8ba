import json

import numpy as np
import pytest
from PIL import Image

from amogus_search.errors import AmogusError, UsageError
from amogus_search.evaluation.coco import read_coco

NAMES = ("top", "left", "right")


def document(**changes):
    return {
        "images": [
            {"id": 7, "file_name": "b.png", "width": 64, "height": 48},
            {"id": 3, "file_name": "a.png", "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 2, "bbox": [10, 5, 20, 30], "keypoints": [1, 2, 2, 3, 4, 1]},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 64, 48], "iscrowd": 1},
            {"id": 3, "image_id": 3, "category_id": 9, "bbox": [1, 1, 5, 5]},
        ],
        "categories": [{"id": 2, "name": "amogus", "keypoints": ["left", "top"]}, {"id": 9, "name": "vent"}],
    } | changes


@pytest.fixture
def written(tmp_path):
    def write(contents, folder="images"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in ("a.png", "b.png"):
            Image.new("RGB", (64, 48)).save(tmp_path / folder / name)
        (tmp_path / "labels.json").write_text(json.dumps(contents))
        return tmp_path / "labels.json"

    return write


def test_the_pictures_come_in_order_of_their_names_with_the_boxes_of_their_category(written):
    a, b = read_coco(written(document()))
    assert (a.path.name, b.path.name) == ("a.png", "b.png")
    assert a.truth((64, 48)).tolist() == []
    assert b.truth((64, 48)).tolist() == [[10, 5, 30, 35]]


def test_keypoints_go_by_their_names_and_not_by_their_places(written):
    """The file's order is its own; a point that it does not know stays invisible."""
    b = read_coco(written(document()))[1]
    points = b.labels((64, 48), NAMES).keypoints[0]
    assert points.tolist() == [[3, 4, 0.5], [1, 2, 1], [0, 0, 0]]


def test_the_pictures_may_lie_elsewhere(written, tmp_path):
    file = written(document(), folder="elsewhere")
    with pytest.raises(UsageError, match="--images"):
        read_coco(file)
    assert read_coco(file, tmp_path / "elsewhere")[0].path.exists()


def test_a_picture_of_another_size_than_stated_is_refused(written):
    with pytest.raises(AmogusError, match=r"48 x 64 px upright"):
        read_coco(written(document()))[0].labels((48, 64), NAMES)


def test_a_category_must_be_one_that_the_file_has(written):
    file = written(document())
    assert read_coco(file, category="vent")[0].truth((64, 48)).shape == (1, 4)
    with pytest.raises(UsageError, match="it has: amogus, vent"):
        read_coco(file, category="shuttle")


@pytest.mark.parametrize("contents", [[], {}, {"images": 3}, document(images=[]), document(categories=[])])
def test_what_is_no_coco_file_is_refused_in_words(written, contents):
    with pytest.raises(UsageError):
        read_coco(written(contents))


def test_boxes_are_float32_pixels(written):
    assert read_coco(written(document()))[1].truth((64, 48)).dtype == np.float32
