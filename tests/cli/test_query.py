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
    found = rows(amogus("query", "--image", best.sha256, "-n", "1", "--format", "jsonl"))
    assert (found[0]["path"], found[0]["detection"]) == (best.path.decode(), None)


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


@pytest.mark.usefixtures("indexed")
def test_several_texts_are_added_up(amogus):
    assert rows(amogus("query", "red", "blue", "--format", "jsonl")) == rows(
        amogus("query", "red", "--plus", "blue", "--format", "jsonl")
    )


@pytest.mark.usefixtures("indexed")
def test_a_weight_before_a_word_decides_how_much_it_counts(amogus):
    assert names(amogus("query", "--plus", "2:blue", "--plus", "0.5:red", "--format", "jsonl"))[0] == "blue.png"
    assert names(amogus("query", "--plus", "0.1:blue", "--plus", "3:red", "--regions", "--format", "jsonl"))[0] != (
        "blue.png"
    )


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("word", ["0:red", "-1:red", "2:", "2: "])
def test_a_weight_that_is_none_is_a_usage_error(amogus, word):
    done = amogus("query", "--plus", word)
    assert done.code == 2
    assert "weight" in done.err


@pytest.mark.usefixtures("indexed")
def test_a_text_that_begins_like_a_weight_is_written_with_one(amogus):
    """`1:2:flibber` is the text `2:flibber`."""
    done = amogus("query", "--plus", "1:2:flibber", "--format", "json")
    assert done.code == 0
    plain = amogus("query", "2:flibber", "--format", "json")
    assert done.out == plain.out


@pytest.mark.usefixtures("indexed")
def test_the_box_of_a_finding_finds_that_finding(amogus, drawn):
    """Cut out with the same context, from a file outside or inside the index."""
    boxed = rows(amogus("query", "--image", f"{drawn / 'one.png'}#10,10,50,50", "--regions", "--format", "jsonl"))
    assert boxed[0]["path"].endswith("one.png")
    assert boxed[0]["score"] == pytest.approx(1.0, abs=1e-3)
    split = rows(
        amogus("query", "--image", drawn / "one.png", "--box", "10,10,50,50", "--regions", "--format", "jsonl")
    )
    assert split == boxed


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize(
    ("image", "box", "said"),
    [
        ("one.png", "200,0,300,50", "160 x 120"),
        ("one.png", "50,10,10,50", "empty"),
        ("one.png", "1,2,3", "four numbers"),
        ("one.png", "a,b,c,d", "four numbers"),
        ("one.png", "nan,0,5,5", "empty"),
        ("one.png#1,2,30,40", "1,2,30,40", "twice"),
        ("missing.png#1,2,3,4", None, "no picture"),
        ("0123456789abcdef", "1,2,3,4", "crop id"),
    ],
)
def test_a_box_that_cannot_be_is_a_usage_error(amogus, drawn, image, box, said):
    name = image if image.startswith("0") else drawn / image
    done = amogus("query", "--image", name, *(["--box", box] if box else []))
    assert done.code == 2
    assert said in done.err


@pytest.mark.usefixtures("indexed")
def test_a_box_without_a_picture_is_a_usage_error(amogus):
    assert amogus("query", "--box", "1,2,3,4").code == 2


@pytest.mark.usefixtures("indexed")
def test_a_picture_whose_name_ends_like_a_box_is_that_picture(amogus, drawn, workplace):
    odd = workplace / "blue.png#1,2,3,4"
    odd.write_bytes((drawn / "blue.png").read_bytes())
    found = rows(amogus("query", "--image", odd, "--format", "jsonl"))
    assert found[0]["path"].endswith("blue.png")
    assert found[0]["score"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.usefixtures("indexed")
def test_a_concept_is_a_term_wherever_a_text_is_one(amogus):
    for words in (["concept:amogus"], ["--plus", "0.5:concept:amogus"], ["red", "--minus", "concept:amogus"]):
        done = amogus("query", *words, "--format", "json")
        assert done.code == 0, done.err
    done = amogus("query", "concept:unheard-of")
    assert (done.code, "unheard-of" in done.err) == (2, True)


@pytest.mark.usefixtures("indexed")
def test_mixed_needs_something_to_compare_with_and_says_what_it_is_by(amogus):
    found = rows(amogus("query", "red", "--by", "mixed", "--format", "jsonl"))
    assert {row["by"] for row in found} == {"mixed"}
    assert found[-1]["score"] <= found[0]["score"] <= 1
    assert amogus("query", "--by", "mixed").code == 2
    assert "mixed" in amogus("query", "red", "--by", "mixed").out


@pytest.mark.usefixtures("indexed")
def test_the_lowest_similarity_leaves_out_the_rest(amogus):
    every = rows(amogus("query", "blue", "--format", "jsonl"))
    bound = (every[0]["score"] + every[1]["score"]) / 2
    assert rows(amogus("query", "blue", "--min-similarity", bound, "--format", "jsonl")) == every[:1]
    assert amogus("query", "--min-similarity", "0.5").code == 2
    done = amogus("query", "blue", "--min-similarity", "1.0")
    assert (done.code, done.out, "nothing fits" in done.err) == (0, "", True)


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize(
    "words",
    [
        ["--diverse"],
        ["--diverse", "0.7"],
        ["--diverse=0.3", "red"],
        ["--diverse", "red"],
        ["red", "--diverse", "-n", "2"],
        ["--diverse", "--", "red"],
    ],
)
def test_diverse_stands_with_or_without_its_number(amogus, words):
    done = amogus("query", *words)
    assert done.code == 0, done.err


@pytest.mark.usefixtures("indexed")
def test_diverse_takes_a_number_between_0_and_1(amogus):
    assert amogus("query", "--diverse", "1.5").code == 2


def test_copies_are_folded_and_counted(amogus, photos):
    (photos / "copy.png").write_bytes((photos / "blue.png").read_bytes())
    assert amogus("index", photos, "--index", "idx", "--detector", "fake", "--embedder", "fake").code == 0
    ask = ("query", "blue", "--index", "idx", "--fold-duplicates")
    found = rows(amogus(*ask, "--format", "jsonl"))
    assert found[0]["duplicates"]["exact"] == 1
    assert len(found) == len({row["image"]["sha256"] for row in found})
    assert "1 copy" in amogus(*ask).out


@pytest.mark.usefixtures("indexed")
def test_folders_extensions_and_dates_are_conditions(amogus, drawn):
    every = len(rows(amogus("query", "--format", "jsonl")))
    for expression, count in (
        (f"folder = {drawn}", every),
        ("folder = photos", every),
        ("folder = elsewhere", 0),
        ("extension = PNG", every),
        ("extension != png", 0),
        ("modified >= 2020 and modified < 2100", every),
        ("modified < 2020", 0),
        ("size < 1MB", every),
        ("findings = 2", 1),
        ("red>0.9 and findings = 1", 1),
    ):
        found = rows(amogus("query", "--where", expression, "--format", "jsonl"))
        assert len(found) == count, expression
        assert len(rows(amogus("query", "blue", "--where", expression, "--format", "jsonl"))) == count, expression
