"""Real networks: derivatives that lead uphill, and a dream that the detector sees."""

import json

import numpy as np
import pytest
from PIL import Image

from amogus_search.cli.main import main
from amogus_search.dreaming.ascent import Dream, Glance, ascend
from amogus_search.errors import UsageError

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]  # torch and ultralytics warn about themselves

QUICK = Dream(places=1, steps=12, octaves=1, size_px=96, sides=(0.5, 0.9))
PLACE = np.asarray([[18, 12, 78, 86]], np.float32)


@pytest.fixture(scope="module")
def picture():
    """96 pixels of soft blotches."""
    import cv2

    blotches = np.random.default_rng(0).random((6, 6, 3)).astype(np.float32)
    return np.clip(cv2.resize(blotches, (96, 96), interpolation=cv2.INTER_CUBIC), 0, 1) * 0.6 + 0.2


def scores_of(picture, objective, dream=QUICK, boxes=None):
    seen = []
    ascend(picture, objective, dream, boxes=boxes, told=lambda step: seen.append(step.score))
    return seen


def test_the_detector_sees_more_of_one_step_by_step(picture):
    from amogus_search.dreaming.networks import detector_objective

    seen = scores_of(picture, detector_objective("amogus"))
    assert np.mean(seen[-3:]) > np.mean(seen[:3]) + 5


def test_the_embedder_comes_nearer_to_the_text(picture):
    from amogus_search.dreaming.networks import direction_objective

    seen = scores_of(picture, direction_objective("green amogus", "amogus"))
    assert np.mean(seen[-3:]) > np.mean(seen[:3]) + 0.1


@pytest.mark.parametrize("name", ["detector", "text"])
def test_the_gradient_is_the_derivative_of_the_score(picture, name):
    """Turned, zoomed and noisy: the derivative must find its way back through all of it."""
    from amogus_search.dreaming import networks

    objective = (
        networks.detector_objective("amogus")
        if name == "detector"
        else networks.direction_objective("red amogus", "amogus")
    )
    glance = Glance(PLACE, zoom=1.1, turn=0.1, noise=0.01, seed=3)
    _, gradient = objective(picture, glance)
    nudge = gradient / np.sqrt((gradient**2).sum()) * 0.02
    ahead, behind = objective(picture + nudge, glance)[0], objective(picture - nudge, glance)[0]
    expected = 2 * float((gradient * nudge).sum())
    assert ahead > behind
    assert ahead - behind == pytest.approx(expected, rel=0.5)


def test_a_turned_place_is_where_the_picture_shows_it():
    import torch

    from amogus_search.dreaming.looking import as_tensor, seen

    one = np.zeros((60, 100, 3), np.float32)
    one[36:44, 66:74] = 1
    view, (box,) = seen(as_tensor(one), Glance(np.asarray([[66, 36, 74, 44]], np.float32), zoom=1.5, turn=0.3))
    weight = view[0, 0]
    rows, columns = torch.meshgrid(torch.arange(weight.shape[0]), torch.arange(weight.shape[1]), indexing="ij")
    centre = [float((weight * axis).sum() / weight.sum()) + 0.5 for axis in (columns, rows)]
    np.testing.assert_allclose(centre, [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], atol=0.5)


def test_a_crop_shows_its_box_with_context():
    import torch

    from amogus_search.dreaming.looking import crops

    view = torch.zeros(1, 3, 200, 300)
    view[:, 1, 50:150, 120:180] = 1
    for side_px in (32, 128):
        (crop,) = crops(view, np.asarray([[120, 50, 180, 150]], np.float32), side_px)
        assert crop.shape == (3, side_px, side_px)
        assert float(crop[1, side_px // 2, side_px // 2]) == pytest.approx(1)
        assert float(crop[1].mean()) == pytest.approx(0.6 / 1.3**2, rel=0.08)


def test_a_pt_file_of_the_users_own_dreams_too(picture, tmp_path):
    from amogus_search.dreaming.networks import detector_objective

    assert main(["models", "export", "amogus", str(tmp_path / "own.pt"), "--to", "ultralytics"]) == 0
    seen = scores_of(picture, detector_objective(str(tmp_path / "own.pt")), boxes=PLACE)
    assert np.mean(seen[-3:]) > np.mean(seen[:3])


def test_any_open_clip_model_dreams_too(picture, tmp_path):
    """Its score is the cosine that the embedder itself gives for the crop, and a dream raises it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    from amogus_search import registry
    from amogus_search.dreaming.networks import direction_objective

    vision = {"image_size": 48, "layers": 2, "width": 64, "patch_size": 16}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "tiny-clip-for-dreams.json").write_text(json.dumps(config))
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    open_clip.add_model_config(tmp_path / "tiny-clip-for-dreams.json")
    torch.manual_seed(0)
    save_file(open_clip.create_model("tiny-clip-for-dreams").state_dict(), tmp_path / "open_clip_model.safetensors")
    name = f"open_clip:local-dir:{tmp_path}"
    words = "a long sentence that stands for itself"
    objective = direction_objective(words, name)
    place = np.asarray([[24, 24, 61, 61]], np.float32)
    score, _ = objective(picture, Glance(place))
    embedder = registry.load_embedder(name)
    middle, half = 42.5, 37 * 0.65
    low, high = round(middle - half), round(middle + half)
    crop = (picture[low:high, low:high] * 255).round().astype(np.uint8)
    cosine = float(embedder.embed_images([crop])[0] @ embedder.embed_texts([words])[0])
    assert score == pytest.approx(cosine, abs=0.02)
    seen = scores_of(picture, objective, boxes=place)
    assert np.mean(seen[-3:]) > np.mean(seen[:3])


@pytest.mark.parametrize("name", ["template", "model.onnx", "none"])
def test_what_has_no_derivatives_is_refused(name):
    from amogus_search.dreaming.networks import detector_objective, direction_objective

    with pytest.raises(UsageError, match="no derivatives"):
        detector_objective(name)
    with pytest.raises(UsageError, match="no derivatives"):
        direction_objective("red", "openvino:folder")


def test_the_command_raises_the_detectors_score_and_leaves_the_rest_alone(picture, tmp_path, capsys):
    pixels = (picture * 255).astype(np.uint8)
    wide = np.concatenate([pixels, pixels[:, ::-1]], axis=1)
    Image.fromarray(wide).save(tmp_path / "a.png", dpi=(72, 72))
    before = (tmp_path / "a.png").read_bytes()
    words = f"dream {tmp_path}/a.png --out {tmp_path}/b.png --box 4,4,92,92 --steps 12 --octaves 2 --size 128"
    film = f"--video {tmp_path}/b.webp --fly 3 --format json"
    capsys.readouterr()
    assert main(f"{words} {film}".split()) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["amogusness_after"] > row["amogusness_before"] + 0.3
    assert (tmp_path / "a.png").read_bytes() == before
    with Image.open(tmp_path / "b.png") as result:
        dreamt = np.asarray(result)
    outside = np.ones(wide.shape[:2], bool)
    outside[4:92, 4:92] = False
    np.testing.assert_array_equal(dreamt[outside], wide[outside])
    with Image.open(tmp_path / "b.webp") as video:
        assert 20 <= video.n_frames <= 24 + 3  # frames that are the same are written once
