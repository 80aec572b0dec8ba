"""The whole heavy stack through the command line: a `.pt` detector by ultralytics, a small open_clip model."""

import json

import numpy as np
import pytest
from PIL import Image

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore"),  # torch, timm and ultralytics warn about themselves
]

CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A randomly initialised open_clip model in a folder, as people keep their own."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip-for-command-line.json").write_text(json.dumps(CONFIG))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    open_clip.add_model_config(folder / "tiny-clip-for-command-line.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-clip-for-command-line")
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture
def scenes(workplace):
    """Four drawn pictures, three of them with plain amogi in them."""
    from amogus_search.synth.scenes import generate_scene

    folder = workplace / "scenes"
    folder.mkdir()
    for number in range(4):
        count = (0, 0) if number == 3 else (2, 3)
        rng = np.random.default_rng((5, number))
        scene = generate_scene(rng, (480, 480), tier="plain", n_range=count, height_px_range=(40, 160))
        Image.fromarray(scene.image).save(folder / f"{number}.png")
    return folder


def test_index_query_and_export_with_foreign_models(amogus, scenes, clip, workplace):
    assert amogus("models", "export", "amogus", "own.pt", "--to", "ultralytics").code == 0
    embedder = f"open_clip:local-dir:{clip}"
    done = amogus("index", scenes, "--detector", "own.pt", "--embedder", embedder)
    assert done.code == 0, done.err
    assert done.out.startswith("4 scanned = 4 indexed")

    again = amogus("index", scenes, "--format", "json")
    assert json.loads(again.out)["unchanged"] == 4

    best = json.loads(amogus("query", "--regions", "--format", "json").out)
    assert len(best) >= 3
    assert best[0]["by"] == "confidence"
    assert best[0]["detection"]["amogusness"] is None
    assert best[0]["detection"]["evidence"]["visor"] > 0.5

    like = json.loads(amogus("query", "a red crewmate", "--format", "json").out)
    assert len(like) == 4
    assert like[0]["by"] == "similarity"

    assert amogus("export", "crops", "crops", "-n", "3").code == 0
    assert len(list((workplace / "crops").glob("*.jpg"))) == 3


def test_the_pt_file_finds_what_the_embedded_detector_finds(amogus, scenes):
    assert amogus("models", "export", "amogus", "own.pt", "--to", "ultralytics").code == 0
    options = ("--min-confidence", "0.6", "--format", "json")
    ours = json.loads(amogus("detect", scenes / "0.png", "--detector", "amogus:f32", *options).out)[0]["detections"]
    theirs = json.loads(amogus("detect", scenes / "0.png", "--detector", "own.pt", *options).out)[0]["detections"]
    assert len(ours) == len(theirs) > 0
    for one, other in zip(sorted(d["box"] for d in ours), sorted(d["box"] for d in theirs), strict=True):
        np.testing.assert_allclose(one, other, atol=2)
