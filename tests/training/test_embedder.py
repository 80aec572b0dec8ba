import dataclasses
from pathlib import Path

import numpy as np
import pytest

from amogus_search.embedders.openvino import load
from amogus_search.errors import AmogusError

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
pytest.importorskip("onnx")


def settings(out: Path, epochs: int = 2):  # type: ignore[no-untyped-def]
    from amogus_search.training.embedder import EmbedderTraining
    from amogus_search.training.embedder_crops import CropCounts

    return EmbedderTraining(out=out, counts=CropCounts(8, 6, 0, 8, 4), epochs=epochs, batch=8, frozen=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from amogus_search.training.embedder import train_embedder

    folder = tmp_path_factory.mktemp("run")
    train_embedder(settings(folder))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    from amogus_search.training.embedder import IMAGE_FILE, TEXT_FILE, WORDS_FILE

    names = {"image": IMAGE_FILE, "text": TEXT_FILE, "words": WORDS_FILE}
    return {role: (folder / name).read_bytes() for role, name in names.items()}


def test_a_run_leaves_weights_that_the_embedder_reads(trained: Path) -> None:
    embedder = load(files(trained), name="amogus", threads=1)
    assert embedder.embed_images([np.full((30, 20, 3), 90, np.uint8)]).shape == (1, embedder.dimension)
    assert embedder.embed_texts(["a red crewmate"]).shape == (1, embedder.dimension)
    assert len((trained / "log.csv").read_text().splitlines()) == 3


def test_openvino_computes_what_torch_computes(trained: Path) -> None:
    """Half-precision weights and folded batch normalisation may cost a little, not more."""
    from amogus_search.training.embedder_model import TwoTowers

    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    towers = TwoTowers(state["model"]["text.words.weight"].shape[0])
    towers.load_state_dict(state["model"])
    crops = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    with torch.no_grad():
        theirs = towers.eval().image(torch.from_numpy(crops)).numpy()
        margin = towers.margin(torch.from_numpy(theirs)).numpy()
    embedder = load(files(trained), name="amogus", threads=1)
    ours = embedder.embed_images(list(crops))
    assert ((ours * theirs).sum(axis=1) > 0.9999).all()
    assert np.allclose(embedder.margin_of_vectors(ours), margin, atol=2e-3)


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(trained: Path, tmp_path: Path) -> None:
    from amogus_search.training import embedder

    run = embedder._Run(settings(tmp_path), *prepared(tmp_path))
    run.epoch(0)
    del run
    embedder.train_embedder(settings(tmp_path))
    assert files(tmp_path) == files(trained)


def prepared(folder: Path):  # type: ignore[no-untyped-def]
    from amogus_search.training import embedder, embedder_words

    crops = embedder.training_crops(settings(folder))
    return crops, embedder_words.gather_words(crops.facts, np.random.default_rng(0))


def test_the_crops_of_an_earlier_run_are_used_as_well(trained: Path, tmp_path: Path) -> None:
    from amogus_search.training.embedder import training_crops

    both = training_crops(dataclasses.replace(settings(tmp_path), seed=3, more_crops=(trained,)))
    assert len(both) == 2 * len(training_crops(settings(trained)))
    assert (both.pixels[-1] == training_crops(settings(trained)).pixels[-1]).all()
    with pytest.raises(AmogusError, match="holds no crops"):
        training_crops(dataclasses.replace(settings(tmp_path), seed=3, more_crops=(tmp_path / "none",)))


def test_a_folder_with_another_run_is_not_continued(trained: Path) -> None:
    from amogus_search.training.embedder import train_embedder

    with pytest.raises(AmogusError, match="other settings"):
        train_embedder(dataclasses.replace(settings(trained), seed=1))


def test_the_loss_is_least_where_fitting_pairs_are_nearest() -> None:
    from amogus_search.training.embedder_model import match_loss, verify_loss

    axes, scale = torch.eye(4), torch.tensor(3.0)
    fits = torch.eye(4, dtype=torch.bool)
    assert match_loss(axes, axes, fits, scale) < match_loss(axes, axes.roll(1, 0), fits, scale)
    motif = torch.tensor([True, False])
    assert verify_loss(torch.tensor([0.5, -0.5]), motif) < verify_loss(torch.tensor([-0.5, 0.5]), motif)


def test_the_likeness_loss_is_least_where_alike_crops_are_nearest_and_survives_a_batch_without_any() -> None:
    from amogus_search.training.embedder_model import likeness_loss

    axes, scale = torch.eye(4), torch.tensor(3.0)
    pairs = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=torch.bool)
    together, apart = axes[[0, 0, 1, 1]], axes[[0, 1, 0, 1]]
    assert likeness_loss(together, pairs[None], scale) < likeness_loss(apart, pairs[None], scale)
    assert likeness_loss(apart, torch.zeros(3, 4, 4, dtype=torch.bool), scale) == 0


