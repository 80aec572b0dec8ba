"""`amogus status`, `verify` and `repair`: what an index holds, whether it is whole, and mending it."""

import json
import shutil

import pytest


@pytest.fixture
def own_index(indexed, workplace, monkeypatch):
    """A copy of the index that a test may damage."""
    copy = workplace / "own"
    shutil.copytree(indexed, copy)
    monkeypatch.setenv("AMOGUS_INDEX", str(copy))
    return copy


@pytest.mark.usefixtures("indexed")
def test_status_counts_pictures_and_names_the_models(amogus):
    record = json.loads(amogus("status", "--format", "json").out)
    assert (record["indexed"], record["skipped"], record["detections"]) == (4, 1, 3)
    assert (record["detector"], record["embedder"], record["profile"]) == ("fake", "fake", "balanced")


@pytest.mark.usefixtures("indexed")
def test_status_lists_what_was_skipped_and_why(amogus):
    (skipped,) = json.loads(amogus("status", "--skipped", "--format", "json").out)
    assert skipped["path"].endswith("broken.jpg")
    assert skipped["skipped"] in ("truncated", "corrupt")


@pytest.mark.usefixtures("indexed")
def test_status_for_people_is_a_line_a_value(amogus):
    assert "indexed" in amogus("status").out
    assert "broken.jpg" in amogus("status", "--skipped").out


@pytest.mark.usefixtures("indexed")
def test_a_whole_index_verifies(amogus):
    done = amogus("verify")
    assert (done.code, done.out) == (0, "")
    assert "no damage" in done.err


def test_damage_is_found_and_mended(amogus, own_index):
    files = sorted(own_index.glob("*.faiss"))
    assert files
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].chmod(0o600)
    files[0].write_bytes(content)
    assert amogus("verify").code == 1
    assert amogus("repair").code == 0
    assert amogus("verify").code == 0


def test_status_without_an_index_names_the_command_that_makes_one(amogus):
    for command in ("status", "verify", "repair"):
        done = amogus(command)
        assert done.code == 1
        assert "amogus index PATH" in done.err
