"""`amogus query`: ranking, forms of output, and what it says when there is nothing to show."""

import csv
import io
import json

import pytest


def rows(done):
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def names(done):
    return [row["path"].rpartition("/")[2] for row in rows(done)]


@pytest.mark.usefixtures("indexed")
def test_without_a_text_the_best_come_first_and_pictures_without_findings_last(amogus):
    found = names(amogus("query", "--format", "jsonl"))
    assert set(found[:2]) == {"one.png", "two.png"}
    assert set(found[2:]) == {"blue.png", "empty.png"}


@pytest.mark.usefixtures("indexed")
def test_the_table_shows_path_score_and_evidence(amogus):
    done = amogus("query")
    assert done.code == 0
    assert "one.png" in done.out
    assert "lid" in done.out


@pytest.mark.usefixtures("indexed")
def test_a_hit_in_json_is_as_documented(amogus):
    (hit,) = json.loads(amogus("query", "-n", "1", "--format", "json").out)
    assert list(hit) == ["rank", "path", "score", "by", "image", "detection"]
    assert hit["detection"]["amogusness"] is None
    assert set(hit["detection"]["evidence"]) == {"lid", "sides", "red"}
    assert hit["image"]["width"] == 160


@pytest.mark.usefixtures("indexed")
def test_regions_lists_findings(amogus):
    found = rows(amogus("query", "--regions", "--format", "jsonl"))
    assert len(found) == 3
    assert all(row["detection"] is not None for row in found)


@pytest.mark.usefixtures("indexed")
def test_a_text_finds_what_is_most_like_it(amogus):
    assert names(amogus("query", "blue", "-n", "1", "--format", "jsonl")) == ["blue.png"]


@pytest.mark.usefixtures("indexed")
def test_minus_takes_away(amogus):
    found = names(amogus("query", "--plus", "blue", "--minus", "red", "-n", "1", "--format", "jsonl"))
    assert found == ["blue.png"]


@pytest.mark.usefixtures("indexed")
def test_a_picture_of_the_index_and_its_copy_from_outside_find_the_same(amogus, drawn, workplace):
    inside = names(amogus("query", "--image", drawn / "blue.png", "--format", "jsonl"))
    copy = workplace / "copy.png"
    copy.write_bytes((drawn / "blue.png").read_bytes())
    outside = names(amogus("query", "--image", copy, "--format", "jsonl"))
    assert inside == outside
    assert inside[0] == "blue.png"


@pytest.mark.usefixtures("indexed")
def test_a_crop_id_stands_for_its_finding(amogus, indexed):
    from amogus_search.store.index import Index

    with Index.open(indexed) as index:
        best = index.best_regions(1)[0]
    found = rows(amogus("query", "--image", best.crop_id, "--regions", "-n", "1", "--format", "jsonl"))
    assert found[0]["score"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.usefixtures("indexed")
def test_where_leaves_out_what_does_not_fit(amogus):
    assert names(amogus("query", "--where", "path like '%one%'", "--format", "jsonl")) == ["one.png"]
    done = amogus("query", "--where", "width > 5000")
    assert (done.code, done.out) == (0, "")
    assert "nothing fits" in done.err


@pytest.mark.usefixtures("indexed")
def test_every_documented_column_can_be_compared(amogus):
    for column in ("width", "height", "size", "confidence", "amogusness", "rarity", "zoom", "red", "lid"):
        assert amogus("query", "--where", f"{column} >= 0", "--format", "json").code == 0
    for column in ("path", "format"):
        assert amogus("query", "--where", f"{column} like '%p%'", "--format", "json").code == 0


@pytest.mark.usefixtures("indexed")
def test_a_mistake_in_the_expression_is_a_usage_error(amogus):
    done = amogus("query", "--where", "widht > 3")
    assert done.code == 2
    assert "did you mean width" in done.err


@pytest.mark.usefixtures("indexed")
def test_a_word_the_embedder_never_saw_is_told_with_the_way_out(amogus):
    done = amogus("query", "red flibber", "--format", "json")
    assert done.code == 0
    assert "'flibber'" in done.err
    assert "--embedder open_clip:" in done.err


@pytest.mark.usefixtures("indexed")
def test_csv_has_one_line_a_hit(amogus):
    table = list(csv.DictReader(io.StringIO(amogus("query", "--format", "csv").out)))
    assert len(table) == 4
    assert table[0]["rank"] == "1"
    assert float(table[0]["evidence_red"]) > 0.9


@pytest.mark.usefixtures("indexed")
def test_a_picture_that_is_not_there_is_a_usage_error(amogus):
    done = amogus("query", "--image", "missing.jpg")
    assert done.code == 2
    assert "missing.jpg" in done.err


def test_without_an_index_the_command_that_makes_one_is_named(amogus):
    done = amogus("query")
    assert done.code == 1
    assert "amogus index PATH" in done.err


def test_by_similarity_to_nothing_is_a_usage_error(amogus, indexed):
    assert amogus("query", "--by", "similarity").code == 2