def test_crewmates_are_alike_by_colour_by_style_and_by_both_and_never_to_themselves() -> None:
    from amogus_search.training.embedder_batches import _alike

    def look(*facts: str) -> frozenset[str]:
        return frozenset({"crewmate", *facts})

    facts = [look("colour:red", "style:toy"), look("colour:red", "style:flat"), look("style:ice"), look("style:ice")]
    colour, style, both = _alike([*facts, frozenset({"other"})])
    assert np.argwhere(colour).tolist() == [[0, 1], [1, 0]]
    assert np.argwhere(style).tolist() == np.argwhere(both).tolist() == [[2, 3], [3, 2]]


def test_an_earlier_model_is_taken_over_word_by_word() -> None:
    """Word lists differ between runs; a word must keep its own vector and not that of its number."""
    from amogus_search.embedders.words import FIRST_WORD
    from amogus_search.training.embedder_model import TwoTowers

    old, new = TwoTowers(4), TwoTowers(5)
    new.take_over(old.state_dict(), ["hat", "red"], ["blue", "hat", "red"])
    assert torch.equal(new.text.words.weight[FIRST_WORD + 1 :], old.text.words.weight[FIRST_WORD:])
    assert torch.equal(new.motif, old.motif)


@pytest.mark.parametrize("start", ["amogus_clip.safetensors", "checkpoint.pt"])
def test_a_run_goes_on_from_the_weights_of_another(trained: Path, start: str) -> None:
    from amogus_search.training.embedder_model import TwoTowers
    from amogus_search.training.embedder_state import read_start

    tensors, words = read_start(trained / start)
    towers = TwoTowers(len(words) + 2)
    towers.take_over(tensors, words, words)
    before = TwoTowers(len(words) + 2)
    before.load_state_dict(torch.load(trained / "checkpoint.pt", weights_only=True)["model"])
    images = torch.randint(0, 256, (2, 128, 128, 3)).float()
    pair = [model.eval().image(images) for model in (towers, before)]
    assert torch.nn.functional.cosine_similarity(*pair).min() > 0.999


def test_a_start_or_backbone_that_is_none_is_refused_and_runs_no_code(tmp_path: Path) -> None:
    import pickle

    from amogus_search.training.embedder_state import read_backbone, read_start

    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return open, (str(canary), "w")

    bad = tmp_path / "bad.pt"
    bad.write_bytes(pickle.dumps(Evil()))
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    for path in (bad, tmp_path / "bad.safetensors", tmp_path / "missing.pt"):
        for read in (read_start, read_backbone):
            with pytest.raises(AmogusError, match="cannot be read"):
                read(path)
    assert not canary.exists()


def test_the_detector_serves_as_a_backbone(tmp_path: Path) -> None:
    """Its first layers bear the same names; `--frozen 10` then asks what its features alone are good for."""
    from amogus_search import weights
    from amogus_search.training.embedder_state import read_backbone
    from amogus_search.training.embedder_towers import ImageTower

    path = tmp_path / "detector.safetensors"
    path.write_bytes(weights.read("amogus_detector.safetensors"))
    tower = ImageTower()
    blocks = sum(name.startswith("model.") for name in tower.state_dict())
    assert tower.load_backbone(read_backbone(path)) == blocks


def test_crops_are_shared_out_in_the_usual_proportions() -> None:
    from amogus_search.training.embedder_crops import CropCounts

    counts = CropCounts.shared_out(35_600)
    assert counts.total == 35_600
    assert abs(counts.crewmates - 11_000) < 100
    assert abs(counts.photos - 12_000) < 300
