"""A small run of the diffusion model's training: it ends in weights that load, and goes on where it was stopped."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from amogus_search.errors import AmogusError

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]  # torch and diffusers warn about themselves
pytest.importorskip("torch")
pytest.importorskip("diffusers")

from amogus_search.converters.diffusion_model import from_safetensors  # noqa: E402
from amogus_search.training.diffusion import DiffusionTraining, train_diffusion  # noqa: E402
from amogus_search.training.diffusion_batches import attributes_of, batches  # noqa: E402
from amogus_search.training.diffusion_crops import draw_diffusion_crops  # noqa: E402


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return DiffusionTraining(tmp_path_factory.mktemp("run"), crops=96, epochs=2, batch=16, seed=3)


@pytest.fixture(scope="module")
def weights(config):
    return train_diffusion(config)


def test_a_run_ends_in_weights_and_a_log(config, weights):
    model = from_safetensors(weights.read_bytes())
    assert {"crewmate", "colour:red", "backpack:yes"} <= set(model.attributes)
    rows = list(csv.DictReader((config.out / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(np.isfinite(float(row["held_out_loss"])) for row in rows)


def test_going_on_after_an_epoch_gives_the_weights_of_one_go(config, weights, tmp_path, monkeypatch):
    from amogus_search.training import diffusion

    stopped = replace(config, out=tmp_path / "run")
    epoch = diffusion._Run.epoch

    def once(run, number, progress):
        if number == 1:
            raise KeyboardInterrupt
        epoch(run, number, progress)

    monkeypatch.setattr(diffusion._Run, "epoch", once)
    with pytest.raises(KeyboardInterrupt):
        train_diffusion(stopped)
    monkeypatch.undo()
    assert train_diffusion(stopped).read_bytes() == weights.read_bytes()


def test_a_folder_keeps_its_settings(config, weights):
    with pytest.raises(AmogusError, match="other settings"):
        train_diffusion(replace(config, rate=1e-3))


def test_too_few_crops_are_refused_at_once(tmp_path):
    with pytest.raises(AmogusError, match="too few"):
        train_diffusion(DiffusionTraining(tmp_path / "run", crops=16))
    assert not (tmp_path / "run").exists()


def test_crops_are_the_same_however_many_draw_them(config, weights, tmp_path):
    other = draw_diffusion_crops(tmp_path, 40, None, seed=config.seed, workers=2)
    one = draw_diffusion_crops(config.out / "crops", config.crops, None, seed=config.seed)
    np.testing.assert_array_equal(other.layers, one.layers[:40])
    assert other.facts == one.facts[:40]


def test_what_the_model_is_given_hides_what_it_must_make_up(config, weights):
    crops = draw_diffusion_crops(config.out / "crops", config.crops, None, seed=config.seed)
    rows = np.arange(32)
    batch = next(batches(crops, rows, attributes_of(crops), size=32, rng=np.random.default_rng(0)))
    hidden = batch.mask[:, 0] > 0.999
    assert hidden.any()
    assert batch.conditions[:, :3].abs().amax(1)[hidden].max() < 0.002
    assert set(batch.wishes.unique().tolist()) == {0.0, 1.0}
