"""What is cut out is the crewmate: measured against drawn ones whose outline is known."""

import csv

import cv2
import numpy as np
import pytest
from PIL import Image

from amogus_search.core.ids import crop_id
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.errors import UsageError
from amogus_search.exports.cutouts import LISTING, export_cutouts
from amogus_search.synth.crewmate import KEYPOINT_NAMES, Crewmate
from amogus_search.synth.fitting import fit_crewmate
from amogus_search.synth.palette import GAME_COLOURS, Palette
from amogus_search.synth.styles import render_sprite

RED = Palette(*GAME_COLOURS["red"], (149, 202, 220), (90, 130, 150), (255, 255, 255), (10, 10, 10), (0, 0, 0), "red")
LEFT, TOP = 60, 40


def planted(height=120, crewmate=None, ground=(90, 150, 80)):
    """A drawn crewmate on noisy ground: the picture, its coverage, its box and its keypoints."""
    sprite = render_sprite(crewmate or Crewmate(), height, "flat", np.random.default_rng(1), RED)
    noise = np.random.default_rng(2).normal(0, 8, (240, 260, 3))
    pixels = np.clip(np.array(ground) + noise, 0, 255)
    h, w = sprite.shape.shape
    truth = np.zeros((240, 260), np.float32)
    truth[TOP : TOP + h, LEFT : LEFT + w] = sprite.rgba[..., 3] / 255
    share = truth[..., None]
    drawn = np.zeros_like(pixels)
    drawn[TOP : TOP + h, LEFT : LEFT + w] = sprite.rgba[..., :3]
    pixels = pixels * (1 - share) + drawn * share
    keypoints = sprite.keypoints + np.float32([LEFT, TOP, 0])
    keypoints[:, 2] /= 2
    return pixels.astype(np.uint8), truth, [LEFT, TOP, LEFT + w, TOP + h], keypoints


def hit(box, keypoints=None, size=(260, 240), rank=1, **changes):
    names = KEYPOINT_NAMES if keypoints is not None else ()
    points = None if keypoints is None else keypoints[None]
    found = Detections.make([box], [0.9], keypoints=points, keypoint_names=names)
    scores = FindingScores(np.array([0.97]), np.array([3000.0]), np.array([False]))
    values = {
        **{"rank": rank, "path": b"/photos/park bench.jpg", "score": 0.97, "by": "amogusness", "sha256": "a" * 64},
        **{"full_wh": size, "detections": found, "scores": scores, "detection": 0},
    }
    return Hit(**(values | {"crop_id": crop_id("a" * 64, box)} | changes))


def laid_back(out, size_hw=(240, 260)):
    """The only cutout's alpha where the listing says that it was, and the listing's row."""
    with open(out / LISTING, newline="") as stream:
        (row,) = csv.DictReader(stream)
    x1, y1, x2, y2 = (int(row[f"crop_{name}"]) for name in ("x1", "y1", "x2", "y2"))
    with Image.open(out / row["file"]) as picture:
        assert picture.mode == "RGBA"
        rgba = np.asarray(picture)
    alpha = np.zeros(size_hw, np.float32)
    alpha[y1:y2, x1:x2] = rgba[..., 3] / 255
    return alpha, row, rgba


def overlap(a, b):
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


@pytest.mark.parametrize("height", [40, 120])
def test_the_border_is_that_of_the_crewmate(tmp_path, height):
    pixels, truth, box, keypoints = planted(height)
    report = export_cutouts([hit(box, keypoints)], lambda _: pixels, tmp_path / "out", fit=fit_crewmate)
    alpha, row, _ = laid_back(tmp_path / "out")
    assert (report.written, report.refined, row["cut_by"]) == (1, 1, "silhouette+grabcut")
    assert overlap(alpha, truth) > 0.93


def test_what_the_silhouette_misses_is_found_by_colour(tmp_path):
    """Keypoints know nothing of a build so wide, colours do."""
    pixels, truth, box, keypoints = planted(crewmate=Crewmate(head_power=5, dome_height=0.2, backpack_width=0.12))
    shares = {}
    for refine in (True, False):
        out = tmp_path / str(refine)
        export_cutouts([hit(box, keypoints)], lambda _: pixels, out, fit=fit_crewmate, refine=refine)
        alpha, row, _ = laid_back(out)
        shares[row["cut_by"]] = overlap(alpha, truth)
    assert set(shares) == {"silhouette+grabcut", "silhouette"}
    assert shares["silhouette+grabcut"] > max(0.93, shares["silhouette"])


