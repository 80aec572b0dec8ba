"""`amogus bench search` and `ranking`, small; what they measure is true of any size."""

import json

import pytest


def test_search_is_measured_beside_raw_faiss_and_other_libraries(amogus, workplace):
    words = ("--rows", "1500", "--dimension", "16", "--clusters", "40", "--queries", "30", "--latency", "0.001ms")
    more = ("--against", "faiss:IVF16,Flat", "--against", "hnswlib", "--at", workplace / "made", "--format", "json")
    done = amogus("bench", "search", *words, *more)
    assert done.code == 0, done.err
    rows = {row["what"]: row for row in json.loads(done.out)}
    ours = ["whole query", "ten hits", "ten hits and their findings", "structure alone"]
    assert list(rows) == [*(f"amogus, {name}" for name in ours), "raw FAISS", "FAISS IVF16,Flat", "hnswlib"]
    whole = rows["amogus, whole query"]
    assert whole["structure"] == "IVF64,SQfp16"
    assert whole["recall"] >= 0.85
    assert whole["peak_mb"] is None or whole["peak_mb"] > 10
    assert rows["raw FAISS"]["ratio"] == 1
    assert rows["FAISS IVF16,Flat"]["recall"] >= 0.9
    # The index is a real one, and as like its vectors as they were made.
    assert amogus("verify", "--index", workplace / "made").code == 0
    again = amogus(
        "bench", "search", "--rows", 300, "--dimension", 8, "--like", workplace / "made", "--against", "none"
    )
    assert again.code == 0, again.err
    assert "SQfp16" not in again.out
    assert "Flat" in again.out


def test_a_folder_with_something_else_in_it_is_not_filled(amogus, photos):
    done = amogus("bench", "search", "--rows", 300, "--dimension", 8, "--at", photos)
    assert done.code == 2
    assert "is not empty" in done.err


def test_an_unknown_library_is_a_usage_error(amogus):
    done = amogus("bench", "search", "--rows", 300, "--dimension", 8, "--against", "scann")
    assert done.code == 2
    assert "scann" in done.err


def test_the_ranking_walks_down_an_index_and_sorts_nothing(amogus):
    done = amogus("bench", "ranking", "--rows", 2000, "--format", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert len(rows) == 3
    for row in rows:
        assert "scores_by_amogusness" in row["way"]
        assert not row["sorts_all"]
        assert not row["scans"]


@pytest.mark.slow
def test_the_program_answers_as_a_whole_process(amogus):
    done = amogus("bench", "query", "--rows", 2000, "--format", "json")
    assert done.code == 0, done.err
    assert [row["what"] for row in json.loads(done.out)] == ["amogus query", "amogus query red amogus"]
