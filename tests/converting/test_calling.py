"""`convert` from Python: the same run as the command's, with fakes by name or as objects."""

import numpy as np
import pytest
from PIL import Image

from amogus_search import convert
from amogus_search.core.conversion import Conversion
from amogus_search.errors import UsageError
from amogus_search.testing import FakeConverter


def test_what_is_found_is_converted_and_every_picture_is_told_of(fake_models, drawn_photos, tmp_path):
    outcomes = list(convert(drawn_photos, tmp_path / "out", detector="fake", backend=FakeConverter()))
    assert {outcome.picture.name: outcome.status for outcome in outcomes} == {
        "blue.png": "copied",
        "empty.png": "copied",
        "one.png": "converted",
        "two.png": "converted",
    }
    assert (tmp_path / "out" / "before-after.html").exists()


def test_boxes_by_hand_need_no_finding(fake_models, drawn_photos, tmp_path):
    picture = drawn_photos / "empty.png"
    (outcome,) = convert(
        [picture],
        tmp_path / "out",
        detector="fake",
        boxes=[(30, 20, 90, 100)],
        conversion=Conversion(accept=None),
        page=False,
    )
    before, after = (np.asarray(Image.open(path).convert("RGB")) for path in (picture, outcome.picture))
    assert outcome.status == "converted"
    assert (before != after).any(axis=2)[40:80, 45:75].mean() > 0.5
    np.testing.assert_array_equal(before[:, :20], after[:, :20])


def test_an_unknown_back_end_is_an_error_before_anything_is_written(fake_models, drawn_photos, tmp_path):
    with pytest.raises(UsageError, match="no converter called 'pain'"):
        list(convert(drawn_photos, tmp_path / "out", detector="fake", backend="pain"))
    assert not (tmp_path / "out").exists()
