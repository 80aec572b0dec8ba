"""What a question asks of an index, in which order its terms count, and how hits are ranked."""

from dataclasses import replace

import numpy as np
import pytest

from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Detections, FindingScores, Hit, Others
from amogus_search.core.where import Column
from amogus_search.errors import UsageError
from amogus_search.pipeline.search import (
    Direction,
    Picture,
    Query,
    Region,
    Text,
    Weighted,
    query_vector,
    search,
    unknown_words,
)
from amogus_search.testing import FakeEmbedder


def hit(path, score, amogusness, *, detection=0, by="similarity"):
    n = len(amogusness)
    detections = Detections.make([[0, 0, 9, 9]] * n, np.linspace(0.9, 0.5, n))
    values = np.asarray(amogusness, np.float64)
    scores = FindingScores(values, values, np.zeros(n, bool))
    return Hit(1, path, score, by, "00", (9, 9), detections, scores, detection if n else None)


class FakeIndex:
    """Answers with what it was given and notes what it was asked."""

    def __init__(self, hits=(), vectors=None):
        self.hits, self.vectors, self.asked = list(hits), vectors or {}, []

    def columns(self):
        return {"width": Column("i.width", "number")}

    def best_images(self, n, **asked):
        self.asked.append(("images", n, asked))
        return self.hits[:n]

    def best_regions(self, n, **asked):
        self.asked.append(("regions", n, asked))
        return self.hits[:n]

    def similar(self, vector, n, **asked):
        self.asked.append(("similar", n, asked | {"vector": vector}))
        return self.hits[:n]

    def region_vector(self, region):
        return self.vectors[region]


class ForgetfulEmbedder(FakeEmbedder):
    def unknown_words(self, text):
        return tuple(word for word in text.split() if word == "flibber")


def test_a_question_without_terms_asks_for_the_best_and_needs_no_model():
    index = FakeIndex()
    search(index, None, Query(limit=7))
    search(index, None, Query(regions=True))
    assert [(kind, n) for kind, n, _ in index.asked] == [("images", 7), ("regions", 20)]


def test_bounds_and_conditions_reach_the_index_as_parameters():
    index = FakeIndex()
    search(index, None, Query(threshold=Threshold(0.5, 0.2), where="width > 5"))
    asked = index.asked[0][2]
    assert asked == {"min_amogusness": 0.5, "min_confidence": 0.2, "where_sql": "i.width > ?", "params": (5,)}


@pytest.mark.parametrize(("regions", "kind"), [(True, "detection"), (False, "both")])
def test_a_text_is_compared_with_findings_or_with_everything_of_an_image(regions, kind):
    index, embedder = FakeIndex(), FakeEmbedder()
    search(index, embedder, Query(plus=(Text("red"),), regions=regions))
    asked = index.asked[0][2]
    assert (asked["kind"], asked["by_image"]) == (kind, not regions)
    np.testing.assert_allclose(asked["vector"], embedder.embed_texts(["red"])[0], atol=1e-6)


def test_terms_are_added_and_taken_away():
    embedder = FakeEmbedder()
    query = Query(plus=(Text("red"), Text("blue")), minus=(Text("blue"),))
    red = embedder.embed_texts(["red"])[0]
    assert query_vector(FakeIndex(), embedder, query) @ red == pytest.approx(1.0, abs=1e-5)


def test_a_region_of_the_index_needs_no_embedder():
    vector = np.asarray([0.6, 0.8], np.float32)
    query = Query(plus=(Region("5f2c"),))
    assert not query.needs_embedder
    np.testing.assert_allclose(query_vector(FakeIndex(vectors={"5f2c": vector}), None, query), vector)


def test_a_picture_from_outside_is_embedded():
    pixels = np.full((8, 8, 3), (250, 0, 0), np.uint8)
    query = Query(plus=(Picture(pixels),))
    assert query.needs_embedder
    embedder = FakeEmbedder()
    expected = embedder.embed_images([pixels])[0]
    np.testing.assert_allclose(query_vector(FakeIndex(), embedder, query), expected, atol=1e-6)


def test_similarity_to_nothing_is_refused():
    with pytest.raises(UsageError, match="nothing to be similar to"):
        search(FakeIndex(), None, Query(by="similarity"))


