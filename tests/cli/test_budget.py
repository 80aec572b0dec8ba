"""`amogus tune` and the budget of `amogus index`: what searching may cost, remembered and kept to."""

import json
import shutil

import pytest

from amogus_search.cli.budget import BudgetOptions, parse_milliseconds, parse_size
from amogus_search.errors import UsageError
from amogus_search.settings import BUDGET


@pytest.fixture
def own_index(indexed, workplace, monkeypatch):
    """A copy of the index that a test may change."""
    shutil.copytree(indexed, workplace / "own")
    monkeypatch.setenv("AMOGUS_INDEX", str(workplace / "own"))
    return workplace / "own"


@pytest.mark.usefixtures("own_index")
def test_tune_builds_what_was_asked_for_and_the_index_remembers_it(amogus, photos):
    done = amogus("tune", "--structure", "SQfp16", "--recall", "0.9", "--format", "json")
    assert done.code == 0, done.err
    assert "compares with all 7 regions" in done.err
    record = json.loads(done.out)
    assert (record["search_structure"], record["search_recall"]) == ("SQfp16", 1.0)
    (photos / "two.png").unlink()
    assert amogus("index", photos, "--detector", "fake", "--embedder", "fake", "--confirm-deletions").code == 0
    again = json.loads(amogus("status", "--format", "json").out)
    assert (again["search_structure"], again["search_budget_recall"]) == ("SQfp16", 0.9)
    done = amogus("tune", "--structure", "auto", "--format", "json")
    assert json.loads(done.out)["search_structure"] == "Flat"
    assert json.loads(done.out)["search_budget_recall"] == 0.9
    assert "nothing had to be built" in amogus("tune").err


def test_index_takes_the_budget_for_a_new_index_and_says_what_was_built(amogus, photos, workplace):
    words = ("--detector", "fake", "--embedder", "fake", "--structure", "SQfp16", "--index", workplace / "new")
    done = amogus("index", photos, *words)
    assert done.code == 0, done.err
    assert "searching compares with all 7 regions" in done.err
    record = json.loads(amogus("status", "--index", workplace / "new", "--format", "json").out)
    assert record["search_structure"] == "SQfp16"
    assert "searching" not in amogus("index", photos, *words).err, "nothing was built this time"


@pytest.mark.usefixtures("indexed")
def test_status_tells_what_is_searched_with(amogus):
    record = json.loads(amogus("status", "--format", "json").out)
    assert (record["search_structure"], record["search_is_exact"], record["search_rows"]) == ("Flat", True, 7)
    assert (record["search_tail"], record["search_deleted_share"]) == (0, 0.0)
    assert record["search_ms"] > 0
    assert record["search_built"].startswith("20")
    assert "search recall" in amogus("status").out


@pytest.mark.usefixtures("own_index")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--memory", "much"), "is no size"),
        (("--memory", "0"), "is no size"),
        (("--latency", "soon"), "is no time"),
        (("--structure", "Nonsense7"), "Nonsense7"),
        (("--recall", "2"), "--recall"),
    ],
)
def test_a_budget_that_cannot_be_read_is_a_usage_error(amogus, words, said):
    done = amogus("tune", *words)
    assert done.code == 2
    assert said in done.err


def test_sizes_and_times_have_units():
    assert [parse_size(text) for text in ("2GB", "500 mb", "1.5GiB", "77")] == [2 * 10**9, 5 * 10**8, 3 * 2**29, 77]
    assert [parse_milliseconds(text) for text in ("10ms", "0.5s", "3")] == [10, 500, 3]
    with pytest.raises(UsageError):
        parse_size("2 parsecs")


def test_what_was_not_said_stays_as_it_was():
    assert BudgetOptions().resolved() == BUDGET
    assert not BudgetOptions().is_said
    before = BudgetOptions(recall=0.8, structure="HNSW16,SQ8").resolved()
    after = BudgetOptions(memory="1GB", structure="auto").resolved(before)
    assert (after.recall, after.memory_bytes, after.structure) == (0.8, 10**9, None)