def test_a_finding_without_keypoints_is_cut_out_of_its_box(tmp_path):
    pixels, truth, box, _ = planted()
    export_cutouts([hit(box)], lambda _: pixels, tmp_path / "out", fit=fit_crewmate)
    alpha, row, _ = laid_back(tmp_path / "out")
    assert row["cut_by"] == "box+grabcut"
    assert overlap(alpha, truth) > 0.9


def test_what_does_not_stand_out_stays_a_box_or_a_silhouette(tmp_path):
    pixels = np.full((240, 260, 3), 128, np.uint8)
    _, _, box, keypoints = planted()
    export_cutouts([hit(box)], lambda _: pixels, tmp_path / "box", fit=fit_crewmate)
    alpha, row, _ = laid_back(tmp_path / "box")
    assert row["cut_by"] == "box"
    assert alpha.sum() == pytest.approx((box[2] - box[0]) * (box[3] - box[1]))
    export_cutouts([hit(box, keypoints)], lambda _: pixels, tmp_path / "flat", fit=fit_crewmate)
    alpha, _, _ = laid_back(tmp_path / "flat")
    assert alpha.sum() > 1000


def test_nothing_of_the_ground_is_left_and_inside_no_pixel_changes(tmp_path):
    pixels, _, box, keypoints = planted(ground=(0, 255, 0))
    export_cutouts([hit(box, keypoints)], lambda _: pixels, tmp_path / "out", fit=fit_crewmate)
    _, row, rgba = laid_back(tmp_path / "out")
    green = (rgba[..., 1] > 150) & (rgba[..., 0] < 100) & (rgba[..., 2] < 100)
    assert green.mean() < 0.002, "also where it is transparent"
    x1, y1, x2, y2 = (int(row[f"crop_{name}"]) for name in ("x1", "y1", "x2", "y2"))
    solid = cv2.erode((rgba[..., 3] == 255).astype(np.uint8), np.ones((7, 7))) > 0
    assert solid.mean() > 0.4
    np.testing.assert_array_equal(rgba[solid][:, :3], pixels[y1:y2, x1:x2][solid])


def test_the_same_findings_give_the_same_files(tmp_path):
    pixels, _, box, keypoints = planted()
    for name in ("a", "b"):
        export_cutouts([hit(box, keypoints)], lambda _: pixels, tmp_path / name, fit=fit_crewmate)
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [file.name for file in first] == [file.name for file in second]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


@pytest.mark.parametrize("box", [[0, 0, 1, 1], [258.5, 238.5, 260, 240], [-5, -5, 300, 300], [100, 0, 101, 240]])
@pytest.mark.parametrize("refine", [True, False])
def test_no_finding_is_too_small_or_too_large(tmp_path, box, refine):
    pixels, _, _, keypoints = planted()
    for name, points in (("points", keypoints), ("box", None)):
        export_cutouts([hit(box, points)], lambda _: pixels, tmp_path / name, fit=fit_crewmate, refine=refine)
        assert laid_back(tmp_path / name)[0].max() > 0.5


def test_whole_images_are_counted_and_missing_photos_reported(tmp_path):
    pixels, _, box, keypoints = planted()
    hits = [
        hit(box, keypoints, rank=1),
        hit(box, keypoints, rank=2, path=b"/gone.jpg"),
        hit(box, keypoints, rank=3, detection=None, by="similarity"),
    ]

    def read(path):
        if path == b"/gone.jpg":
            raise FileNotFoundError
        return pixels

    report = export_cutouts(hits, read, tmp_path / "out", fit=fit_crewmate)
    assert (report.written, report.without_finding) == (1, 1)
    assert [problem.reason for problem in report.problems] == ["vanished"]


def test_an_earlier_export_is_replaced_and_other_folders_are_not(tmp_path):
    pixels, _, box, keypoints = planted()
    out = tmp_path / "out"
    export_cutouts([hit(box, keypoints)], lambda _: pixels, out, fit=fit_crewmate)
    (out / "mine.png").write_bytes(b"keep")
    export_cutouts([hit([50, 40, 90, 100], keypoints)], lambda _: pixels, out, fit=fit_crewmate)
    assert len(list(out.glob("0001_*.png"))) == 1
    assert (out / "mine.png").read_bytes() == b"keep"
    (out / LISTING).unlink()
    with pytest.raises(UsageError, match="not empty"):
        export_cutouts([], lambda _: pixels, out)
    with pytest.raises(UsageError, match="photo folder"):
        export_cutouts([], lambda _: pixels, tmp_path / "new", source_folders=[bytes(tmp_path)])