def test_ranking_by_amogusness_reorders_the_most_similar():
    """A hit on a whole image counts by the image's best finding, one without findings counts nothing."""
    found = [hit(b"/a", 0.9, [0.2]), hit(b"/b", 0.8, [0.95, 0.1], detection=None), hit(b"/c", 0.7, [])]
    ranked = search(FakeIndex(found), FakeEmbedder(), Query(plus=(Text("red"),), by="amogusness"))
    assert [(one.path, round(one.score, 2), one.rank) for one in ranked] == [
        (b"/b", 0.95, 1),
        (b"/a", 0.2, 2),
        (b"/c", 0, 3),
    ]
    assert {one.by for one in ranked} == {"amogusness"}


def test_without_a_calibration_ranking_by_amogusness_means_by_confidence():
    found = [hit(b"/a", 0.9, [np.nan, np.nan], detection=1), hit(b"/b", 0.8, [np.nan])]
    ranked = search(FakeIndex(found), FakeEmbedder(), Query(plus=(Text("red"),), by="amogusness"))
    assert [(one.path, one.by) for one in ranked] == [(b"/b", "confidence"), (b"/a", "confidence")]


def test_a_mistake_in_the_expression_is_found_before_the_index_is_asked():
    index = FakeIndex()
    with pytest.raises(UsageError, match="unknown column"):
        search(index, None, Query(where="hight > 3"))
    assert not index.asked


def test_unknown_words_of_all_texts_are_told_once_each():
    query = Query(plus=(Text("red flibber"), Region("00")), minus=(Text("flibber"),))
    assert unknown_words(ForgetfulEmbedder(), query) == ("flibber",)


def test_a_term_counts_as_often_as_its_weight_says():
    embedder = FakeEmbedder()
    red, blue = embedder.embed_texts(["red", "blue"])
    query = Query(plus=(Weighted(Text("red"), 2.0), Text("green")), minus=(Weighted(Text("blue"), 0.5),))
    expected = 2 * red + embedder.embed_texts(["green"])[0] - 0.5 * blue
    vector = query_vector(FakeIndex(), embedder, query)
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_an_analogy_is_arithmetic():
    """Red thing - red + blue is the blue thing, whatever the thing is."""
    embedder = FakeEmbedder()
    query = Query(plus=(Text("red sky"), Text("blue")), minus=(Text("red"),))
    vector = query_vector(FakeIndex(), embedder, query)
    wanted, other = embedder.embed_texts(["blue sky", "red sky"])
    assert vector @ wanted > 0.95 > vector @ other


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_a_weight_is_a_positive_number(weight):
    with pytest.raises(ValueError, match="positive"):
        Weighted(Text("red"), weight)


def test_a_direction_is_a_term_that_needs_no_embedder():
    vector = np.asarray([0.0, 1.0], np.float32)
    query = Query(plus=(Direction("up", vector),))
    assert not query.needs_embedder
    np.testing.assert_allclose(query_vector(FakeIndex(), None, query), vector)


class Templated(FakeEmbedder):
    templates = ("a photo of {}.", "{} in a drawing")


def test_a_short_text_is_the_mean_of_the_embedders_templates_around_it():
    embedder = Templated()
    rows = embedder.embed_texts(["a photo of red {box}.", "red {box} in a drawing"])
    expected = rows.sum(axis=0) / np.linalg.norm(rows.sum(axis=0))
    vector = query_vector(FakeIndex(), embedder, Query(plus=(Text("red {box}"),)))
    np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_an_article_is_left_to_the_templates():
    embedder = Templated()
    vectors = [query_vector(FakeIndex(), embedder, Query(plus=(Text(text),))) for text in ("red box", "The red box")]
    np.testing.assert_array_equal(*vectors)


@pytest.mark.parametrize("term", [Text("red", literal=True), Text("red box on a table")])
def test_a_sentence_and_a_literal_text_are_embedded_as_they_are(term):
    embedder = Templated()
    vector = query_vector(FakeIndex(), embedder, Query(plus=(term,)))
    np.testing.assert_allclose(vector, embedder.embed_texts([term.text])[0], atol=1e-6)


def candidates(*pairs, sha=None):
    """Hits by similarity, of (similarity, amogusness)."""
    found = []
    for place, (similarity, amogusness) in enumerate(pairs):
        one = hit(f"/{place}".encode(), similarity, [amogusness])
        found.append(replace(one, sha256=sha[place] if sha else f"{place:02}", crop_id=f"crop{place}"))
    return found


def paths(hits):
    return [int(one.path[1:]) for one in hits]


RED = (Text("red"),)


