"""What a question asks of an index, in which order its terms count, and how hits are ranked."""

import numpy as np
import pytest

from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Detections, FindingScores, Hit
from amogus_search.core.where import Column
from amogus_search.errors import UsageError
from amogus_search.pipeline.search import Picture, Query, Region, Text, query_vector, search, unknown_words
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
        return self.hits

    def best_regions(self, n, **asked):
        self.asked.append(("regions", n, asked))
        return self.hits

    def similar(self, vector, n, **asked):
        self.asked.append(("similar", n, asked | {"vector": vector}))
        return self.hits

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
