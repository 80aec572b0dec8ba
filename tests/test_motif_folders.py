"""A taught motif is found by name or path, and used only if every file is the one that was taught."""

import json
import os

import numpy as np
import pytest

from amogus_search import motif_folders, registry
from amogus_search.core.calibration import Calibration, Curve
from amogus_search.core.types import Detections
from amogus_search.errors import UsageError, WeightsError
from amogus_search.finder import Finder

MADE = {"command": "amogus train motif eye --drawings 'my \"eyes\"'", "seed": 3, "minutes": 0.5, "kept": True}
FILES = (motif_folders.MODEL, motif_folders.TENSORS, motif_folders.CALIBRATION)


def teach(folder, name="eye", model=b"a model"):
    """A motif folder whose model nobody can run."""
    folder.mkdir(parents=True)
    (folder / motif_folders.MODEL).write_bytes(model)
    (folder / motif_folders.TENSORS).write_bytes(b"tensors")
    curve = Curve(-1.0, 2.0)
    (folder / motif_folders.CALIBRATION).write_text(json.dumps(Calibration(curve, curve, np.zeros(4)).to_dict()))
    motif_folders.write(folder, name, MADE, {"ap50_seen": 0.75, "ap50_unseen": None})
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where motifs lie by name; the working folder is another one, with its own `motifs`."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv(motif_folders.FOLDER_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_written_is_read_again(home):
    taught = motif_folders.read(teach(home / "eye"))
    assert taught.motif.name == "eye"
    assert taught.motif.keypoint_names == taught.motif.evidence_names == ()
    assert taught.model == b"a model"
    assert taught.about["made"] == MADE
    assert taught.about["metrics"] == {"ap50_seen": 0.75}  # what could not be measured is left out


def test_a_name_is_looked_up_and_a_path_is_taken(home, tmp_path, monkeypatch):
    there, here = teach(home / "eye"), teach(tmp_path / "elsewhere" / "motifs" / "star", "star")
    assert motif_folders.find("eye") == there
    assert motif_folders.find(str(here)) == here
    assert motif_folders.find("./motifs/star").resolve() == here
    monkeypatch.delenv(motif_folders.FOLDER_VARIABLE)
    assert motif_folders.find("star").resolve() == here
    assert motif_folders.known() == ("star",)


def test_the_detector_has_the_motif_and_its_calibration(home):
    teach(home / "eye")
    finder = Finder.load("motif:eye")
    assert finder.detector.name == "motif:eye"
    assert finder.detector.motif.name == "eye"
    assert finder.verifier is None
    scores = finder.score(Detections.make([[0, 0, 9, 9]], [0.5]).with_evidence(np.zeros((1, 0)), ()))
    assert scores.amogusness[0] == pytest.approx(1 / (1 + np.e))


def test_two_motifs_have_two_fingerprints_and_a_moved_one_keeps_its_own(home, tmp_path):
    one = registry.load_detector(f"motif:{teach(home / 'eye')}").fingerprint
    assert registry.load_detector(f"motif:{teach(home / 'other', model=b'another')}").fingerprint != one
    os.rename(home / "eye", tmp_path / "moved")
    assert registry.load_detector(f"motif:{tmp_path / 'moved'}").fingerprint == one


def test_a_path_is_remembered_so_that_it_means_the_same_from_anywhere(home, tmp_path, monkeypatch):
    teach(tmp_path / "elsewhere" / "eye")
    name = registry.load_detector("motif:./eye").name
    monkeypatch.chdir(tmp_path)
    assert registry.load_detector(name).name == name


def test_an_unknown_motif_is_answered_with_the_known_ones(home):
    teach(home / "eye")
    with pytest.raises(WeightsError, match="there is no motif in") as caught:
        registry.load_detector("motif:ear")
    assert "there are: eye" in caught.value.hint
    assert "amogus train motif" in caught.value.hint


def test_one_that_is_not_finished_says_how_to_go_on(home):
    (home / "eye" / "run").mkdir(parents=True)
    with pytest.raises(WeightsError, match="not taught yet") as caught:
        registry.load_detector("motif:eye")
    assert "same amogus train motif command" in caught.value.hint


def test_no_name_at_all_is_a_wrong_use():
    with pytest.raises(UsageError, match="which motif"):
        registry.load_detector("motif:")


@pytest.mark.parametrize("file", [motif_folders.MODEL, motif_folders.CALIBRATION])
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_file_is_refused_by_name(home, file, damage):
    path = teach(home / "eye") / file
    path.write_bytes(path.read_bytes()[:-1] + b"?") if damage == "changed" else path.unlink()
    with pytest.raises(WeightsError, match=file) as caught:
        registry.load_detector("motif:eye")
    assert "damaged" in caught.value.hint


@pytest.mark.parametrize("text", ["format = 2\n", "format = 1\n", "[motif", "", "format = 1\n[motif]\nname = 'eye'\n"])
def test_a_damaged_manifest_is_refused(home, text):
    (teach(home / "eye") / motif_folders.MANIFEST).write_text(text)
    with pytest.raises(WeightsError, match=r"motif\.toml"):
        registry.load_detector("motif:eye")


@pytest.mark.parametrize("name", ["", "../eye", "a b", "-x", "amogus", "Onnx", "eye.onnx", "x" * 65])
def test_names_that_mean_something_else_are_refused(name):
    with pytest.raises(UsageError, match="cannot be called"):
        motif_folders.checked_name(name)
    assert motif_folders.checked_name("eye_2-b") == "eye_2-b"


def test_an_index_remembers_which_motif_made_it(home, tmp_path):
    """Another motif of the same name is another detector, and is not mixed in."""
    from amogus_search.indexing import identity_of
    from amogus_search.testing import FakeEmbedder

    first = identity_of(Finder.load(f"motif:{teach(home / 'eye')}"), FakeEmbedder(), "balanced")
    again = identity_of(Finder.load(f"motif:{teach(tmp_path / 'eye', model=b'new')}"), FakeEmbedder(), "balanced")
    assert first["detector_fingerprint"] != again["detector_fingerprint"]
    assert first["verifier_fingerprint"] is None