def test_by_amogusness_ranks_many_more_than_are_wanted():
    """The most amogus-like of the similar ones may well be the last of them."""
    index = FakeIndex(candidates(*[(0.9 - place / 1000, place / 1000) for place in range(499)]))
    assert paths(search(index, FakeEmbedder(), Query(plus=RED, by="amogusness", limit=3))) == [498, 497, 496]
    assert index.asked[0][1] == 500
    search(index, FakeEmbedder(), Query(plus=RED, by="amogusness", limit=100))
    assert index.asked[1][1] == 2000


def test_by_both_ranks_what_is_neither_just_similar_nor_just_amogus_like_first():
    index = FakeIndex(candidates((0.30, 0.05), (0.29, 0.90), (0.20, 0.99)))
    found = search(index, FakeEmbedder(), Query(plus=RED, by="mixed"))
    assert (paths(found), found[0].by) == ([1, 2, 0], "mixed")
    assert [one.rank for one in found] == [1, 2, 3]


def test_equal_scores_stay_in_the_order_of_their_similarity():
    index = FakeIndex(candidates((0.3, 0.0), (0.2, 0.0), (0.1, 0.5)))
    assert paths(search(index, FakeEmbedder(), Query(plus=RED, by="amogusness"))) == [2, 0, 1]


def test_the_lowest_similarity_reaches_the_index_and_widens_the_pool():
    index = FakeIndex(candidates((0.3, 0.5)))
    search(index, FakeEmbedder(), Query(plus=RED, least=0.2))
    search(index, FakeEmbedder(), Query(plus=RED, least=0.2, by="mixed", limit=5))
    assert [(n, asked["min_similarity"]) for _, n, asked in index.asked] == [(20, 0.2), (50_000, 0.2)]


@pytest.mark.parametrize("query", [Query(by="mixed"), Query(least=0.5)])
def test_without_terms_nothing_is_similar(query):
    with pytest.raises(UsageError, match="nothing to be similar to"):
        search(FakeIndex(), None, query)


VECTORS = {
    name: np.asarray(vector, np.float32)
    for name, vector in {
        "aa": (1, 0),
        "bb": (0.9999, 0.0141),
        "cc": (0, 1),
        "crop0": (1, 0),
        "crop1": (1, 0),
        "crop2": (0, 1),
        "crop3": (0.6, 0.8),
    }.items()
}


def test_copies_are_shown_once_with_how_many_there_are():
    found = candidates((0.9, 0.5), (0.8, 0.5), (0.7, 0.5), (0.6, 0.5), sha=["aa", "aa", "bb", "cc"])
    hits = search(FakeIndex(found, VECTORS), FakeEmbedder(), Query(plus=RED, fold=True))
    assert [(paths([one])[0], one.others) for one in hits] == [(0, Others(1, 1)), (3, Others(0, 0))]
    assert [one.rank for one in hits] == [1, 2]


def test_findings_are_folded_only_where_they_look_alike_themselves():
    found = candidates((0.9, 0.5), (0.8, 0.5), (0.7, 0.5), (0.6, 0.5), sha=["aa", "bb", "bb", "aa"])
    hits = search(FakeIndex(found, VECTORS), FakeEmbedder(), Query(plus=RED, fold=True, regions=True))
    assert [(paths([one])[0], one.others.near) for one in hits] == [(0, 1), (2, 0), (3, 0)]


def test_so_many_copies_that_nothing_else_is_in_the_pool_do_not_empty_the_answer():
    found = candidates(*[(0.9, 0.5)] * 600, (0.1, 0.5), sha=["aa"] * 600 + ["cc"])
    index = FakeIndex(found, VECTORS)
    hits = search(index, FakeEmbedder(), Query(plus=RED, fold=True, limit=2))
    assert [one.sha256 for one in hits] == ["aa", "cc"]
    assert [n for _, n, _ in index.asked] == [500, 2000]


def test_diverse_hits_differ_from_each_other_and_the_best_stays_first():
    found = candidates((0.9, 0.5), (0.89, 0.5), (0.5, 0.5))
    index = FakeIndex(found, VECTORS)
    assert paths(search(index, FakeEmbedder(), Query(plus=RED, diverse=0.5, limit=2, regions=True))) == [0, 2]
    assert paths(search(index, FakeEmbedder(), Query(plus=RED, diverse=1.0, limit=2, regions=True))) == [0, 1]
    assert paths(search(index, None, Query(diverse=0.3, limit=2, regions=True))) == [0, 2]
