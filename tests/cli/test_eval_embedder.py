"""`amogus eval embedder` on a few crops."""

import json

import pytest

pytestmark = pytest.mark.heavy
pytest.importorskip("torch")


@pytest.fixture
def few(monkeypatch):
    from amogus_search.training import embedder_heldout
    from amogus_search.training.embedder_crops import CropCounts

    drawn = embedder_heldout.held_out_crops

    def some(folder, photos, *, progress):
        return drawn(folder, photos, CropCounts(24, 6, 0, 6, 2), progress=progress)

    monkeypatch.setattr(embedder_heldout, "held_out_crops", some)


def test_it_prints_what_the_embedded_embedder_is_worth(few, amogus, tmp_path):
    done = amogus("eval", "embedder", tmp_path / "crops", "--format", "json")
    (report,) = json.loads(done.out)
    assert report["crops"] == 38
    assert 0 <= report["caption_hit_at_10"] <= 1
    assert report["ms_per_crop"] > 0
    again = amogus("eval", "embedder", tmp_path / "crops", "--format", "json")
    assert json.loads(again.out)[0]["caption_hit_at_10"] == report["caption_hit_at_10"]


def test_looks_are_told_by_style(few, amogus, tmp_path):
    done = amogus("eval", "embedder", tmp_path / "crops", "--by-style", "--format", "json")
    for row in json.loads(done.out):
        assert row["style"]
        assert row["crops"] >= 1
        assert 0 <= row["hit_at_10"] <= 1


def test_a_folder_without_towers_is_refused(few, amogus, tmp_path):
    done = amogus("eval", "embedder", tmp_path / "crops", "--towers", tmp_path)
    assert done.code == 2
    assert "amogus train embedder" in done.err
