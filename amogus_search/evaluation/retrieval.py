"""How well an embedder finds and tells apart: pure numbers from vectors, facts and captions.

A fact is a short text that is true of a crop ("colour:red"); a caption mentions some facts and fits every
crop that has them all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Pixels, Scores, Vectors
from amogus_search.ports import Embedder

Facts = frozenset[str]


@dataclass(frozen=True)
class Probe:
    """A caption and the facts it mentions."""

    text: str
    facts: Facts


def caption_hits(
    embedder: Embedder, probes: Sequence[Probe], vectors: Vectors, facts: Sequence[Facts], top: int = 10
) -> float:
    """Share of the captions with a fitting crop among the `top` most similar ones; captions that fit none are left out.

    Args:
        embedder: made the vectors, and reads the captions.
        probes: the captions.
        vectors: (n, d) unit vectors of the crops.
        facts: what is true of each crop.
        top: how far down the answer a person looks.
    """
    askable = [probe for probe in probes if any(probe.facts <= row for row in facts)]
    if not askable:
        return float("nan")
    texts = embedder.embed_texts([probe.text for probe in askable])
    best = np.argsort(-(texts @ vectors.T), axis=1, kind="stable")[:, :top]
    found = [any(probe.facts <= facts[i] for i in row) for probe, row in zip(askable, best.tolist(), strict=True)]
    return float(np.mean(found))


def caption_precision(
    embedder: Embedder, probes: Sequence[Probe], vectors: Vectors, facts: Sequence[Facts], top: int = 10
) -> float:
    """Mean share of fitting crops among the `top` most similar ones, over captions that fit at least `top` crops."""
    askable = [probe for probe in probes if sum(probe.facts <= row for row in facts) >= top]
    if not askable:
        return float("nan")
    texts = embedder.embed_texts([probe.text for probe in askable])
    best = np.argsort(-(texts @ vectors.T), axis=1, kind="stable")[:, :top]
    shares = [np.mean([p.facts <= facts[i] for i in row]) for p, row in zip(askable, best.tolist(), strict=True)]
    return float(np.mean(shares))


def neighbour_hits(vectors: Vectors, labels: Sequence[str], top: int = 10) -> float:
    """Share of crops with another crop of the same label among their `top` nearest; lone labels are left out."""
    hits, partners = _nearest_of_a_kind(vectors, np.asarray(labels), top)
    return float(hits[partners > 0].mean()) if (partners > 0).any() else float("nan")


def _nearest_of_a_kind(
    vectors: Vectors, names: NDArray[np.str_], top: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """For each row, whether one of the same name is among its `top` nearest, and how many others have its name."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :top]
    _, where, count = np.unique(names, return_inverse=True, return_counts=True)
    return (names[best] == names[:, None]).any(axis=1), count[where] - 1


def looks_by_style(embedder: Embedder, crops: Sequence[Pixels], facts: Sequence[Facts]) -> list[dict[str, str | float]]:
    """For each style of the crops: how many were asked, how many like each there are, and how many found one.

    Args:
        embedder: what is measured.
        crops: crops of the motif, of any size.
        facts: what is true of each.

    Returns:
        Rows of `style`, `crops`, `partners` (mean) and `hit_at_10`, best first; crops without a partner are left out.
    """
    hits, partners = _nearest_of_a_kind(embedder.embed_images(crops), np.asarray(_looks(facts)), 10)
    styles = np.asarray([_label(row, ("style:",)).replace("style:", "") for row in facts])
    rows: list[dict[str, str | float]] = []
    for style in np.unique(styles[partners > 0]):
        asked = (styles == style) & (partners > 0)
        mean, hit = round(float(partners[asked].mean()), 1), round(float(hits[asked].mean()), 3)
        rows.append({"style": str(style), "crops": int(asked.sum()), "partners": mean, "hit_at_10": hit})
    return sorted(rows, key=lambda row: -float(row["hit_at_10"]))


