import numpy as np
import pytest

from amogus_search.core.evidence import colour_share, hue_degrees, part_evidence, with_evidence
from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections

MOTIF = Motif(
    "sign",
    keypoint_names=("top", "left", "right"),
    flip_idx=(0, 2, 1),
    parts={"top": ("top",), "sides": ("left", "right")},
    colours={"red": (340, 20)},
)


def finding(visibilities, box=(0, 0, 20, 20)):
    points = np.zeros((1, 3, 3))
    points[0, :, 2] = visibilities
    return Detections.make([box], [0.9], keypoints=points, keypoint_names=MOTIF.keypoint_names)


def plain(colour, side=20):
    return np.full((side, side, 3), colour, np.uint8)


def test_a_part_is_the_mean_of_its_keypoints_visibilities():
    assert part_evidence(finding([1.0, 0.2, 0.6]), MOTIF) == pytest.approx(np.asarray([[1.0, 0.4]]))


@pytest.mark.parametrize(
    ("colour", "share"), [((220, 20, 20), 1), ((220, 20, 60), 1), ((20, 200, 20), 0), ((128, 128, 128), 0)]
)
def test_red_is_seen_in_red_things_only_and_wraps_past_360_degrees(colour, share):
    assert colour_share(plain(colour), np.asarray([0, 0, 20, 20], np.float32), (340, 20)) == share


def test_a_box_that_reaches_out_of_the_picture_is_looked_at_as_far_as_it_goes():
    assert colour_share(plain((220, 20, 20)), np.asarray([-10, -10, 40, 40], np.float32), (340, 20)) == 1


@pytest.mark.parametrize(
    ("colour", "hue"), [((255, 0, 0), 0), ((0, 255, 0), 120), ((0, 0, 255), 240), ((255, 0, 255), 300)]
)
def test_hues_of_the_primaries(colour, hue):
    assert hue_degrees(plain(colour))[0][0, 0] == pytest.approx(hue)


def test_evidence_columns_follow_the_motif_and_stay_in_range():
    seen = with_evidence(finding([0.9, 0.9, 0.9]), plain((220, 20, 20)), MOTIF)
    assert seen.evidence_names == ("top", "sides", "red")
    assert seen.evidence.shape == (1, 3)
    assert ((seen.evidence >= 0) & (seen.evidence <= 1)).all()


def test_a_detector_without_keypoints_gives_no_part_evidence():
    bare = Detections.make([[0, 0, 5, 5]], [0.5])
    assert part_evidence(bare, MOTIF).tolist() == [[0, 0]]


def test_a_motif_with_evidence_from_unknown_keypoints_is_refused():
    with pytest.raises(ValueError, match="nose"):
        Motif("bad", keypoint_names=("top",), flip_idx=(0,), parts={"face": ("nose",)})
