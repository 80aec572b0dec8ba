from collections.abc import Sequence

import numpy as np
import pytest

from amogus_search.core.types import Pixels, Vectors
from amogus_search.evaluation.retrieval import (
    Probe,
    area_under_curve,
    by_group,
    caption_hits,
    caption_precision,
    looks_by_style,
    milliseconds_per_crop,
    neighbour_hits,
    pass_rates,
    retrieval_report,
)

AXES = np.eye(4, dtype=np.float32)
FACTS = [frozenset({"red", "hat"}), frozenset({"red"}), frozenset({"blue"}), frozenset({"green"})]


class AxisEmbedder:
    """Each colour word is its own axis."""

    name = fingerprint = "axes"
    dimension = 4
    words = ("hat", "red", "blue", "green")

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        return np.tile(AXES[:1], (len(images), 1))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return AXES[[self.words.index(text) for text in texts]]

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()


def test_a_caption_is_answered_if_a_fitting_crop_is_near_the_top() -> None:
    probes = [Probe("red", frozenset({"red"})), Probe("green", frozenset({"blue"}))]
    assert caption_hits(AxisEmbedder(), probes, AXES, FACTS, top=1) == 0.5


def test_a_caption_that_fits_no_crop_is_not_asked() -> None:
    assert np.isnan(caption_hits(AxisEmbedder(), [Probe("red", frozenset({"gold"}))], AXES, FACTS))


def test_precision_counts_only_captions_with_enough_fitting_crops() -> None:
    probes = [Probe("hat", frozenset({"red"})), Probe("blue", frozenset({"blue"}))]
    assert caption_precision(AxisEmbedder(), probes, AXES, FACTS, top=2) == 1.0


def test_neighbours_are_others_and_lone_labels_are_left_out() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], np.float32)
    assert neighbour_hits(vectors, ["a", "a", "b", "lone"], top=1) == 1.0
    assert neighbour_hits(vectors, ["a", "b", "a", "b"], top=1) == 0.0


class ColourEmbedder(AxisEmbedder):
    """A crop's vector is its mean colour, so colours tell crops apart and styles do not."""

    def embed_images(self, images):  # type: ignore[no-untyped-def]
        rows = np.array([image.reshape(-1, 3).mean(0) for image in images], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_looks_are_told_by_style_without_those_that_have_no_partner() -> None:
    reds, greens, blue = (
        [np.full((4, 4, 3), (200, i, 0), np.uint8) for i in range(12)],
        [],
        np.zeros((4, 4, 3), np.uint8),
    )
    greens = [np.full((4, 4, 3), (i, 200, 0), np.uint8) for i in range(2)]
    blue[..., 2] = 255
    facts = [frozenset({"colour:red", "style:flat"})] * 12
    facts += [frozenset({"colour:green", "style:knit"}), frozenset({"colour:red", "style:knit"})]
    facts += [frozenset({"colour:blue", "style:stone"})]
    embedder = ColourEmbedder()
    rows = looks_by_style(embedder, [*reds, *greens, blue], facts)
    assert rows == [{"style": "flat", "crops": 12, "partners": 11.0, "hit_at_10": 1.0}]
    facts[-2] = facts[-3]
    rows = looks_by_style(embedder, [*reds, *greens, blue], facts)
    assert [(row["style"], row["crops"], row["partners"]) for row in rows] == [("flat", 12, 11.0), ("knit", 2, 1.0)]


@pytest.mark.parametrize(("positive", "negative", "expected"), [([2, 3], [0, 1], 1), ([1], [1], 0.5), ([0], [1, 2], 0)])
def test_the_area_is_the_chance_of_the_right_order(
    positive: list[float], negative: list[float], expected: float
) -> None:
    assert area_under_curve(np.array(positive, np.float32), np.array(negative, np.float32)) == expected


def test_the_threshold_lets_no_more_than_the_given_share_of_negatives_pass() -> None:
    negative = np.arange(100, dtype=np.float32)
    threshold, passed = pass_rates(np.array([93.5, 96.5], np.float32), negative, 0.05)
    assert (negative > threshold).mean() <= 0.05
    assert passed == 0.5


def test_groups_are_reported_by_name() -> None:
    scores = np.array([0.1, 0.9, 0.8], np.float32)
    assert by_group(scores, ["a", "a", "b"], 0.5) == {"a": 0.5, "b": 1.0}


def test_time_per_crop_is_positive() -> None:
    assert milliseconds_per_crop(AxisEmbedder(), [np.zeros((4, 4, 3), np.uint8)] * 3) > 0


def test_the_report_of_an_embedder_without_a_verifier_has_no_margins() -> None:
    crops = [np.zeros((4, 4, 3), np.uint8)] * 4
    report = retrieval_report(AxisEmbedder(), crops, FACTS, [Probe("red", frozenset({"red"}))], motif="red")
    assert report["crops"] == 4
    assert report["caption_hit_at_10"] == 1.0
    assert "margin_auc_photos" not in report


def test_the_report_of_a_verifier_says_how_well_it_tells_the_sides_apart() -> None:
    class Verifying(AxisEmbedder):
        def margin_of_vectors(self, vectors: Vectors) -> np.ndarray:
            return np.array([1, 0.5, -0.5, 0.7], np.float32)

    facts = [*FACTS[:2], frozenset({"kind:photo"}), frozenset({"kind:drawing"})]
    report = retrieval_report(Verifying(), [np.zeros((4, 4, 3), np.uint8)] * 4, facts, [], motif="red")
    assert report["margin_auc_photos"] == 1.0
    assert report["margin_auc_all_others"] == 0.75