def area_under_curve(positive: Scores, negative: Scores) -> float:
    """Chance that a random positive scores higher than a random negative, ties counting half (ROC AUC)."""
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).mean() / (2 * len(negative)))


def pass_rates(positive: Scores, negative: Scores, false_rate: float) -> tuple[float, float]:
    """The threshold that at most `false_rate` of the negatives exceed, and the share of positives above it."""
    ordered = np.sort(negative)[::-1]
    threshold = float(ordered[min(int(false_rate * len(ordered)), len(ordered) - 1)])
    return threshold, float((positive > threshold).mean())


def margin_auc(embedder: Embedder, motif: Sequence[Pixels], other: Sequence[Pixels]) -> float:
    """AUC of the second look between crops of the motif and others; NaN for an embedder that has none."""
    margin_of = getattr(embedder, "margin_of_vectors", None)
    if margin_of is None:
        return float("nan")
    return area_under_curve(*(margin_of(embedder.embed_images(crops)) for crops in (motif, other)))


def by_group(scores: Scores, groups: Sequence[str], threshold: float) -> Mapping[str, float]:
    """Share of scores above a threshold for each group, by name."""
    names: NDArray[np.str_] = np.asarray(groups)
    return {str(name): float((scores[names == name] > threshold).mean()) for name in np.unique(names)}


def milliseconds_per_crop(embedder: Embedder, crops: Sequence[Pixels], repeats: int = 5) -> float:
    """Median wall time of embedding these crops together, divided by their number, after one call to warm up."""
    embedder.embed_images(crops)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        embedder.embed_images(crops)
        times.append(time.perf_counter() - began)
    return float(np.median(times) / max(len(crops), 1) * 1000)


def retrieval_report(
    embedder: Embedder, crops: Sequence[Pixels], facts: Sequence[Facts], probes: Sequence[Probe], motif: str
) -> dict[str, float]:
    """The numbers of an embedder's model card.

    Args:
        embedder: what is measured.
        crops: held-out crops of any size.
        facts: what is true of each.
        probes: captions to ask for among the motif's crops.
        motif: the fact that all crops of the motif have, and no others.
    """
    vectors = embedder.embed_images(crops)
    hunted = [row for row, true in enumerate(facts) if motif in true]
    near, known = vectors[hunted], [facts[row] for row in hunted]
    looks = _looks(known)
    all_parts = [_label(row, ("colour:", "style:", "backpack:", "hat:")) for row in known]
    report = {
        "crops": float(len(crops)),
        "captions": float(len(probes)),
        "caption_hit_at_10": caption_hits(embedder, probes, near, known),
        "caption_precision_at_10": caption_precision(embedder, probes, near, known),
        "same_look_hit_at_10": neighbour_hits(near, looks),
        "same_look_and_parts_hit_at_10": neighbour_hits(near, all_parts),
    }
    margin_of = getattr(embedder, "margin_of_vectors", None)
    if margin_of is not None:
        report |= _margins(margin_of(vectors), facts, motif)
    return {name: round(value, 4) for name, value in report.items()}


def _looks(facts: Sequence[Facts]) -> list[str]:
    return [_label(row, ("colour:", "style:")) for row in facts]


def _label(facts: Facts, kinds: tuple[str, ...]) -> str:
    return "|".join(sorted(fact for fact in facts if fact.startswith(kinds)))


def _margins(margin: Scores, facts: Sequence[Facts], motif: str) -> dict[str, float]:
    hunted = np.array([motif in row for row in facts])
    photo = np.array(["kind:photo" in row for row in facts])
    threshold, passed = pass_rates(margin[hunted], margin[photo], 0.01) if photo.any() else (0.0, float("nan"))
    return {
        "margin_auc_photos": area_under_curve(margin[hunted], margin[photo]),
        "margin_auc_all_others": area_under_curve(margin[hunted], margin[~hunted]),
        "margin_at_1_percent_of_photos": threshold,
        "recall_at_1_percent_of_photos": passed,
    }
