"""Questions from Python: the same answers as from the command line, as rows, tables and cards."""

import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from amogus_search import Index, QueryResult
from amogus_search.core.types import Hit
from amogus_search.errors import UsageError
from amogus_search.indexing import Choice, index_paths
from amogus_search.pipeline.search import Direction, Text, Weighted


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Where `index` keeps its index between tests: made by the first one that wants it."""
    return tmp_path_factory.mktemp("library") / "index"


@pytest.fixture
def index(photos_once, place, fake_models):
    """An index of `photos_once`, to be read only."""
    if not place.exists():
        index_paths([photos_once], place, Choice("fake", "fake"))
    with Index.open(place) as opened:
        yield opened


@pytest.fixture
def own(drawn_photos, tmp_path, fake_models):
    """An index of `drawn_photos`, for tests that change them."""
    index_paths([drawn_photos], tmp_path / "index", Choice("fake", "fake"))
    with Index.open(tmp_path / "index") as opened:
        yield opened


def names(result):
    return [os.path.basename(hit.path).decode() for hit in result]


def test_without_a_question_the_most_amogus_like_come_first(index):
    found = index.query()
    assert isinstance(found, QueryResult)
    assert all(isinstance(hit, Hit) for hit in found)
    assert set(names(found)[:2]) == {"one.png", "two.png"}
    assert [hit.rank for hit in found] == [1, 2, 3, 4]


def test_an_image_is_ranked_by_its_best_region(index):
    """A small red box in a light picture is very red, the picture is not: the crop decides."""
    best, *_ = index.query("red")
    assert best.detection is not None
    (whole,) = [hit for hit in index.query("red", n=None) if hit.path.endswith(b"blue.png")]
    assert whole.detection is None
    assert len(index.query("red", n=None)) == 4


def test_texts_pictures_boxes_arrays_and_weights_are_terms(index, drawn_photos):
    blue = np.asarray(Pillow.open(drawn_photos / "blue.png"))
    for found in (
        index.query("blue", n=1),
        index.query(image=drawn_photos / "blue.png", n=1),
        index.query(image=str(drawn_photos / "blue.png"), box=(20, 20, 140, 100), n=1),
        index.query(image=blue, n=1),
        index.query(image=blue, box=(20, 20, 140, 100), n=1),
        index.query("red", plus="9:blue", n=1),
        index.query("red", "blue", minus=["red", Weighted(Text("red"), 0.5)], n=1),
        index.query(plus=Direction("blueness", index.embedder.embed_texts(["blue"])[0]), n=1),
    ):
        assert names(found) == ["blue.png"]


def test_a_hit_can_be_asked_for_again(index):
    best = index.query(regions=True)[0]
    again = index.query(image=best.crop_id, regions=True)
    assert again[0].score == pytest.approx(1.0, abs=1e-3)


def test_conditions_and_orders_are_those_of_the_command_line(index):
    assert names(index.query(where="findings = 2 and extension = png")) == ["two.png"]
    assert len(index.query("red", min_similarity=0.99, n=None)) < 4
    assert index.query("red", by="mixed")[0].by == "mixed"
    assert (
        len(index.query("red", diverse=True, regions=True)) == len(index.query("red", diverse=0.9, regions=True)) == 3
    )
    assert index.query("red", fold_duplicates=True)[0].others is not None


@pytest.mark.parametrize(
    "asked",
    [
        {"box": (1, 2, 3, 4)},
        {"n": 0},
        {"diverse": 2.0},
        {"image": "missing.jpg"},
        {"image": np.zeros((4, 4), np.uint8)},
        {"image": np.zeros((4, 4, 3), np.float32)},
        {"image": np.zeros((4, 4, 3), np.uint8), "box": (9, 9, 12, 12)},
        {"plus": "0:red"},
        {"by": "similarity"},
        {"where": "hight > 3"},
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(index, asked):
    with pytest.raises(UsageError):
        index.query(**asked)


def test_a_result_is_a_sequence_that_never_changes(index):
    found = index.query()
    assert [hit.rank for hit in found[1:3]] == [2, 3]
    assert isinstance(found[:2], QueryResult)
    assert found[-1] is found.hits[-1]
    with pytest.raises(AttributeError):
        found.hits = ()
    with pytest.raises(TypeError):
        found[0] = None


def test_a_result_prints_as_a_table_with_its_question(index):
    lines = repr(index.query("red", minus="0.5:blue", n=2)).splitlines()
    assert lines[0] == "red, minus 0.5 x blue: 2 hits"
    assert lines[1].startswith("1  similarity 0.")
    assert "lid" in lines[1]
    assert repr(index.query(where="width > 5000")) == "the most amogus-like, where width > 5000: no hits"


def test_long_results_are_cut_when_printed(index):
    found = index.query()
    long = QueryResult(found.hits * 4, found.query, found.evidence_names, found.reader)
    assert len(repr(long).splitlines()) == 12
    assert repr(long).endswith("... and 6 more")


def test_a_table_has_a_row_a_hit_and_the_same_columns_when_empty(index):
    table = index.query(regions=True).to_pandas()
    assert len(table) == 3
    assert table["score"].dtype == table["x1"].dtype == table["evidence_lid"].dtype == np.float64
    assert table["crop_id"].notna().all()
    empty = index.query(where="width > 5000").to_pandas()
    assert list(empty.columns) == list(table.columns)
    assert (empty.dtypes == table.dtypes).all()


def test_a_whole_image_has_no_finding_in_the_table(index):
    table = index.query("blue", n=1).to_pandas()
    assert np.isnan(table.loc[0, "x1"])
    assert table.loc[0, "rarity_at_least"] == False  # noqa: E712
    assert os.path.basename(table.loc[0, "path"]) == "blue.png"


def test_folded_copies_are_columns_of_the_table(index):
    table = index.query("red", fold_duplicates=True).to_pandas()
    assert {"duplicates_exact", "duplicates_near"} <= set(table.columns)


def test_records_are_the_json_of_the_command_line(index):
    record = index.query(n=1).records()[0]
    assert list(record) == ["rank", "path", "score", "by", "image", "detection"]
    json.dumps(record)


def test_in_a_notebook_every_hit_is_a_card_with_its_picture(index):
    page = index.query(n=4)._repr_html_()
    assert page.count("data:image/") == 4 + 2  # and the two findings enlarged
    assert "one.png" in page
    assert len(page) < 200_000
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_a_picture_that_is_gone_is_said_so_on_its_card(own, drawn_photos):
    found = own.query(n=2)
    (drawn_photos / "one.png").unlink()
    (drawn_photos / "two.png").write_bytes((drawn_photos / "blue.png").read_bytes())
    page = found._repr_html_()
    assert "data:image/" not in page
    assert "no such file" in page.lower() or "not there" in page.lower()
    assert "not the one that was searched" in page


def test_names_of_files_are_never_markup(own, drawn_photos, tmp_path):
    (drawn_photos / "one.png").rename(drawn_photos / "<img src=x onerror=y>.png")
    index_paths([drawn_photos], tmp_path / "index")
    with Index.open(tmp_path / "index") as again:
        page = again.query("<b>red</b>")._repr_html_()
    assert "<img src=x" not in page
    assert "<b>red" not in page


def test_the_tables_of_an_index_are_pandas_and_numpy(index):
    """What a program does that wants to ask more than there are options for."""
    assert isinstance(index.images(), pd.DataFrame)
    assert len(index.detections()) == 3
    table, vectors = index.vectors()
    assert len(table) == len(vectors) == 7
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
