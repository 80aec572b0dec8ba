import numpy as np
import pytest

from amogus_search.core.types import Detections, FileEntry, SkippedImage


def three():
    return Detections.make(np.arange(12).reshape(3, 4), [0.1, 0.2, 0.3], zoom=[1, 2, 4])


def test_rows_stay_in_step_when_some_are_kept():
    kept = three().keep([2, 0])
    assert kept.confidence.tolist() == pytest.approx([0.3, 0.1])
    assert kept.zoom.tolist() == [4, 1]
    assert kept.xyxy[0].tolist() == [8, 9, 10, 11]


def test_a_mask_keeps_the_rows_it_marks():
    assert len(three().keep(np.asarray([True, False, True]))) == 2


def test_columns_of_different_lengths_are_refused_at_birth():
    with pytest.raises(ValueError, match=r"confidence|reshape"):
        Detections.make(np.zeros((2, 4)), [0.5])


def test_parts_with_other_keypoints_cannot_be_joined():
    with pytest.raises(ValueError, match="different keypoints"):
        Detections.concatenate([three(), Detections.none(("top",))])


def test_joining_keeps_the_order_of_the_parts():
    assert Detections.concatenate([three(), three()]).zoom.tolist() == [1, 2, 4, 1, 2, 4]


def test_no_findings_have_the_motifs_columns():
    empty = Detections.none(("top",), ("red", "lid"))
    assert empty.keypoints.shape == (0, 1, 3)
    assert empty.evidence.shape == (0, 2)


def test_an_unknown_skip_reason_is_refused():
    with pytest.raises(ValueError, match="bored"):
        SkippedImage(FileEntry(b"/a", b"/", None), "bored", "")
