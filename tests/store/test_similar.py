"""Similarity among what meets conditions: as many hits as there are, the right ones, however rare they are."""

import numpy as np
import pytest

from amogus_search.core.where import compile_where
from amogus_search.errors import UsageError
from amogus_search.store.index import Index

QUERY = np.asarray([1, 0.5, -0.2, 0, 0.3, 0, 0, 0.1], np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where `filled` lies: made by the first test that wants it."""
    return tmp_path_factory.mktemp("similar") / "index"


@pytest.fixture
def filled(place, make):
    """300 pictures in three folders, every third with a copy elsewhere, with up to three findings each."""
    if not place.exists():
        with make.create(place) as index:
            index.rescore("half", make.half)
            fill(index, make)
    with Index.open(place) as opened:
        yield opened


def fill(index, make):
    random = np.random.default_rng(5)
    images = []
    for number in range(300):
        folder = ("common", "rare/one", "other")[0 if number % 50 else 1 if number % 100 else 2]
        confidences = np.sort(random.uniform(0.1, 1, number % 4))[::-1]
        images.append(make.image(f"{folder}/{number:03}.jpg", confidences, full_wh=(100 + number, 80)))
    index.write(added=images[:200])
    index.publish()
    copies = [(make.entry(f"copies/{number:03}.PNG"), images[number].sha256) for number in range(0, 200, 3)]
    index.write(added=images[200:], attached=copies, removed=[images[7].entry.path])  # the tail is not in FAISS yet


def asked(index, n, text="", **changes):
    where_sql, params = compile_where(text, index.columns()) if text else ("", ())
    return index.similar(QUERY, n, where_sql=where_sql, params=params, **changes)


def described(hits):
    return [(hit.path, hit.detection, round(hit.score, 6)) for hit in hits]


CONDITIONS = (
    "folder = rare",
    "folder = /photos/other",
    "folder = copies and extension = png",
    "width >= 395",
    "lid > 0.97",
    "confidence > 0.99",
    "findings = 3 and red > 0.9",
    "modified < 1971 and folder != common and folder != copies",
    "path = /photos/rare/one/050.jpg",
    "width > 5000",
    "findings >= 0",
)


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize(("kind", "by_image"), [("both", True), ("detection", False), ("image", False)])
def test_a_limit_gives_the_beginning_of_all_that_meet_a_condition(filled, text, kind, by_image):
    every = asked(filled, None, text, kind=kind, by_image=by_image)
    assert [hit.score for hit in every] == sorted((hit.score for hit in every), reverse=True)
    for n in (1, 3, 20):
        assert described(asked(filled, n, text, kind=kind, by_image=by_image)) == described(every[:n])


def test_the_conditions_keep_just_those_that_meet_them(filled):
    every = {hit.path for hit in asked(filled, None, by_image=True)}
    kept = {hit.path for hit in asked(filled, None, "folder = rare", by_image=True)}
    assert kept == {path for path in every if b"/rare/" in path}
    assert kept
    widths = [hit.full_wh[0] for hit in asked(filled, 500, "width >= 395", by_image=True)]
    assert sorted(set(widths)) == [395, 396, 397, 398, 399]


def test_an_image_is_ranked_by_its_best_region(filled):
    """Recomputed from the vectors: the largest of the whole image's similarity and its findings'."""
    table, vectors = filled.vectors()
    best = {}
    for sha256, similarity in zip(table["sha256"], vectors @ (QUERY / np.linalg.norm(QUERY)), strict=True):
        best[sha256] = max(best.get(sha256, -1), float(similarity))
    hits = asked(filled, None, by_image=True)
    assert [hit.score for hit in hits] == pytest.approx([best[hit.sha256] for hit in hits], abs=1e-5)
    assert len({hit.path for hit in hits}) == len(hits) == filled.counts()["indexed"]


@pytest.mark.parametrize("least", [-1.0, 0.0, 0.5, 0.8, 0.999])
@pytest.mark.parametrize("text", ["", "folder = rare"])
def test_a_lowest_similarity_keeps_all_that_reach_it_and_no_others(filled, least, text):
    every = asked(filled, None, text)
    expected = [one for one in described(every) if one[2] >= least]
    assert described(asked(filled, None, text, min_similarity=least)) == expected
    assert described(asked(filled, 4, text, min_similarity=least)) == expected[:4]


def test_bounds_on_findings_are_conditions_too(filled):
    every = asked(filled, None, min_amogusness=0.49, kind="detection")
    assert described(asked(filled, 3, min_amogusness=0.49, kind="detection")) == described(every[:3])
    assert all(hit.scores.amogusness[hit.detection] >= 0.49 for hit in every)


def test_without_vectors_there_is_nothing_to_compare_with(index):
    with pytest.raises(UsageError, match="no vectors"):
        asked(index, 3, "width > 3")
