"""`amogus concept` from the outside, with fake models."""

import io
import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def sides(workplace, monkeypatch):
    """Nine reddish and nine bluish pictures, and concepts in a folder of their own."""
    monkeypatch.setenv("AMOGUS_CONCEPTS", str(workplace / "concepts"))
    rng = np.random.default_rng(0)
    for name, channel in (("red", 0), ("blue", 2)):
        (workplace / name).mkdir()
        for number in range(9):
            pixels = rng.integers(0, 90, (24, 24, 3), np.uint8)
            pixels[..., channel] += rng.integers(60, 120, dtype=np.uint8)
            Image.fromarray(pixels).save(workplace / name / f"{number}.png")


MAKE = ("concept", "make", "warm", "--positive", "red", "--negative", "blue", "--embedder", "fake")


def test_a_concept_is_made_listed_shown_and_removed(amogus, workplace):
    made = amogus(*MAKE, "--format", "json")
    assert made.code == 0
    record = json.loads(made.out)
    assert (record["concept"], record["positive"], record["negative"]) == ("warm", 9, 9)
    assert record["accuracy"] == 1.0
    assert "concept:warm" in made.err
    listed = json.loads(amogus("concept", "list", "-f", "json").out)
    assert [row["concept"] for row in listed] == ["amogus", "warm"]
    assert json.loads(amogus("concept", "show", "warm", "-f", "json").out) == record
    assert amogus("concept", "remove", "warm").code == 0
    assert not (workplace / "concepts" / "warm.json").exists()
    assert amogus("concept", "show", "warm").code == 2


def test_the_built_in_concept_can_be_shown(amogus):
    assert "crewmate" in amogus("concept", "show", "amogus").out


def test_a_concept_of_an_index_ranks_the_index(amogus, indexed):
    assert amogus(*MAKE[:-2], "--index", indexed).code == 0
    done = amogus("query", "concept:warm", "--format", "jsonl")
    assert done.code == 0, done.err
    ranked = [json.loads(line)["path"].rpartition("/")[2] for line in done.out.splitlines()]
    assert ranked[-1] == "blue.png"


def test_hits_may_be_examples(amogus, indexed, monkeypatch):
    """A file of ids and stdin; two findings are too few, and counted as what they are: of one picture."""
    hits = [json.loads(line) for line in amogus("query", "--regions", "--format", "jsonl").out.splitlines()]
    shas = sorted({hit["image"]["sha256"] for hit in hits})
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{sha} rest of the line\n\n" for sha in shas)))
    done = amogus("concept", "make", "warm", "--positive-hits", "-", "--negative", "blue")
    assert done.code == 2
    assert f"{len(shas)} different pictures as positives" in done.err
    assert "--positive-hits" in amogus("concept", "make", "--help").out


def test_a_broken_picture_is_named_and_costs_only_itself(amogus, workplace):
    (workplace / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    done = amogus(*MAKE)
    assert done.code == 0
    assert "left out" in done.err
    assert "broken.jpg" in done.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--positive", "red"), "pictures without it"),
        (("--positive", "red", "--negative", "blue", "--embedder", "fake", "--index", "x"), "in whose space"),
        (("--positive-hits", "ids.txt", "--negative", "blue", "--embedder", "fake"), "in whose space"),
        (("--positive-hits", "-", "--negative-hits", "-"), "stdin cannot be both"),
    ],
)
def test_what_makes_no_sense_is_said_so(amogus, words, problem):
    done = amogus("concept", "make", "warm", *words)
    assert done.code == 2
    assert problem in done.err


def test_an_existing_concept_is_not_replaced_by_accident(amogus):
    assert amogus(*MAKE).code == 0
    done = amogus(*MAKE)
    assert done.code == 2
    assert "--replace" in done.err
    assert amogus(*MAKE, "--replace", "--method", "difference").code == 0


def test_a_damaged_concept_is_listed_as_such(amogus, workplace):
    assert amogus(*MAKE).code == 0
    (workplace / "concepts" / "warm.json").write_text("{}")
    assert "damaged" in amogus("concept", "list").out
