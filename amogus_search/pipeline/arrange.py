"""Second thoughts about found hits: ranked by something else, folded, spread. The order of ties stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from amogus_search.core.diversity import diverse_order, fold_duplicates
from amogus_search.core.ranking import mixed_scores
from amogus_search.core.types import Hit, Others, Vectors
from amogus_search.pipeline.terms import Regions
from amogus_search.settings import SEARCH


def by_amogusness(hits: Sequence[Hit]) -> list[Hit]:
    """Ranked by the finding that was hit, or the image's best one; confidence where there is no calibration."""
    return _best_first([_amogus_like(hit) for hit in hits])


def by_both(hits: Sequence[Hit]) -> list[Hit]:
    """Ranked by `core.ranking.mixed_scores` of their amogusness and their similarity, which is their score so far."""
    shares = [_amogus_like(hit).score for hit in hits]
    scores = mixed_scores(shares, [hit.score for hit in hits])
    return _best_first([replace(hit, score=float(score), by="mixed") for hit, score in zip(hits, scores, strict=True)])


def folded(hits: Sequence[Hit], index: Regions, *, regions: bool) -> list[Hit]:
    """One hit a picture, however many copies, exact or near, there are of it; each says how many it stands for.

    Findings are the same if they are at the same place of the same content, or look the same in pictures that do;
    findings of one picture never are.

    Args:
        hits: best first.
        index: knows their vectors.
        regions: they are findings, not images.

    Raises:
        UsageError: the index has no vectors.
    """
    pictures = [hit.sha256 for hit in hits]
    contents = [_region(hit) for hit in hits] if regions else pictures
    looks = [_vectors(index, names) for names in ([pictures, contents] if regions else [pictures])]
    folding = fold_duplicates(contents, pictures, looks, SEARCH.near_duplicate)
    rows = zip(folding.kept, folding.exact, folding.near, strict=True)
    return [replace(hits[row], others=Others(int(exact), int(near))) for row, exact, near in rows]


def diversified(hits: Sequence[Hit], index: Regions, trade: float, limit: int | None) -> list[Hit]:
    """So many of the hits, best first, each unlike those before it; see `core.diversity.diverse_order`.

    Raises:
        UsageError: the index has no vectors.
    """
    if not hits:
        return []
    vectors = _vectors(index, [_region(hit) for hit in hits])
    return [hits[row] for row in diverse_order([hit.score for hit in hits], vectors, trade, limit)]


def _region(hit: Hit) -> str:
    """What the index calls the region that was hit: the finding, or the whole image."""
    return hit.sha256 if hit.detection is None or hit.crop_id is None else hit.crop_id


def _vectors(index: Regions, names: Sequence[str]) -> Vectors:
    """(n, d) vectors of regions; each is looked up once."""
    known = {name: index.region_vector(name) for name in dict.fromkeys(names)}
    return np.asarray([known[name] for name in names], np.float32)


def _best_first(hits: list[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: -hit.score)


def _amogus_like(hit: Hit) -> Hit:
    """The same hit scored by its finding, or by its image's best one; confidence where there is no calibration."""
    if not len(hit.detections):
        return replace(hit, score=0.0, by="amogusness")
    known, row = hit.scores.amogusness, hit.detection
    uncalibrated = bool(np.isnan(known).all())
    scores = hit.detections.confidence.astype(np.float64) if uncalibrated else known
    score = float(scores.max() if row is None else scores[row])
    return replace(hit, score=score, by="confidence" if uncalibrated else "amogusness")
