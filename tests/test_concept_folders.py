"""A concept is found by name or path, and is used only as it was written and where it belongs."""

import json

import numpy as np
import pytest

from amogus_search import concept_folders
from amogus_search.concept_folders import Concept, amogus_direction, load_concept
from amogus_search.errors import AmogusError, UsageError, WeightsError
from amogus_search.testing import FakeEmbedder

UNIT = np.asarray([0.6, 0.8, *[0.0] * 14], np.float32)
EMBEDDER = FakeEmbedder()
TRASH = Concept("trash", UNIT, EMBEDDER.name, EMBEDDER.fingerprint, {"method": "probe", "seed": 0}, {"accuracy": 0.9})


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where concepts lie by name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(concept_folders.FOLDER_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_written_is_read_again(home):
    assert concept_folders.write(TRASH) == home / "trash.json"
    read = concept_folders.read("trash")
    assert read.vector.tobytes() == UNIT.tobytes()
    assert (read.name, read.embedder, read.fingerprint) == ("trash", EMBEDDER.name, EMBEDDER.fingerprint)
    assert (read.made, read.metrics) == (TRASH.made, TRASH.metrics)
    assert load_concept("trash", EMBEDDER).tobytes() == UNIT.tobytes()
    assert [path.name for path in home.iterdir()] == ["trash.json"]


def test_a_path_needs_no_home(home, tmp_path, monkeypatch):
    path = concept_folders.write(TRASH)
    monkeypatch.setenv(concept_folders.FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
    assert concept_folders.known() == ()
    assert load_concept(str(path), EMBEDDER).tobytes() == UNIT.tobytes()


def test_without_the_variable_they_lie_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(concept_folders.FOLDER_VARIABLE)
    assert concept_folders.write(TRASH).resolve() == tmp_path / "concepts" / "trash.json"
    assert concept_folders.known() == ("trash",)


def test_an_unknown_concept_is_answered_with_the_known_ones():
    concept_folders.write(TRASH)
    with pytest.raises(UsageError, match="no concept 'trahs'") as caught:
        load_concept("trahs", EMBEDDER)
    assert "did you mean 'trash'" in caught.value.hint
    assert "amogus, trash" in caught.value.hint


def test_another_embedders_concept_is_refused_with_both_names_and_the_way_out():
    concept_folders.write(TRASH)
    with pytest.raises(UsageError, match=r"fake \(fake-embedder-1\).*fake \(other\)") as caught:
        load_concept("trash", FakeEmbedder(fingerprint="other"))
    assert "amogus concept make" in caught.value.hint


@pytest.mark.parametrize(("old", "new"), [("0.9", "1.0"), ('"fake"', '"fakr"'), ("probe", "prode")])
def test_a_changed_file_is_refused(old, new):
    """Also where what was changed is not the vector: the figures must be those of the concept."""
    path = concept_folders.write(TRASH)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(WeightsError, match=r"trash\.json is damaged.*sha256"):
        concept_folders.read("trash")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b" " * 5_000_000])
def test_what_is_no_concept_at_all_is_refused(home, content):
    home.mkdir()
    (home / "trash.json").write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        concept_folders.read("trash")


def test_one_of_a_later_version_is_refused(home):
    path = concept_folders.write(TRASH)
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(WeightsError, match="format 2"):
        concept_folders.read("trash")


def test_a_name_is_not_taken_twice_unless_that_is_said():
    concept_folders.write(TRASH)
    with pytest.raises(UsageError, match="already") as caught:
        concept_folders.write(TRASH)
    assert "--replace" in caught.value.hint
    concept_folders.write(TRASH, replace=True)


def test_a_write_that_fails_leaves_what_was_there(home, monkeypatch):
    path = concept_folders.write(TRASH)
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("amogus_search.concept_folders.os.fsync", full)
    with pytest.raises(AmogusError, match="No space left"):
        concept_folders.write(Concept("trash", -UNIT, "fake", "x"), replace=True)
    assert path.read_bytes() == before
    assert [one.name for one in home.iterdir()] == ["trash.json"]


@pytest.mark.parametrize("name", ["", "a b", "-x", "amogus", "Amogus", "x" * 65, "ä", ".."])
def test_names_that_mean_something_else_are_refused(name):
    with pytest.raises(UsageError, match="cannot be called"):
        concept_folders.write(Concept(name, UNIT, "fake", "x"))


def test_one_that_is_removed_is_gone_and_the_built_in_one_stays():
    path = concept_folders.write(TRASH)
    assert concept_folders.remove("trash") == path
    assert concept_folders.known() == ()
    with pytest.raises(UsageError, match="no concept"):
        concept_folders.remove("trash")
    with pytest.raises(UsageError, match="built in"):
        concept_folders.remove("amogus")


def test_a_vector_that_is_no_direction_is_no_concept():
    for vector in (UNIT * 2, UNIT.astype(np.float64), UNIT[None], UNIT * np.nan):
        with pytest.raises(ValueError, match="length 1"):
            Concept("trash", vector, "fake", "x")


def test_every_embedder_has_a_direction_towards_amogi():
    direction = load_concept("amogus", EMBEDDER)
    towards, away = (
        EMBEDDER.embed_texts(texts) for texts in (concept_folders.AMOGUS_PROMPTS, concept_folders.PHOTO_PROMPTS)
    )
    assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-6)
    assert (towards @ direction).mean() > (away @ direction).mean()


def test_an_embedder_may_know_its_own_direction():
    class Knowing(FakeEmbedder):
        def motif_direction(self):
            return UNIT

    assert load_concept("amogus", Knowing()).tobytes() == UNIT.tobytes()


def test_an_embedder_to_which_all_texts_are_one_has_none():
    class Blind(FakeEmbedder):
        def embed_texts(self, texts):
            return np.repeat(UNIT[None], len(texts), axis=0)

    with pytest.raises(AmogusError, match="no difference"):
        amogus_direction(Blind())


@pytest.mark.slow
def test_the_embedded_embedder_tells_rendered_crewmates_from_other_things():
    from amogus_search import registry
    from amogus_search.synth.backgrounds import random_ground
    from amogus_search.synth.scenes import plant_scene

    embedder = registry.load_embedder()
    direction = load_concept("amogus", embedder)
    scores = {0: [], 1: []}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scene = plant_scene(rng, random_ground(rng, (96, 96)), seed % 2, (), "plain", (60, 80))
        scores[seed % 2].append(float(embedder.embed_images([scene.image])[0] @ direction))
    assert np.mean([one > other for one in scores[1] for other in scores[0]]) > 0.95
