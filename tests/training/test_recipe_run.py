"""Recipes end to end, with pictures of 64 pixels and single epochs."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from amogus_search import weights
from amogus_search.errors import AmogusError
from amogus_search.training.recipe import read_recipe

pytestmark = pytest.mark.heavy

MOTIF = weights.motif("amogus")
SMALL = """
photos = "photos"
[training]
side_px = 64
batch = 4
epochs = 1
warmup_batches = 2
negative_share = 0.3
[[step]]
name = "scenes"
do = "scenes"
seed = 1
number = 20
side_px = 64
[[step]]
name = "first"
do = "train"
data = ["scenes"]
[[step]]
name = "mine"
do = "mine"
detector = "first"
min_confidence = 0.0
[[step]]
name = "second"
do = "train"
data = ["scenes"]
start = "first"
hard = "mine"
seed = 3
[[step]]
name = "blend"
do = "blend"
first = "first"
second = "second"
share = 0.25
"""


class Killed(BaseException):
    """The run ends here, as by a signal."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), rng.integers(0, 255, (80, 90, 3)).astype(np.uint8))
    (folder / "small.toml").write_text(SMALL)
    return read_recipe(folder / "small.toml")


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """A run from beginning to end, and what it told."""
    from amogus_search.training.recipe_run import run_recipe

    out = tmp_path_factory.mktemp("whole")
    return out, list(run_recipe(out, recipe, MOTIF))


def test_a_recipe_is_done_step_by_step_and_ends_in_weights(whole):
    out, events = whole
    told = [(event.step, event.what) for event in events]
    assert told == [
        ("scenes", "done"),
        ("first", "epoch"),
        ("first", "done"),
        ("mine", "done"),
        ("second", "epoch"),
        ("second", "done"),
        ("blend", "done"),
    ]
    assert (out / "best.onnx").read_bytes() == (out / "blend" / "best.onnx").read_bytes()
    assert (out / "second" / "losses.svg").exists()
    assert (out / "mine" / "false_findings.jsonl").exists()
    assert json.loads((out / "recipe.json").read_text())["steps"][0]["number"] == 20


def test_a_finished_recipe_is_kept(whole, recipe):
    from amogus_search.training.recipe_run import run_recipe

    out, _ = whole
    assert {event.what for event in run_recipe(out, recipe, MOTIF)} == {"kept"}


def test_a_step_from_before_a_setting_existed_is_kept(whole, recipe):
    from amogus_search.training.recipe_run import run_recipe

    out, _ = whole
    note = out / "second" / "step.json"
    text = note.read_text()
    values = json.loads(text)
    del values["settings"]["training"]["average_decay"]
    note.write_text(json.dumps(values))
    assert {event.what for event in run_recipe(out, recipe, MOTIF)} == {"kept"}
    note.write_text(text)


def test_a_step_that_was_made_with_other_settings_is_refused(whole, recipe):
    from amogus_search.training.recipe_run import run_recipe

    out, _ = whole
    other = replace(recipe, steps=(replace(recipe.steps[0], number=30), *recipe.steps[1:]))
    with pytest.raises(AmogusError, match="other settings"):
        list(run_recipe(out, other, MOTIF))


def test_a_recipe_killed_in_every_step_ends_in_the_same_weights(whole, recipe, tmp_path):
    """Killed at the second sign of life of each piece of work, and started again each time."""
    from amogus_search.training.recipe_run import run_recipe

    killed = set()

    def tick(what, done, total):
        if done == 2 and what not in killed:
            killed.add(what)
            raise Killed

    for _ in range(10):
        try:
            list(run_recipe(tmp_path, recipe, MOTIF, tick=tick))
        except Killed:
            continue
        break
    assert killed == {"scenes: drawing", "first: epoch 1", "mine: mining", "second: epoch 1"}
    for step in ("first", "second", "blend"):
        made = (tmp_path / step / "best.safetensors").read_bytes()
        assert made == (whole[0] / step / "best.safetensors").read_bytes(), step


def test_a_run_whose_minutes_are_over_says_so_and_goes_on(whole, tmp_path):
    from amogus_search.training.recipe_run import run_recipe

    scenes = str(whole[0] / "scenes")
    given = {"data": [scenes], "epochs": 2, "batch": 4, "side_px": 64, "minutes": 1e-9}
    single = read_recipe(None, given)
    with pytest.raises(AmogusError, match="no finished epoch"):
        list(run_recipe(tmp_path, single, MOTIF))
    longer = read_recipe(None, given | {"minutes": 0.0})
    assert [event.what for event in run_recipe(tmp_path, longer, MOTIF)] == ["epoch", "epoch", "done"]
    assert (tmp_path / "best.onnx").exists()


def test_a_training_can_start_from_the_detector_in_the_package(whole, tmp_path):
    from amogus_search.training.recipe_run import run_recipe

    given = {"data": [str(whole[0] / "scenes")], "epochs": 1, "batch": 4, "side_px": 64, "start": "amogus"}
    list(run_recipe(tmp_path, read_recipe(None, given), MOTIF))
    assert (tmp_path / "amogus.safetensors").exists()
