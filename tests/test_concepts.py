"""From pictures to a concept: what is counted, what is left out, and that copies never test what they made."""

import numpy as np
import pytest
from PIL import Image

from amogus_search.concepts import LEAST, Examples, examples_in, examples_of_hits, make_concept
from amogus_search.errors import UsageError
from amogus_search.sources.workers import DecodePool
from amogus_search.testing import FakeEmbedder

SPACE = ("fake", "fake-embedder-1")


def examples(count, axis, seed=0, prefix=""):
    """Unit rows about one axis, each a picture of its own."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 8)) * 0.2
    rows[:, axis] += 1
    ids = tuple(f"{prefix}{axis}-{number}" for number in range(count))
    return Examples((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), ids, ids)


@pytest.fixture
def pictures(tmp_path):
    """Reddish and bluish pictures in two folders."""

    def draw(name, count, channel):
        (tmp_path / name).mkdir()
        rng = np.random.default_rng(channel)
        for number in range(count):
            pixels = rng.integers(0, 90, (24, 24, 3), np.uint8)
            pixels[..., channel] += rng.integers(60, 120, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
        return tmp_path / name

    return draw("red", 9, 0), draw("blue", 9, 2)


def test_a_bad_picture_costs_only_itself_and_is_named(pictures):
    red, _ = pictures
    (red / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    with DecodePool() as pool:
        found = examples_in([red], FakeEmbedder(), pool)
    assert len(found) == 9
    assert [skip.entry.path.rpartition(b"/")[2] for skip in found.skipped] == [b"broken.jpg"]


def test_the_same_pixels_count_once_in_whatever_file_they_are(pictures):
    red, _ = pictures
    Image.open(red / "0.png").save(red / "again.bmp")
    with DecodePool() as pool:
        found = examples_in([red, red / "1.png"], FakeEmbedder(), pool)
    assert (len(found), found.repeats) == (9, 1)


def test_a_concept_of_folders_tells_them_apart(pictures):
    red, blue = pictures
    embedder = FakeEmbedder()
    with DecodePool() as pool:
        concept = make_concept("red", *(examples_in([side], embedder, pool) for side in (red, blue)), SPACE)
    assert concept.metrics["accuracy"] == concept.metrics["auc"] == 1.0
    assert concept.metrics["accuracy_95"][0] < 0.7  # nine of nine are not many
    assert concept.vector[0] > 0 > concept.vector[2]
    assert (concept.made["positive"], concept.made["negative"], concept.made["folds"]) == (9, 9, 5)


def test_the_order_of_the_pictures_does_not_matter_to_what_is_held_out():
    positive, negative = examples(20, 0), examples(20, 1)
    turned = Examples(positive.vectors[::-1], positive.ids[::-1], positive.groups[::-1])
    one, other = (make_concept("x", side, negative, SPACE) for side in (positive, turned))
    assert one.metrics["auc"] == other.metrics["auc"]
    assert one.made == other.made
    assert one.vector @ other.vector == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("method", ["difference", "probe"])
def test_a_method_that_is_named_is_the_one_that_is_used(method):
    concept = make_concept("x", examples(20, 0), examples(20, 1), SPACE, method=method)
    assert (concept.made["method"], concept.made["chosen_by"]) == (method, "the user")
    assert set(concept.metrics["tried"]) == {"difference", "probe"}


def test_without_a_name_the_better_one_on_held_out_pictures_is_taken():
    """A wide axis that means nothing draws the mean difference aside."""
    rng = np.random.default_rng(3)

    def side(meaning, prefix):
        rows = np.column_stack([np.full(40, meaning), rng.normal(size=40) * 4, np.full(40, 2.0), np.zeros(40)])
        ids = tuple(f"{prefix}{number}" for number in range(40))
        return Examples((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), ids, ids)

    concept = make_concept("x", side(0.4, "p"), side(0.0, "n"), SPACE)
    tried = concept.metrics["tried"]
    assert concept.made["method"] == "probe"
    assert tried["probe"]["accuracy"] > tried["difference"]["accuracy"]
    assert concept.metrics["accuracy"] == tried["probe"]["accuracy"]


def test_what_is_called_both_is_left_out_and_counted():
    positive, negative = examples(12, 0), examples(12, 1)
    concept = make_concept("x", positive, negative.joined(positive.without(positive.ids[3:])), SPACE)
    assert (concept.made["positive"], concept.made["negative"], concept.made["in_both"]) == (9, 12, 3)


def test_too_few_pictures_are_refused_with_both_numbers():
    with pytest.raises(UsageError, match=f"{LEAST - 1} different pictures as positives, at least {LEAST}"):
        make_concept("x", examples(LEAST - 1, 0), examples(20, 1), SPACE)
    with pytest.raises(UsageError, match="as negatives"):
        make_concept("x", examples(20, 0), examples(LEAST - 1, 1), SPACE)


def test_many_findings_of_one_picture_are_one_picture():
    many = examples(30, 0)
    with pytest.raises(UsageError, match="1 different pictures"):
        make_concept("x", Examples(many.vectors, many.ids, ("one",) * 30), examples(20, 1), SPACE)


def test_kinds_that_do_not_differ_at_all_are_refused():
    ids = tuple(map(str, range(20)))
    rows = np.repeat(np.eye(1, 8, dtype=np.float32), 10, axis=0)
    with pytest.raises(UsageError, match="nothing tells"):
        make_concept("x", Examples(rows, ids[:10], ids[:10]), Examples(rows, ids[10:], ids[10:]), SPACE)


class Findings:
    """What `examples_of_hits` asks of an index."""

    def region_vector(self, region):
        return np.eye(8, dtype=np.float32)[int(region)]


def test_findings_of_one_picture_stay_together(monkeypatch):
    class Wholes:
        def __init__(self, index):
            pass

        def contents_of_crops(self, ids):
            return {one: "picture" for one in ids if one != "2"}

    monkeypatch.setattr("amogus_search.concepts.Wholes", Wholes)
    found = examples_of_hits(Findings(), ["0", "1", "0", "2"])
    assert found.ids == ("0", "1", "2")
    assert found.groups == ("picture", "picture", "2")
