"""Detector and Embedder as people use them: files, folders or arrays in, typed answers out."""

import numpy as np
import pytest
from PIL import Image

from amogus_search import Detector, Embedder
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import SkippedImage
from amogus_search.errors import AmogusError, UsageError
from amogus_search.finder import Found

EVERYTHING = Threshold()


@pytest.fixture
def detector(fake_models):
    return Detector("fake")


@pytest.fixture
def embedder(fake_models):
    return Embedder("fake")


def pixels(path):
    return np.asarray(Image.open(path))


def test_a_folder_is_answered_in_sorted_order(detector, drawn_photos):
    found = detector.detect(drawn_photos, threshold=EVERYTHING)
    assert [len(item.detections) for item in found] == [0, 0, 1, 2]
    assert all(isinstance(item, Found) for item in found)
    assert isinstance(found[1:], type(found))


def test_arrays_are_answered_in_their_order_and_alike(detector, drawn_photos):
    arrays = [pixels(drawn_photos / name) for name in ("two.png", "empty.png", "one.png")]
    found = detector.detect(arrays, threshold=EVERYTHING)
    assert [len(item.detections) for item in found] == [2, 0, 1]
    (single,) = detector.detect(arrays[0], threshold=EVERYTHING)
    np.testing.assert_array_equal(single.detections.xyxy, found[0].detections.xyxy)
    (of_file,) = detector.detect(drawn_photos / "two.png", threshold=EVERYTHING)
    np.testing.assert_array_equal(single.detections.xyxy, of_file.detections.xyxy)


def test_a_broken_picture_is_in_the_answer_with_its_reason(detector, drawn_photos):
    (drawn_photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    found = detector.detect(drawn_photos)
    assert [type(item) for item in found].count(SkippedImage) == 1
    assert "1 skipped" in repr(found)
    assert "skipped" in found.records()[1]


def test_the_answer_is_a_table_with_a_row_a_finding(detector, drawn_photos):
    table = detector.detect(drawn_photos, threshold=EVERYTHING).to_pandas()
    assert len(table) == 3
    assert {"path", "x1", "confidence", "amogusness", "evidence_lid"} <= set(table.columns)
    empty = detector.detect(drawn_photos / "empty.png").to_pandas()
    assert list(empty.columns) == list(table.columns)
    assert (empty.dtypes == table.dtypes).all()


def test_the_answer_prints_and_has_cards(detector, drawn_photos):
    found = detector.detect([pixels(drawn_photos / "two.png"), pixels(drawn_photos / "empty.png")])
    assert repr(found).splitlines()[0] == "2 found in 2 pictures"
    assert "nothing found" in repr(found)
    assert found._repr_html_().count("data:image/") == 2
    assert detector.detect(drawn_photos)._repr_html_().count("data:image/") == 4


@pytest.mark.parametrize("wrong", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)])
def test_what_is_no_picture_is_refused(detector, embedder, wrong):
    with pytest.raises(UsageError, match="no picture"):
        detector.detect([wrong])
    with pytest.raises(UsageError, match="no picture"):
        embedder.images([wrong])


def test_paths_and_arrays_are_not_mixed(detector, drawn_photos):
    with pytest.raises(UsageError, match="mixed"):
        detector.detect([drawn_photos, np.zeros((5, 5, 3), np.uint8)])


def test_nothing_in_nothing_out(detector, embedder):
    assert len(detector.detect([])) == 0
    assert embedder.images([]).shape == embedder.texts([]).shape == (0, embedder.dimension)


def test_a_profile_or_a_name_that_is_not_there_is_a_usage_error(fake_models):
    with pytest.raises(UsageError, match="profile"):
        Detector("fake", profile="lazy")
    with pytest.raises(UsageError, match="no detector"):
        Detector("nobody")
    with pytest.raises(UsageError, match="no embedder"):
        Embedder("nobody")


def test_texts_and_pictures_become_unit_vectors_of_one_space(embedder, drawn_photos):
    vectors = embedder.images([drawn_photos / "blue.png", pixels(drawn_photos / "blue.png")])
    np.testing.assert_allclose(vectors[0], vectors[1])
    assert embedder.texts("blue").shape == (1, embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(embedder.texts(["red", "blue"]), axis=1), 1, atol=1e-6)
    assert repr(embedder) == "Embedder('fake', dimension=16)"
    assert embedder.unknown_words("red") == ()


def test_a_file_that_cannot_be_read_is_named(embedder, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(AmogusError, match=r"broken\.jpg"):
        embedder.images(tmp_path / "broken.jpg")
