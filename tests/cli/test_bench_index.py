"""`amogus bench profile` and `bench index`, small and with fake models; what they measure is true of any."""

import json
import os

import pytest


def test_a_profile_says_where_the_time_goes_and_how_near_it_comes_to_the_models(amogus, drawn):
    fakes = ("--detector", "fake", "--embedder", "fake")
    done = amogus("bench", "profile", drawn, *fakes, "--rounds", 2, "--format", "json", "--quiet")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["pictures"], said["skipped"], said["rounds"]) == (4, 1, 2)
    assert said["tiles"] > 0
    assert said["crops"] == 4 + 3, "whole pictures and findings"
    assert 0 < said["of_the_models"] < 1
    assert said["pictures_a_second"] < said["models_alone_a_second"]
    threads = {(row["thread"], row["stage"]) for row in said["stages"]}
    assert threads >= {
        ("models", "detector"),
        ("models", "embedder"),
        ("models", "merge and evidence"),
        ("models", "publishing"),
        ("models", "waiting for pictures"),
        ("ahead", "cutting and resizing"),
        ("ahead", "waiting for a decoder"),
        ("decoding", "reading and decoding"),
        ("writing", "SQL and commit"),
    }
    assert sum(row["share"] for row in said["stages"] if row["thread"] == "models") == pytest.approx(1, abs=0.05)


def test_the_clocks_are_taken_off_again(amogus, drawn):
    from amogus_search.pipeline import detect
    from amogus_search.sources.folder import FolderSource
    from amogus_search.testing import FakeDetector

    parts = (detect.merge, FolderSource.scan, FakeDetector.__dict__["detect_tiles"])
    assert amogus("bench", "profile", drawn, "--detector", "fake", "--embedder", "fake", "--rounds", 1).code == 0
    assert parts == (detect.merge, FolderSource.scan, FakeDetector.__dict__["detect_tiles"])


def test_indexing_at_full_length_is_watched_on_every_number_of_cores(amogus, workplace, fakes, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.fspath(fakes))
    names = ("--detector", "fake", "--embedder", "fake", "--at", workplace / "drawn", "--plot", "speed.svg")
    done = amogus("bench", "index", "--generated", 12, "--cores", "1,0", *names, "--format", "json", "--quiet")
    assert done.code == 0, done.err
    runs = json.loads(done.out)["runs"]
    assert [(run["cores"], run["pictures"]) for run in runs] == [(1, 12), (0, 12)]
    for run in runs:
        assert run["samples"][-1][0] == 12
        assert run["memory_mb_highest"] is None or 20 < run["memory_mb_highest"] < 2000
        assert run["memory_mb_per_10000"] is not None
    assert len(list((workplace / "drawn").rglob("*.jpg"))) == 12
    for name in ("speed.svg", "speed-memory.svg"):
        assert (workplace / name).read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "pictures or --generated"),
        (("photos", "--generated", "3"), "pictures or --generated"),
        (("photos", "--cores", "two"), "--cores is"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(amogus, words, said):
    done = amogus("bench", "index", *words)
    assert done.code == 2
    assert said in done.err
